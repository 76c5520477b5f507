/** Scripts in containers, by whichever way they come there. */
import assert from "node:assert/strict";
import { decodeText } from "../../../core/bytes.ts";
import { CARRIER } from "../../../executors/docker/carried_script.ts";
import type { ContainerWork } from "../../../executors/container_work.ts";
import type { Executor } from "../../../executors/executor.ts";
import { api, containersOf, docker, image, opened, work } from "./kit.ts";

const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

const SCRIPT = `#!/bin/sh
printf '%s\\n' "$0" "$PWD" "$(ls -A)" 'it'\\''s "%s" \u{1f40b}'
env | grep -c ${CARRIER}
stat -c '%a' /datatask /datatask/work
touch /datatask/mine /datatask/work/mine
id -u
exit 143`;

async function said(executor: Executor<ContainerWork>, script: string, extra: Partial<ContainerWork>) {
  await executor.start(attempt, work(script, extra), { quota: {} });
  const status = await executor.wait(attempt);
  const log = await new Response(await executor.logs(attempt)).text();
  return { code: status.state === "finished" ? status.exitCode : undefined, log };
}

interface Made {
  readonly Config: { readonly Env: readonly string[] };
}

Deno.test({
  ...docker.test,
  name: "dockerExecutor brings scripts to whoever runs them, and each sees the same",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const others = `${image.split(":")[0]}-others`;
    // After the containers that were made from it.
    stack.defer(() => api<void>("DELETE", `/images/${others}:1`).catch(() => {}));
    const { executor, state } = await opened(stack);
    const { Id } = await api<{ readonly Id: string }>("POST", "/containers/create", {}, {
      Image: image,
      Cmd: ["sh"],
    });
    stack.defer(() => api<void>("DELETE", `/containers/${Id}`));
    await api("POST", "/commit", { container: Id, repo: others, tag: "1", changes: "USER 1234" });
    const large = `${SCRIPT}\n# ${"x".repeat(70_000)}\n`;
    const cases: [string, Partial<ContainerWork>, { readonly user: number; readonly carried: boolean }][] = [
      [SCRIPT, {}, { user: 0, carried: true }],
      [SCRIPT, { user: "0:0" }, { user: 0, carried: true }],
      [SCRIPT, { user: "" }, { user: 0, carried: true }],
      [SCRIPT, { user: "1000" }, { user: 1000, carried: true }],
      [SCRIPT, { image: `${others}:1` }, { user: 1234, carried: true }],
      [SCRIPT, { image: `${others}:1`, user: "" }, { user: 1234, carried: true }],
      [SCRIPT, { image: `${others}:1`, user: "root" }, { user: 0, carried: true }],
      [SCRIPT, { stdin: new Blob(["x"]).stream() }, { user: 0, carried: false }],
      [SCRIPT, { workdir: "/datatask/work" }, { user: 0, carried: false }],
      [SCRIPT, { environment: { [CARRIER]: "own" } }, { user: 0, carried: false }],
      [large, {}, { user: 0, carried: false }],
    ];
    for (const [script, extra, { user, carried }] of cases) {
      const { code, log } = await said(executor, script, extra);
      const own = extra.environment === undefined ? 0 : 1;
      const expected =
        `/datatask/script\n/datatask/work\n\nit's "%s" \u{1f40b}\n${own}\n1777\n1777\n${user}\n`;
      const about = JSON.stringify({ ...extra, user, carried });
      assert.equal(log, expected, about);
      assert.equal(code, 143, about);
      const [name] = await containersOf(state);
      const { Config } = await api<Made>("GET", `/containers/${name}/json`);
      const brought = Config.Env.some((line) => line.startsWith(`${CARRIER}=`) && line.includes("printf"));
      assert.equal(brought, carried, about);
      await executor.forget(attempt);
    }
  },
});

Deno.test({
  ...docker.test,
  name: "dockerExecutor writes a script anew whose writing was cut off, and none that has begun",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const { executor, state } = await opened(stack);
    await said(executor, "echo whole", {});
    const [name] = await containersOf(state);
    const { Config } = await api<{ readonly Config: object }>("GET", `/containers/${name}/json`);
    // As if the shell had been killed that writes it: what lies there is the beginning of it.
    const part = 'printf "echo part" >/datatask/script';
    const again = await api<{ readonly Id: string }>("POST", "/containers/create", {}, {
      ...Config,
      Labels: {},
      Entrypoint: ["/bin/sh", "-c", `[ -e /datatask/ready ]||${part}; exec "$@"`, "sh"],
      Cmd: ["/bin/sh", ...(Config as { readonly Cmd: readonly string[] }).Cmd],
    });
    const path = `/containers/${again.Id}`;
    stack.defer(() => api<void>("DELETE", path, { force: "1" }));
    const start = async (): Promise<number> => {
      await api("POST", `${path}/start`);
      return (await api<{ readonly StatusCode: number }>("POST", `${path}/wait`)).StatusCode;
    };
    assert.equal(await start(), 0);
    assert.equal(await start(), 255);
    const query = { stdout: "1", stderr: "1" };
    const log = await api<string>("GET", `${path}/logs`, query);
    assert.deepEqual(decodeText(new TextEncoder().encode(log)).match(/\b(whole|part)\b/g), ["whole"]);
  },
});

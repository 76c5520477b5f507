/** Engines and connections that fail after a container was made or started, and before that is known. */
import assert from "node:assert/strict";
import type { RunStatus } from "../../../executors/executor.ts";
import { dockerExecutor } from "../../../executors/docker/mod.ts";
import { Front } from "../../kit/front.ts";
import { inFolder } from "../../kit/folder.ts";
import { refuses } from "../../kit/refuses.ts";
import { until } from "../../kit/waiting.ts";
import { api, containersOf, docker, freshState, socket, work } from "./kit.ts";
import { OwnEngine, programs } from "./own_engine.ts";

const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

const shell =
  "echo begin >>/here/marks; until [ -e /here/go ]; do sleep 0.02; done; echo end >>/here/marks; exit 3";
const awk = `#!/bin/awk -f
BEGIN {
  print "begin" >> "/here/marks"; close("/here/marks")
  while ((getline line <"/here/go") < 0) system("sleep 0.02")
  print "end" >> "/here/marks"
}`;

/** Runs a script whose engine is killed so; it has ended before the engine is back, or goes on until the engine was asked to start it again. */
async function begun(
  state: string,
  script: string,
  ended: boolean,
  check: (started: Promise<void>, wait: () => Promise<RunStatus>) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const engine = await OwnEngine.start(stack, { "live-restore": true });
  const marks = (): Promise<string> => Deno.readTextFile(`${state}/marks`).catch(() => "");
  const note = (id: string): string =>
    `${engine.socket.replace(/docker\.sock$/, "")}data/containers/${id}/config.v2.json`;
  const startOf = (call: string): string | undefined => /^POST .*\/containers\/(\w+)\/start/.exec(call)?.[1];
  const ends = (): Promise<void> => Deno.writeTextFile(`${state}/go`, "\n");
  let noted: string | undefined, killed = false;
  stack.use(
    new Front(
      Deno.listen({ transport: "unix", path: `${state}/front.sock` }),
      () => Deno.connect({ transport: "unix", path: engine.socket }),
      {
        async asks(call) {
          const id = startOf(call);
          if (id !== undefined) noted ??= await Deno.readTextFile(note(id));
        },
        async answers(call) {
          const id = startOf(call);
          if (id === undefined) return true;
          if (killed) {
            await ends();
            return true;
          }
          killed = true;
          await until("it has begun", async () => await marks() !== "");
          await engine.end("SIGKILL");
          if (ended) {
            await ends();
            await until("it has ended", async () => (await marks()).endsWith("end\n"));
          }
          // As the engine had noted it before the start.
          await Deno.writeTextFile(note(id), noted!);
          await engine.up();
          return false;
        },
      },
    ),
  );
  const executor = dockerExecutor({ socket: `${state}/front.sock` });
  await executor.open({ state });
  stack.defer(() => executor.close());
  const mounts = [{ source: state, target: "/here" }];
  await check(
    executor.start(attempt, work(script, { image: engine.image, mounts }), { quota: {} }),
    () => executor.wait(attempt),
  );
  assert(killed);
  assert.equal(await marks(), "begin\nend\n");
  await executor.forget(attempt);
  assert.deepEqual(await api("GET", "/containers/json", { all: "1" }, {}, engine.socket), []);
}

for (const ended of [true, false]) {
  Deno.test({
    ...programs.test,
    name: `dockerExecutor begins a script once whose engine was killed before it had noted its start, ${
      ended ? "and that has ended meanwhile" : "and that goes on"
    }`,
    fn: () =>
      inFolder((state) =>
        begun(state, shell, ended, async (started, wait) => {
          await started;
          const status = await wait();
          assert(status.state === "finished" && status.infrastructure, JSON.stringify(status));
          assert.equal(
            status.reason,
            "the Docker Engine was killed as it started it, and does not know how it went",
          );
        })
      ),
  });
}

Deno.test({
  ...programs.test,
  name: "dockerExecutor does not start a program twice whose engine was killed before it had noted its start",
  fn: () =>
    inFolder((state) =>
      begun(state, awk, true, async (started) =>
        await refuses(
          started,
          "unavailable",
          /^Cannot start t\/one on docker: the Docker Engine was killed as it started it, and does not know whether it has begun; it is tried again$/,
        ))
    ),
});

for (const [what, done] of [["create", "made"], ["start", "started"]] as const) {
  Deno.test({
    ...docker.test,
    name:
      `dockerExecutor begins a script once whose connection is cut before the engine says that it has ${done} it`,
    async fn() {
      await using stack = new AsyncDisposableStack();
      const state = freshState(stack);
      const path = `${state}/front.sock`;
      let cuts = 0;
      stack.use(
        new Front(
          Deno.listen({ transport: "unix", path }),
          () => Deno.connect({ transport: "unix", path: socket }),
          {
            async answers(call) {
              if (cuts > 0 || !new RegExp(`^POST /containers/.*${what}`).test(call)) return true;
              cuts++;
              // Who would start it again must find that it has ended.
              const ended = (): Promise<boolean> =>
                Deno.stat(`${state}/marks`).then(({ size }) => size > 6, () => false);
              if (what === "start") await until("it has ended", ended);
              return false;
            },
          },
        ),
      );
      const executor = dockerExecutor({ socket: path });
      await executor.open({ state });
      stack.defer(() => executor.close());
      const script = "echo begin >>/here/marks; echo end >>/here/marks; exit 3";
      const mounts = [{ source: state, target: "/here" }];
      await executor.start(attempt, work(script, { mounts }), { quota: {} });
      const status = await executor.wait(attempt);
      assert(status.state === "finished" && status.exitCode === 3, JSON.stringify(status));
      assert.equal(await Deno.readTextFile(`${state}/marks`), "begin\nend\n");
      assert.equal(cuts, 1);
      await executor.forget(attempt);
      assert.deepEqual(await containersOf(state), []);
    },
  });
}

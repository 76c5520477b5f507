import assert from "node:assert/strict";
import type { Attempt } from "../../../core/attempt.ts";
import type { ContainerWork } from "../../../executors/container_work.ts";
import { dockerExecutor } from "../../../executors/docker/mod.ts";
import type { Executor, RunStatus } from "../../../executors/executor.ts";
import type { Quota } from "../../../core/quota.ts";
import { api, containersOf, docker, image, opened, socket, work } from "./kit.ts";
import { refuses } from "../../kit/refuses.ts";

const attempt: Attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

type Opened = Awaited<ReturnType<typeof opened>>;

/** A test with a real engine. */
function test(name: string, body: (opened: Opened, stack: AsyncDisposableStack) => Promise<void>): void {
  Deno.test({
    ...docker.test,
    name: `dockerExecutor ${name}`,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await body(await opened(stack), stack);
    },
  });
}

const listed = (executor: Executor<ContainerWork>): Promise<RunStatus[]> => Array.fromAsync(executor.list());

async function run(
  executor: Executor<ContainerWork>,
  script: string,
  extra: Partial<ContainerWork> = {},
  quota: Quota = {},
): Promise<RunStatus & { state: "finished" | "lost" }> {
  await executor.start(attempt, work(script, extra), { quota });
  return await executor.wait(attempt);
}

const said = async (executor: Executor<ContainerWork>): Promise<string> =>
  await new Response(await executor.logs(attempt)).text();

/** Runs a script, and forgets it: its exit code, and what it said. */
async function exit(
  executor: Executor<ContainerWork>,
  script: string,
  extra: Partial<ContainerWork>,
): Promise<readonly [number | undefined, string]> {
  const status = await run(executor, script, extra);
  const log = await said(executor);
  await executor.forget(attempt);
  return [status.state === "finished" ? status.exitCode : undefined, log];
}

test(
  "never shows containers of another state folder, whatever their tasks are called",
  async ({ executor }, stack) => {
    const other = await opened(stack);
    await executor.start(attempt, work("sleep 60"), { quota: {} });
    assert.deepEqual(await listed(other.executor), []);
    await refuses(other.executor.wait(attempt), "unknown-run", /no such run is kept/);
    await other.executor.start(attempt, work("exit 3"), { quota: {} });
    const status = await other.executor.wait(attempt);
    assert(status.state === "finished" && status.exitCode === 3);
    await other.executor.forget(attempt);
    assert.equal((await listed(executor))[0]?.state, "running");
    await executor.stop(attempt, { graceMs: 20_000 });
  },
);

test("decides a container that was made and never started", async ({ executor, state }) => {
  await executor.start(attempt, work("exit 0"), { quota: {} });
  await executor.wait(attempt);
  // As a coordinator leaves it that is killed between the two calls.
  const [name] = await containersOf(state);
  const { Config } = await api<{ Config: unknown }>("GET", `/containers/${name}/json`);
  await executor.forget(attempt);
  await api("POST", "/containers/create", { name: name! }, Config);
  const [found] = await listed(executor);
  assert(found?.state === "lost" && /made and never started/.test(found.reason), JSON.stringify(found));
  assert.equal((await executor.wait(attempt)).state, "lost");
  await refuses(executor.start(attempt, work("exit 0"), { quota: {} }), "already-exists", /started before/);
  await executor.stop(attempt, { graceMs: 10 });
  await executor.forget(attempt);
  assert.deepEqual(await containersOf(state), []);
});

test("says that a run is lost whose container somebody else removes", async ({ executor, state }) => {
  await executor.start(attempt, work("sleep 60", { notes: { a: "b" } }), { quota: {} });
  const waiting = executor.wait(attempt);
  const [name] = await containersOf(state);
  await api("DELETE", `/containers/${name}`, { force: "1" });
  const status = await waiting;
  // Removal by force kills first; which of the two is seen depends on who is quicker.
  assert(status.state === "lost" || status.signal === "SIGKILL", JSON.stringify(status));
  assert.deepEqual(status.notes, { a: "b" });
  await refuses(executor.wait(attempt), "unknown-run", /no such run/);
});

test("shows what is paused as running, and stops it", async ({ executor, state }) => {
  await executor.start(attempt, work("trap 'exit 5' TERM; while :; do sleep 0.05; done"), { quota: {} });
  await api("POST", `/containers/${(await containersOf(state))[0]}/pause`);
  const [paused] = await listed(executor);
  assert(paused?.state === "running" && /docker unpause/.test(paused.waiting ?? ""), JSON.stringify(paused));
  await executor.stop(attempt, { graceMs: 20_000 });
  const status = await executor.wait(attempt);
  assert(
    status.state === "finished" && (status.exitCode === 5 || status.signal === "SIGTERM"),
    JSON.stringify(status),
  );
});

test("enforces the quota, and tells running out of memory from a kill", async ({ executor, state }) => {
  const hog = "x=; while :; do x=$x$(head -c 1000000 /dev/zero | tr '\\0' x); done";
  const status = await run(executor, hog, {}, { memory: 32 * 2 ** 20, cpu: 0.5 });
  assert(status.state === "finished" && status.reason?.startsWith("out of memory"), JSON.stringify(status));
  assert.match(status.reason!, /33554432 bytes/);
  assert.notEqual(status.infrastructure, true);
  const [name] = await containersOf(state);
  const { HostConfig } = await api<{ HostConfig: Record<string, number> }>("GET", `/containers/${name}/json`);
  assert.equal(HostConfig.NanoCpus, 5e8);
  assert.equal(HostConfig.MemorySwap, HostConfig.Memory);
  assert.equal(HostConfig.Privileged, false);
});

test("runs a script that is larger than a command line can be, and shows none of it there", async ({ executor }) => {
  const script = `tr '\\0' ' ' </proc/1/cmdline; echo; echo end\n${
    "# secret-word\n".repeat(40_000)
  }echo $((1+1))`;
  const status = await run(executor, script);
  assert(status.state === "finished" && status.exitCode === 0, JSON.stringify(status));
  const log = await said(executor);
  assert.match(log, /end\n2\n$/);
  assert(!log.includes("secret-word"), log);
});

test("keeps line numbers, and runs programs that are no shell", async ({ executor }) => {
  await run(executor, "echo one\nno-such-program");
  assert.match(await said(executor), /line 2: no-such-program: not found/);
  await executor.forget(attempt);
  const stdin = new Blob(["b\na\n"]).stream();
  await run(executor, "#!/bin/awk -f\n{ print NR $0 }\n", {
    entrypoint: ["/bin/sort", "-", "/dev/null"],
    stdin,
  });
  assert.match(await said(executor), /a\nb\n/);
  await executor.forget(attempt);
  const named = await run(executor, "echo $0", { entrypoint: ["sh"], workdir: "/tmp", user: "1000" });
  assert(named.state === "finished" && named.exitCode === 0, JSON.stringify(named));
});

test("keeps bytes that are no text", async ({ executor }) => {
  await run(executor, "printf '\\377\\000\\200\\n\\001'", { mergeStderr: false });
  const bytes = new Uint8Array(await new Response(await executor.logs(attempt)).arrayBuffer());
  assert.deepEqual([...bytes], [255, 0, 128, 10, 1]);
});

test("forgets the volumes that were made for a container alone", async ({ executor, state }) => {
  const at = `${image.split(":")[0]}-volume`;
  await run(executor, "exit 0");
  const [name] = await containersOf(state);
  await api("POST", "/commit", { container: name!, repo: at, tag: "1", changes: "VOLUME /kept" });
  await executor.forget(attempt);
  const volumes = async (): Promise<string[]> => {
    const found = await api<{ Mounts: { Type: string; Name: string }[] }>(
      "GET",
      `/containers/${(await containersOf(state))[0]}/json`,
    );
    return found.Mounts.filter(({ Type }) => Type === "volume").map(({ Name }) => Name);
  };
  try {
    await run(executor, "echo x >/kept/x", { image: `${at}:1` });
    const [made] = await volumes();
    assert(made);
    await executor.forget(attempt);
    await assert.rejects(api("GET", `/volumes/${made}`), /no such volume/i);
  } finally {
    await api("DELETE", `/images/${at}:1`);
  }
});

test("says what is wrong with work that cannot start, and leaves nothing", async ({ executor, state }) => {
  const start = (extra: Partial<ContainerWork>, quota: Quota = {}): Promise<void> =>
    executor.start(attempt, work(extra.script ?? ":", extra), { quota });
  const cases: [Promise<void>, RegExp][] = [];
  const add = async (promise: Promise<void>, message: RegExp): Promise<void> => {
    cases.push([promise, message]);
    await refuses(promise, "cannot-start", message);
  };
  await add(
    start({ image: "nowhere:1", pull: "never" }),
    /^Cannot start t\/one on docker: the engine does not have the image nowhere:1.*never to be pulled/,
  );
  await add(
    start({ mounts: [{ source: "/no/such/folder", target: "/x" }] }),
    /source path does not exist: \/no\/such\/folder/,
  );
  await add(
    start({ entrypoint: ["/bin/nothing"] }),
    /the image datatask-test:1 has no program \/bin\/nothing; name one/,
  );
  await add(start({ entrypoint: ["nothing"] }), /has no program nothing/);
  await add(start({}, { cpu: 4096 }), /CPUs/);
  await add(
    start({}, { memory: 2 ** 50 }),
    /may use 1125899906842624 bytes of memory, and the engine's machine has \d+/,
  );
  await add(start({ script: "a\0b" }), /NUL character/);
  await add(start({ environment: { "a=b": "c" } }), /no name for an environment variable/);
  await add(start({ network: "no-such-net" }), /no-such-net/);
  assert.equal(cases.length, 9);
  assert.deepEqual(await containersOf(state), []);
});

test("gives the rights of the machine to those alone that ask for them", async ({ executor }) => {
  const script = "mkdir /m && mount -t tmpfs none /m && grep -c ' /m tmpfs ' /proc/mounts";
  const [code, log] = await exit(executor, script, {});
  assert.notEqual(code, 0);
  assert.match(log, /permission denied|Operation not permitted/i);
  try {
    assert.deepEqual(await exit(executor, script, { privileged: true }), [0, "1\n"]);
  } catch (error) {
    // An engine that has not all rights itself cannot give them, and says so.
    assert.match(
      (error as Error).message,
      /Cannot start t\/one on docker: .*unable to apply caps: operation not permitted/,
    );
  }
});

test("mounts a volume by its name, which keeps what is in it", async ({ executor }, stack) => {
  const source = `datatask-test-${crypto.randomUUID().slice(0, 8)}`;
  stack.defer(() => api("DELETE", `/volumes/${source}`, { force: "1" }));
  const mount = { source, target: "/kept" };
  assert.deepEqual(
    await exit(executor, "echo kept >/kept/file", { mounts: [mount] }),
    [0, ""],
  );
  const again = await exit(executor, "cat /kept/file; echo no >/kept/file", {
    mounts: [{ ...mount, readOnly: true }],
  });
  assert.equal(again[0], 1);
  assert.match(again[1], /^kept\n.*Read-only file system/s);
});

Deno.test("dockerExecutor says that no engine is there", async () => {
  const state = await Deno.makeTempDir();
  const executor = dockerExecutor({ socket: `${state}/no.sock` });
  const message =
    /^Cannot open executor docker: no Docker Engine answers at unix:\/\/.*\/no\.sock \(the socket is not there\); start it/;
  await refuses(executor.open({ state }), "unavailable", message);
  const { healthy, reason } = await executor.probe();
  assert.equal(healthy, false);
  assert.match(reason!, /no Docker Engine answers/);
  const far = dockerExecutor({ host: "tcp://127.0.0.1:1", name: "far" });
  await refuses(
    far.open({ state }),
    "unavailable",
    /Cannot open executor far: no Docker Engine answers at tcp:\/\/127\.0\.0\.1:1/,
  );
  assert.throws(
    () => dockerExecutor({ host: "ssh://x" }),
    /forward the socket over SSH/,
  );
  await refuses(far.wait(attempt), "cannot-start", /it is not open; call open\(\) first/);
  await Deno.remove(state, { recursive: true });
});

if (socket !== "") {
  Deno.test("dockerExecutor opens one state folder at a time", async () => {
    await using stack = new AsyncDisposableStack();
    const { executor } = await opened(stack);
    await refuses(executor.open({ state: "/tmp/other-state" }), "conflict", /close it first/);
  });
}

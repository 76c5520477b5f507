import assert from "node:assert/strict";
import type { Attempt } from "../../core/attempt.ts";
import type { Executor, ProcessWork, RunStatus } from "../../executors/executor.ts";
import { localExecutor, type LocalExecutorOptions } from "../../executors/local.ts";
import { LocalShell } from "../../executors/local_shell.ts";
import { jobText } from "../../executors/local_wrapper.ts";
import { ownIdentity } from "../../executors/process_identity.ts";
import { alive, until } from "../kit/waiting.ts";

const linux = Deno.build.os === "linux";
const attempt: Attempt = { task: "work", job: "one", replica: 0, attempt: 1 };

class Bench implements AsyncDisposable {
  readonly state = Deno.makeTempDirSync();
  readonly folder = `${this.state}/runs/work/one.0.1`;
  readonly #open: Executor<ProcessWork>[] = [];

  async executor(options: LocalExecutorOptions = {}): Promise<Executor<ProcessWork>> {
    const executor = localExecutor(options);
    await executor.open({ state: this.state });
    this.#open.push(executor);
    return executor;
  }

  /** A folder as a coordinator leaves it that was killed: `by` is gone unless said otherwise. */
  async leave(
    options: { script?: string; record?: string; boot?: string; by?: [number, string] } = {},
  ): Promise<void> {
    const identity = await ownIdentity();
    Deno.mkdirSync(`${this.folder}/cwd`, { recursive: true });
    const head = {
      version: 1,
      since: Date.now(),
      by: options.by ?? [1, "never"],
      shell: [1, "never"],
      boot: options.boot ?? identity.boot,
      notes: { a: "1" },
    } as const;
    const { folder } = this;
    const script = options.script ?? `echo ran >> ${this.state}/marks`;
    Deno.writeTextFileSync(
      `${folder}/job`,
      jobText(head, {
        folder,
        script,
        environment: {},
        stdin: false,
        splitStderr: false,
        interpreter: undefined,
      }),
    );
    if (options.record !== undefined) Deno.writeTextFileSync(`${folder}/record`, options.record);
  }

  exists(path: string): boolean {
    try {
      Deno.lstatSync(path);
      return true;
    } catch {
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const executor of this.#open) await executor.close();
    Deno.removeSync(this.state, { recursive: true });
  }
}

const start = (executor: Executor<ProcessWork>, script: string, who = attempt): Promise<void> =>
  executor.start(who, { kind: "process", script, environment: {}, mergeStderr: true, notes: {} }, {
    quota: {},
  });

const log = async (executor: Executor<ProcessWork>, who = attempt): Promise<string> =>
  await new Response(await executor.logs(who)).text();

async function list(executor: Executor<ProcessWork>): Promise<RunStatus[]> {
  return await Array.fromAsync(executor.list());
}

Deno.test("localExecutor() takes a run that its coordinator did not get to start, and a late shell does not run it", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await bench.leave();
  assert.deepEqual(await list(executor), []);
  assert(!bench.exists(bench.folder));
  // As when the shell was asked, but slow: the claim is taken under its eyes.
  await bench.leave({ record: "void\n" });
  const shell = new LocalShell(`${bench.state}/runs`, { clear: false, add: {} });
  shell.ref();
  await shell.send("work/one.0.1");
  assert.equal(await shell.answer("work/one.0.1"), "gone");
  shell.unref();
  await shell.end();
  assert(!bench.exists(`${bench.state}/marks`), "it has run");
  assert.deepEqual(await list(executor), []);
  await start(executor, "exit 3");
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.exitCode === 3);
});

Deno.test("localExecutor() leaves alone what a coordinator that lives is about to start", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await bench.leave({ by: [...(await ownIdentity()).by] });
  const [status] = await list(executor);
  assert(status?.state === "running");
  assert.equal(status.waiting, `it is being started by process ${Deno.pid}`);
});

Deno.test("localExecutor() is not stuck on a claim that was never finished", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await bench.leave({ record: "" });
  Deno.utimeSync(`${bench.folder}/record`, 1, 1);
  assert.deepEqual(await list(executor), []);
  await start(executor, "true");
  assert.equal((await executor.wait(attempt)).state, "finished");
});

Deno.test("localExecutor() removes what is left of a run that was half forgotten", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await bench.leave({ record: "claimed 1 x\nexit 0\n" });
  Deno.removeSync(`${bench.folder}/job`);
  await start(executor, "true");
  await executor.wait(attempt);
  await executor.forget(attempt);
  await bench.leave({ record: "claimed 1 x\nexit 0\n" });
  Deno.removeSync(`${bench.folder}/job`);
  assert.deepEqual(await list(executor), []);
  assert(!bench.exists(bench.folder));
});

Deno.test("localExecutor() removes folders that a killed coordinator was filling, and no others", async () => {
  await using bench = new Bench();
  const [pid, started] = (await ownIdentity()).by;
  Deno.mkdirSync(`${bench.state}/runs/.new/1.never.x.0/cwd`, { recursive: true });
  Deno.mkdirSync(`${bench.state}/runs/.new/${pid}.${started}.x.0/cwd`, { recursive: true });
  await bench.executor();
  assert.deepEqual([...Deno.readDirSync(`${bench.state}/runs/.new`)].map((e) => e.name), [
    `${pid}.${started}.x.0`,
  ]);
});

Deno.test({
  name: "localExecutor() does not take a foreign process for its own because of its pid",
  ignore: !linux,
  fn: async () => {
    await using bench = new Bench();
    const executor = await bench.executor();
    await bench.leave({ record: `claimed ${Deno.pid} datatask-00000000\n` });
    const status = await executor.wait(attempt);
    assert(status.state === "lost");
    assert.match(status.reason, /its watching shell, pid \d+, was killed/);
    assert.deepEqual(status.notes, { a: "1" });
  },
});

Deno.test({
  name: "localExecutor() takes a zombie for what it is",
  ignore: !linux,
  fn: async () => {
    await using bench = new Bench();
    const executor = await bench.executor();
    const parent = new Deno.Command("sh", {
      args: ["-c", "sh -c 'sleep 0.2; :' datatask-zombie & echo $!; exec sleep 60"],
      stdout: "piped",
    }).spawn();
    const reader = parent.stdout.getReader();
    const pid = Number(new TextDecoder().decode((await reader.read()).value));
    await until("it is a zombie", () => /\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`)));
    await bench.leave({ record: `claimed ${pid} datatask-zombie\n` });
    assert.equal((await executor.wait(attempt)).state, "lost");
    parent.kill("SIGKILL");
    await reader.cancel();
    await parent.status;
  },
});

Deno.test("localExecutor() says that the machine was restarted", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await bench.leave({ record: `claimed ${Deno.pid} deno\n`, boot: "another life" });
  const status = await executor.wait(attempt);
  assert(status.state === "lost");
  assert.equal(status.reason, "the machine was restarted while it ran");
});

Deno.test("localExecutor() says when a run ended, and not when that was noticed", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await bench.leave({
    record: "claimed 1 datatask-x\n0m0.0s 0m0.0s\n0m0.0s 0m0.0s\n0m0.0s 0m0.0s\n0m0.0s 0m0.0s\nexit 0\n",
  });
  Deno.utimeSync(`${bench.folder}/record`, 1_000_000, 1_000_000);
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.exitCode === 0);
  assert.equal(status.until, 1_000_000_000);
});

Deno.test("localExecutor() shows the environment of a run to nobody else on the machine", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await executor.start(attempt, {
    kind: "process",
    script: "cat /proc/$$/cmdline /proc/$PPID/cmdline | tr '\\0' ' '",
    environment: { SECRET: "not for all" },
    mergeStderr: true,
    notes: {},
  }, { quota: {} });
  await executor.wait(attempt);
  assert.doesNotMatch(await log(executor), /not for all/);
  assert.match(Deno.readTextFileSync(`${bench.folder}/job`), /SECRET='not for all'/);
  assert.equal(Deno.statSync(`${bench.folder}/job`).mode! & 0o077, 0);
  assert.equal(Deno.statSync(`${bench.state}/runs/work`).mode! & 0o077, 0);
});

Deno.test("localExecutor() makes no exit code of half an ending", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await bench.leave({ record: "claimed 1 datatask-x\n0m0.0s 0m0.0s\n0m0.0s 0m0.0s\nexit 1" });
  assert.equal((await executor.wait(attempt)).state, "lost");
});

Deno.test({
  name: "localExecutor() ends what a killed shell has left before it says lost",
  ignore: !linux,
  fn: async () => {
    await using bench = new Bench();
    const first = await bench.executor();
    await start(first, "sleep 60 & sleep 60 & echo $!; sleep 60");
    await until("it is up", async () => /^\d+\n$/.test(await log(first)));
    const pid = Number(await log(first));
    const [status] = await list(first);
    await first.close();
    const next = await bench.executor();
    assert.equal((await list(next))[0]?.state, "running");
    Deno.kill(Number(status!.where.split(" ")[1]), "SIGKILL");
    assert.equal((await next.wait(attempt)).state, "lost");
    await until("its children are gone", () => !alive(pid));
  },
});

Deno.test("localExecutor() is told by no signal but the one that ended the script", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  await start(executor, "sh -c 'kill -TERM $$'");
  const status = await executor.wait(attempt);
  // The shell of the script went on, and left with this code by itself.
  assert(status.state === "finished" && status.exitCode === 143 && status.signal === undefined);
});

Deno.test("localExecutor() keeps a run apart from the others when it signals its own group", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  const other = { ...attempt, job: "other" };
  await start(executor, "until [ -e ../go ]; do sleep 0.02; done; exit 5", other);
  await start(executor, "kill -TERM 0; sleep 60");
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.signal === "SIGTERM", JSON.stringify(status));
  Deno.writeTextFileSync(`${bench.state}/runs/work/other.0.1/go`, "");
  const ended = await executor.wait(other);
  assert(ended.state === "finished" && ended.exitCode === 5, JSON.stringify(ended));
});

Deno.test({
  name: "localExecutor() keeps its shell for the next run, unless a run has left something",
  ignore: !linux,
  fn: async () => {
    await using bench = new Bench();
    const executor = await bench.executor();
    const where: string[] = [];
    let left = 0;
    for (const [i, script] of ["true", "sleep 60 & echo $!", "true"].entries()) {
      const who = { ...attempt, job: `job-${i}` };
      await start(executor, script, who);
      where.push((await executor.wait(who)).where);
      if (i === 1) left = Number(await log(executor, who));
    }
    assert.notEqual(where[1], where[2]);
    await until("what was left is gone", () => !alive(left));
  },
});

Deno.test({
  name: "localExecutor() has runs that Ctrl-C does not reach, and that outlive their coordinator",
  ignore: !linux,
  fn: async () => {
    await using bench = new Bench();
    const code = `
      import { localExecutor } from ${
      JSON.stringify(new URL("../../executors/local.ts", import.meta.url).href)
    };
      const executor = localExecutor();
      await executor.open({ state: ${JSON.stringify(bench.state)} });
      const work = { kind: "process", script: "echo up; sleep 0.3; exit 9", environment: {}, mergeStderr: true, notes: {} };
      await executor.start(${JSON.stringify(attempt)}, work, { quota: {} });
      console.log("started");
      await executor.wait(${JSON.stringify(attempt)});
    `;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", code],
      detached: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    Deno.kill(-child.pid, "SIGINT");
    await reader.cancel();
    assert.equal((await child.status).signal, "SIGINT");
    const executor = await bench.executor();
    const status = await executor.wait(attempt);
    assert(status.state === "finished" && status.exitCode === 9, JSON.stringify(status));
    assert.equal(await log(executor), "up\n");
  },
});

Deno.test("localExecutor() lets its coordinator leave while runs go on", async () => {
  await using bench = new Bench();
  const code = `
    import { localExecutor } from ${
    JSON.stringify(new URL("../../executors/local.ts", import.meta.url).href)
  };
    const executor = localExecutor();
    await executor.open({ state: ${JSON.stringify(bench.state)} });
    const work = { kind: "process", script: "sleep 0.5; exit 9", environment: {}, mergeStderr: true, notes: {} };
    await executor.start(${JSON.stringify(attempt)}, work, { quota: {} });
  `;
  const { code: left, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
  }).output();
  assert.equal(left, 0, new TextDecoder().decode(stderr));
  const executor = await bench.executor();
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.exitCode === 9, JSON.stringify(status));
});

Deno.test("localExecutor() gives runs the environment it is told to", async () => {
  await using bench = new Bench();
  Deno.env.set("DATATASK_TEST_LOCAL", "yes");
  try {
    const script = 'echo "${DATATASK_TEST_LOCAL-no} ${MINE-no} ${PATH:+path}"';
    for (
      const [environment, expected] of [
        ["inherit", "yes no path\n"],
        ["minimal", "no no path\n"],
        [{ MINE: "mine", PATH: "/usr/bin:/bin" }, "no mine path\n"],
      ] as const
    ) {
      const executor = localExecutor({ environment });
      await executor.open({ state: bench.state });
      await start(executor, script);
      await executor.wait(attempt);
      assert.equal(await log(executor), expected);
      await executor.forget(attempt);
      await executor.close();
    }
  } finally {
    Deno.env.delete("DATATASK_TEST_LOCAL");
  }
});

Deno.test({
  name: "localExecutor() says how much memory a run held that was long enough to be seen",
  ignore: !linux,
  fn: async () => {
    await using bench = new Bench();
    const executor = await bench.executor();
    await start(executor, "sleep 1.5");
    const status = await executor.wait(attempt);
    assert(status.state === "finished");
    const peak = status.resources?.peakMemoryBytes ?? 0;
    assert(peak > 100_000 && peak < 100_000_000, `${peak}`);
  },
});

Deno.test("localExecutor() has the cores of this machine, or what it is told", () => {
  assert.equal(localExecutor().capacity.cpu, navigator.hardwareConcurrency);
  assert.deepEqual(localExecutor({ capacity: { cpu: "500m", gpu: 1 } }).capacity, { cpu: 0.5, gpu: 1 });
  assert.throws(
    () => localExecutor({ name: "box", capacity: { cpu: "many" } }),
    /Cannot read capacity of executor box: cpu "many"/,
  );
});

Deno.test("localExecutor() is heard by a run that has only just begun when it asks it to end", async () => {
  await using bench = new Bench();
  const executor = await bench.executor();
  const ends = new Map<unknown, number>();
  for (let n = 0; n < 60; n++) {
    await start(executor, "sleep 60");
    await executor.stop(attempt, { graceMs: 5000 });
    const status = await executor.wait(attempt);
    const end = status.state === "finished" ? status.signal : status.state;
    ends.set(end, (ends.get(end) ?? 0) + 1);
    await executor.forget(attempt);
  }
  assert.deepEqual([...ends], [["SIGTERM", 60]]);
});

import assert from "node:assert/strict";
import { systemClock } from "../../core/clock.ts";
import type { Executor, ProcessWork } from "../../executors/executor.ts";
import { localExecutor } from "../../executors/local.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../repositories/memory.ts";
import type { Agent, Grant } from "../../tasks/agent.ts";
import { input, type Links, output } from "../../tasks/link.ts";
import { lookup } from "../../tasks/many.ts";
import { processTask, type ProcessTaskOptions } from "../../tasks/process.ts";
import type { RunContext } from "../../tasks/runner.ts";
import { sh } from "../../tasks/script.ts";
import { functionTask } from "../../tasks/function.ts";
import { moduleBody } from "../../tasks/module_body.ts";
import type { Task } from "../../tasks/task.ts";
import { WorkerServer } from "./worker_server.ts";

const attempt = { task: "work", job: "emma", replica: 0, attempt: 1 } as const;

/** An executor of this machine that sees none of its files, as far as anybody knows. */
function far(dir: string): Executor<ProcessWork> {
  const local = localExecutor();
  return {
    name: "far",
    accepts: local.accepts,
    capacity: {},
    sees: "nothing",
    reach: {
      folder: ({ job, attempt }) => Promise.resolve(`${dir}/far/${job}.${attempt}`),
      address: ({ port }) => Promise.resolve(`http://127.0.0.1:${port}`),
    },
    open: (options) => local.open(options),
    close: () => local.close(),
    probe: (options) => local.probe(options),
    start: (...all) => local.start(...all),
    list: (options) => local.list(options),
    wait: (...all) => local.wait(...all),
    stop: (...all) => local.stop(...all),
    logs: (...all) => local.logs(...all),
    forget: (...all) => local.forget(...all),
  };
}

/** A folder, a server in the place of an agent, and what was admitted there. */
class Bench implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync();
  readonly server = new WorkerServer();
  readonly grants: Grant[] = [];
  readonly left: string[] = [];
  readonly logs = new MemoryBlobRepository("logs");
  readonly #tasks: Task[] = [];
  readonly agent: Agent = {
    admit: (grant) => {
      this.grants.push(grant);
      this.server.file = grant.files ?? (() => Promise.resolve(undefined));
      const { token, path, port } = this.server;
      return Promise.resolve({
        token,
        path,
        server: { hostname: "127.0.0.1", port },
        reached: () => this.server.requests.length > 0,
        leave: () => {
          this.left.push(grant.attempt.job);
          return Promise.resolve();
        },
      });
    },
  };

  async task<const L extends Links>(
    options: Partial<ProcessTaskOptions<L>> & Pick<ProcessTaskOptions<L>, "script">,
    agent: Agent | undefined = this.agent,
  ): Promise<Task> {
    const task = processTask("work", {
      done: new MemoryMetadataRepository("done"),
      executor: far(this.dir),
      ...options,
    } as ProcessTaskOptions<L>);
    await task.runner.open!({
      state: `${this.dir}/state`,
      ...(agent && { agent: () => Promise.resolve(agent) }),
    });
    this.#tasks.push(task as unknown as Task);
    return task as unknown as Task;
  }

  context(): RunContext {
    return {
      signal: new AbortController().signal,
      graceMs: 10_000,
      quota: { cpu: 1 },
      log: () => {},
      logs: this.logs,
      located: () => {},
      published: () => {},
      feed: () => assert.fail("it has no feed"),
      clock: systemClock,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const task of this.#tasks) await task.runner.close!();
    await this.server[Symbol.asyncDispose]();
    await Deno.remove(this.dir, { recursive: true });
  }
}

Deno.test("processTask on an executor that sees nothing admits the attempt with what its links say, and shuts it out", async () => {
  await using bench = new Bench();
  const texts = new MemoryBlobRepository("texts");
  const out = new MemoryMetadataRepository("out");
  const any = new MemoryBlobRepository("any");
  bench.server.put("texts", "Emma");
  const task = await bench.task({
    links: { texts: input(texts, { key: (job) => `${job}-text` }), out: output(out), any: lookup(any) },
    script: ({ texts, out }) => sh`cat ${texts}; echo ${out}; echo '{}' >${out}`,
  });
  const ending = await task.runner.run(attempt, bench.context());
  assert.equal(await bench.logs.text("emma"), `Emma${bench.dir}/far/emma.1/out/out.json\n`);
  assert.equal(bench.server.text("out"), "{}\n");
  const [grant] = bench.grants;
  assert.deepEqual([...grant!.inputs].map(([name, { kind }]) => [name, kind]), [["texts", "value"], [
    "any",
    "lookup",
  ]]);
  const granted = grant!.inputs.get("texts");
  assert(granted?.kind === "value" && granted.key === "emma-text");
  // This server keeps what it was sent: nothing has come to the place of the output.
  assert.equal(ending.reason, "missing-output");
  assert.match(
    ending.error!.message,
    /^work\/emma has ended well, but has not made output out \("emma" of .*\) at .*\/far\/emma\.1\/out\/out\.json; write it there, or mark the link \{ required: false \}$/,
  );
  assert.deepEqual(bench.left, ["emma"]);
  await ending.release!();
});

Deno.test("processTask tells trouble with values from the script's own: whose fault, and what", async () => {
  await using bench = new Bench();
  const links = {
    texts: input(new MemoryBlobRepository("texts")),
    out: output(new MemoryBlobRepository("out")),
  };
  bench.server.put("texts", "Emma");
  const run = async (n: number, options: Partial<ProcessTaskOptions<typeof links>> = {}) => {
    const script = "echo ran >$DATATASK_OUTPUT_OUT; echo said; exit 75";
    const task = await bench.task({ links, script, ...options });
    const ending = await task.runner.run({ ...attempt, attempt: n }, bench.context());
    await ending.release?.();
    return [ending.reason, ending.error?.message];
  };
  assert.deepEqual(await run(1), ["failed", "said"]);
  bench.server.faults.set("GET /in/texts", [{ status: 410 }]);
  assert.deepEqual(await run(2), [
    "infrastructure",
    "Cannot deliver the values of work/emma@2: cannot bring input texts: the agent answers 410: it is told to say 410",
  ]);
  bench.server.faults.set("PUT /out/out", [{ status: 413 }]);
  assert.deepEqual(await run(3, { script: "echo ran >$DATATASK_OUTPUT_OUT" }), [
    "failed",
    "Cannot deliver the values of work/emma@3: cannot hand over output out: the agent answers 413: it is told to say 413",
  ]);
  // Standard error in a log of its own is looked at, too.
  bench.server.faults.set("GET /in/texts", Array.from({ length: 20 }, () => ({ status: 503 })));
  const [reason, message] = await run(4, { patience: "1s", stdout: new MemoryBlobRepository("stdout") });
  assert.equal(reason, "infrastructure");
  assert.match(
    message!,
    /cannot bring input texts: the agent answers 503: it is told to say 503, for \d+ seconds$/,
  );
});

Deno.test("processTask says that there is no agent, and where a cache may be", async () => {
  await using bench = new Bench();
  const texts = new MemoryBlobRepository("texts");
  const task = processTask("work", {
    done: new MemoryMetadataRepository("done"),
    executor: far(bench.dir),
    links: { texts: input(texts) },
    script: ":",
  });
  await task.runner.open!({ state: `${bench.dir}/state` });
  const ending = await task.runner.run(attempt, bench.context());
  assert.equal(
    ending.error?.message,
    "Cannot start work/emma: it needs the agent of a pipeline, and there is none; run it in a pipeline",
  );
  await task.runner.close!();
  const done = new MemoryMetadataRepository("done");
  assert.throws(
    () => processTask("work", { done, script: ":", cache: { folder: "here" } }),
    { message: 'Task work has its cache in "here"; write an absolute path on the worker' },
  );
});

Deno.test("the modules of a body are fetched from the agent, also from the next coordinator, whose own are others", async () => {
  await using bench = new Bench();
  const module = `${bench.dir}/body.ts`;
  Deno.writeTextFileSync(`${bench.dir}/part.ts`, `export const text = "as it was";`);
  Deno.writeTextFileSync(
    module,
    `import { text } from "./part.ts"; export default ({ out }) => out.write(text);`,
  );
  const links = { out: output(new MemoryBlobRepository("out")) };
  const tasks = [];
  for (const cache of [undefined, { folder: `${bench.dir}/cache` }]) {
    const task = functionTask("work", {
      done: new MemoryMetadataRepository("done"),
      links,
      executor: far(bench.dir),
      deno: Deno.execPath(),
      ...(cache && { cache }),
    }, moduleBody<{ default(context: unknown): void }>(`file://${module}`));
    await task.runner.open!({ state: `${bench.dir}/state`, agent: () => Promise.resolve(bench.agent) });
    tasks.push(task);
  }
  const [first, second] = tasks;
  const ending = await first!.runner.run(attempt, bench.context());
  // This server keeps what it was sent: nothing has come to the place of the output.
  assert.equal(ending.reason, "missing-output", ending.error?.message);
  assert.equal(bench.server.text("out"), "as it was");
  const [grant] = bench.grants;
  const [digest] = bench.server.requests.find((request) => request.includes("/files/"))!.split("/").slice(-1);
  const modules = await grant!.files!(digest!);
  assert.equal(new Uint8Array(await crypto.subtle.digest("SHA-256", modules!)).toHex(), digest);
  assert.equal(await grant!.files!("other"), undefined);
  // The next coordinator has other modules by now, and finds the run.
  Deno.writeTextFileSync(`${bench.dir}/part.ts`, `export const text = "changed";`);
  const found = await Array.fromAsync(second!.runner.find!("work"));
  assert.deepEqual(found.map(({ attempt }) => attempt), [attempt]);
  await second!.runner.adopt!(attempt, bench.context());
  assert.deepEqual(await bench.grants[1]!.files!(digest!), modules);
  await ending.release!();
  for (const n of [2, 3]) {
    const ending = await second!.runner.run({ ...attempt, attempt: n }, bench.context());
    assert.equal(bench.server.text("out"), "changed");
    await ending.release!();
  }
  // What was kept on the worker is not fetched again.
  const fetched = bench.server.requests.filter((request) => request.includes("/files/"));
  assert.equal(fetched.length, 2);
  for (const task of tasks) await task.runner.close!();
});

import assert from "node:assert/strict";
import { type Attempt, StopError } from "../../core/attempt.ts";
import { systemClock } from "../../core/clock.ts";
import { DefinitionError } from "../../core/errors.ts";
import { dockerExecutor } from "../../executors/docker/mod.ts";
import type { ContainerWork } from "../../executors/container_work.ts";
import type { Executor, ProcessWork } from "../../executors/executor.ts";
import { localExecutor } from "../../executors/local.ts";
import { DirectoryRepository } from "../../repositories/directory.ts";
import { FileRepository } from "../../repositories/files.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../repositories/memory.ts";
import { containerTask, type ContainerTaskOptions } from "../../tasks/container.ts";
import { input, type Links, output } from "../../tasks/link.ts";
import { processTask } from "../../tasks/process.ts";
import type { RunContext } from "../../tasks/runner.ts";
import { sh } from "../../tasks/script.ts";
import type { Task } from "../../tasks/task.ts";
import { fakeExecutor } from "../../testing/fake_executor.ts";
import { containersOf, docker, freshState, image, socket } from "../executors/docker/kit.ts";

const attempt: Attempt = { task: "work", job: "one", replica: 0, attempt: 1 };

/** A state folder, and a task that runs in containers. */
class Bench {
  readonly state: string;
  readonly logs = new MemoryBlobRepository("logs");
  readonly done = new MemoryMetadataRepository("done");
  readonly #stack: AsyncDisposableStack;

  constructor(stack: AsyncDisposableStack) {
    this.#stack = stack;
    this.state = freshState(stack);
  }

  async task<const L extends Links>(
    options:
      & Omit<ContainerTaskOptions<L>, "done" | "executor" | "image">
      & { readonly image?: string; readonly executor?: Executor<ContainerWork> },
  ): Promise<Task> {
    const executor = dockerExecutor({ socket });
    const all = { done: this.done, executor, image, network: "none", ...options };
    const task = containerTask("work", all as unknown as ContainerTaskOptions<L>);
    for (const link of Object.values(task.links as Links)) await link.repository.prepare();
    await task.runner.open!({ state: this.state });
    this.#stack.defer(() => task.runner.close!());
    return task as unknown as Task;
  }

  context(abort = new AbortController()): RunContext {
    return {
      signal: abort.signal,
      graceMs: 20_000,
      quota: { cpu: 1 },
      log: () => {},
      logs: this.logs,
      located: () => {},
      published: () => {},
      feed: () => {
        throw new Error("this task has no streaming input");
      },
      clock: systemClock,
    };
  }

  /** What is left of attempts, but for the folder of the task. */
  delivered(): string[] {
    return [...Deno.readDirSync(`${this.state}/delivery/work`)].map(({ name }) => name);
  }
}

/** A test with a real engine. */
function test(name: string, body: (bench: Bench) => Promise<void>): void {
  Deno.test({
    ...docker.test,
    name: `containerTask ${name}`,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await body(new Bench(stack));
    },
  });
}

test("brings every kind of value in, and takes every kind out", async (bench) => {
  const books = new FileRepository(`${bench.state}/books`, { extension: ".txt" });
  const config = new MemoryMetadataRepository<{ word: string }>("config");
  const trees = new DirectoryRepository(`${bench.state}/trees`);
  const counts = new FileRepository(`${bench.state}/counts`);
  const facts = new MemoryMetadataRepository("facts");
  const copies = new DirectoryRepository(`${bench.state}/copies`);
  await books.prepare();
  await books.put("one", "call me");
  await config.set("one", { word: "whale" });
  Deno.mkdirSync(`${bench.state}/trees/one/sub`, { recursive: true });
  Deno.writeTextFileSync(`${bench.state}/trees/one/sub/leaf`, "green");
  const task = await bench.task({
    links: {
      books: input(books),
      config: input(config),
      trees: input(trees),
      counts: output(counts),
      facts: output(facts),
      copies: output(copies),
    },
    script: ({ books, config, trees, counts, facts, copies, job }) =>
      sh`set -e
[ ${books} = /datatask/in/books ] && [ ${counts} = /datatask/out/counts ]
[ "$DATATASK_INPUT_BOOKS" = ${books} ] && [ "$DATATASK_JOB" = ${job} ]
if (: >${books}) 2>/dev/null; then exit 9; fi
cat ${books} ${config} >/tmp/made && mv /tmp/made ${counts}
echo '{"seen": true}' >${facts}
cp -r ${trees}/sub ${copies}/sub
echo done`,
  });
  const ending = await task.runner.run(attempt, bench.context());
  const log = await bench.logs.text("one");
  assert.equal(ending.reason, "succeeded", `${JSON.stringify(ending.error)} ${log}`);
  assert.equal(log, "done\n");
  assert.match(await counts.text("one"), /^call me\{\s*"word":\s*"whale"\s*\}/);
  assert.deepEqual(await facts.get("one"), { seen: true });
  assert.equal(Deno.readTextFileSync(`${bench.state}/copies/one/sub/leaf`), "green");
  await ending.release!();
  assert.deepEqual(await containersOf(bench.state), []);
  assert.deepEqual(bench.delivered(), []);
});

test("publishes nothing of a script that fails, and nothing when an output is missing", async (bench) => {
  const out = new FileRepository(`${bench.state}/out`);
  const other = new FileRepository(`${bench.state}/other`);
  const links = { out: output(out), other: output(other) };
  const failing = await bench.task({ links, script: ({ out }) => sh`echo x >${out}; exit 7` });
  const failed = await failing.runner.run(attempt, bench.context());
  assert.equal(failed.reason, "failed");
  assert.equal(failed.exitCode, 7);
  await failed.release!();
  const half = await bench.task({ links, script: ({ out }) => sh`echo x >${out}` });
  const second = { ...attempt, attempt: 2 };
  const missing = await half.runner.run(second, bench.context());
  assert.equal(missing.reason, "missing-output");
  assert.match(missing.error!.message, /has not made output other/);
  await missing.release!();
  assert(!await out.has("one"));
  assert.deepEqual(bench.delivered(), []);
});

test("lets another user write its outputs, and reads and publishes standard streams", async (bench) => {
  const text = new MemoryBlobRepository("text");
  const bytes = new MemoryBlobRepository("bytes");
  const out = new FileRepository(`${bench.state}/out`);
  const odd = new Uint8Array([0, 255, 10, 200, 13, 10, 128]);
  await text.put("one", odd);
  const task = await bench.task({
    links: { out: output(out) },
    user: "1234:1234",
    stdin: text,
    stdout: bytes,
    script: ({ out }) => sh`id -u >${out}; cat; echo said >&2`,
  });
  const ending = await task.runner.run(attempt, bench.context());
  assert.equal(ending.reason, "succeeded", ending.error?.message);
  assert.equal(await out.text("one"), "1234\n");
  assert.deepEqual(await bytes.bytes("one"), odd);
  assert.equal(await bench.logs.text("one"), "said\n");
  await ending.release!();
});

test("is adopted by the next coordinator, which publishes; and is told from a stop", async (bench) => {
  const out = new FileRepository(`${bench.state}/out`);
  const links = { out: output(out) };
  const script = ({ out }: { out: { path: string } }) => sh`sleep 0.5; echo late >${out}`;
  const started = Promise.withResolvers<void>();
  // A coordinator that was killed never sees the end.
  const executor = new Proxy(dockerExecutor({ socket }), {
    get(target, name) {
      if (name === "wait") return () => (started.resolve(), new Promise(() => {}));
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const first = await bench.task({ links, script, executor });
  void first.runner.run(attempt, bench.context());
  await started.promise;
  const next = await bench.task({ links, script });
  let found = 0;
  while (found === 0) {
    for await (const run of next.runner.find!("work")) {
      found += run.attempt.job === "one" ? 1 : 0;
    }
  }
  const ending = await next.runner.adopt!(attempt, bench.context());
  assert.equal(ending.reason, "succeeded", ending.error?.message);
  assert.equal(await out.text("one"), "late\n");
  await ending.release!();

  const slow = await bench.task({ script: "sleep 60" });
  const stopped = new AbortController();
  const running = slow.runner.run(attempt, bench.context(stopped));
  while ((await containersOf(bench.state)).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  stopped.abort(new StopError("timeout"));
  const end = await running;
  assert.equal(end.reason, "timed-out");
  await end.release?.();
});

test("fails for what is its own fault: an image that is not there", async (bench) => {
  const task = await bench.task({ image: "no-such-image:1", script: ":", pull: "never" });
  const ending = await task.runner.run(attempt, bench.context());
  assert.equal(ending.reason, "failed");
  assert.match(ending.error!.message, /does not have the image no-such-image:1/);
});

Deno.test("containerTask says all that is wrong with it", () => {
  const done = new MemoryMetadataRepository("done");
  const executor = { ...fakeExecutor(), accepts: new Set(["container"]), sees: "nothing" } as const;
  assert.throws(
    () => containerTask("work", { done, executor: executor as never, image: "x", script: ":" }),
    (error) => {
      assert(error instanceof DefinitionError);
      assert.match(
        error.message,
        /does not see the files of this machine and says no way to reach the agent.*such as dockerExecutor\(\)/,
      );
      return true;
    },
  );
  const near = dockerExecutor({ socket: "/nowhere.sock" });
  const mounts = [{ source: "a/b", target: "rel" }, { source: "/a", target: "/datatask/in/x" }];
  assert.throws(
    () =>
      containerTask("work", {
        done,
        executor: near,
        image: "",
        script: ":",
        mounts,
        entrypoint: [],
        workdir: "w",
      }),
    (error) => error instanceof DefinitionError && error.faults.length === 6,
  );
});

Deno.test("containerTask and processTask take executors of their kind only, when compiled", () => {
  const done = new MemoryMetadataRepository("done");
  const containers = dockerExecutor({ socket: "/nowhere.sock" });
  const processes: Executor<ProcessWork> = localExecutor();
  // @ts-expect-error An executor of containers takes no processes.
  assert.throws(() => processTask("work", { done, script: ":", executor: containers }), /takes no processes/);
  assert.throws(
    // @ts-expect-error An executor of processes takes no containers.
    () => containerTask("work", { done, script: ":", executor: processes, image: "x" }),
    /takes no containers/,
  );
  // @ts-expect-error A container needs an image.
  void (() => containerTask("work", { done, script: ":", executor: containers }));
  const script = (links: { readonly no: string }) => sh`${links.no}`;
  // @ts-expect-error A link that is not there.
  void (() => containerTask("work", { done, executor: containers, image: "x", script }));
});

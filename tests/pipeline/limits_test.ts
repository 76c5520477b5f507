import assert from "node:assert/strict";
import {
  type BlobDriver,
  functionTask,
  inhibits,
  input,
  type Link,
  type OperationOptions,
  type Pool,
  systemClock,
} from "../../mod.ts";
import type { Ending, RunContext, Runner } from "../../tasks/runner.ts";
import { defineTask, type TaskOptions } from "../../tasks/task.ts";
import { RateLimit } from "../../pipeline/rate_limit.ts";
import { ManualClock } from "../../testing/manual_clock.ts";
import { until } from "../kit/waiting.ts";
import { blobs, copy, counting, each, inMemory, jobsOf, outcomes, runAll, troubles } from "./kit.ts";

const keys = (n: number): string[] => Array.from({ length: n }, (_, i) => `k${String(i).padStart(4, "0")}`);
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Counts how many bodies run at once. */
class Meter {
  most = 0;
  #now = 0;
  body = async (): Promise<void> => {
    this.most = Math.max(this.most, ++this.#now);
    await pause();
    this.#now--;
  };
}

Deno.test("No more jobs of a task run at once than its concurrency allows", async () => {
  const meter = new Meter();
  const { summary } = await runAll(
    inMemory([each("task", await blobs("a", ...keys(20)), meter.body, { concurrency: 3 })]),
  );
  assert.deepEqual([summary.succeeded, meter.most], [20, 3]);
});

Deno.test("No more jobs run at once than their pool is wide, all its tasks together", async () => {
  const meter = new Meter();
  const a = await blobs("a", ...keys(12));
  const pool: Pool = { name: "narrow", capacity: {}, width: 4 };
  const { summary } = await runAll(
    inMemory(["x", "y"].map((name) => each(name, a, meter.body, { pool } as never))),
  );
  assert.deepEqual([summary.succeeded, meter.most], [24, 4]);
});

Deno.test("Function tasks run at most 64 at a time when nothing is said", async () => {
  const meter = new Meter();
  await runAll(inMemory([each("task", await blobs("a", ...keys(200)), meter.body)]));
  assert.equal(meter.most, 64);
});

Deno.test("Named resources are shared by all tasks of the pipeline", async () => {
  const meter = new Meter();
  const a = await blobs("a", ...keys(8));
  const tasks = ["x", "y"].map((name) => each(name, a, meter.body, { quota: { license: 1 } }));
  const { summary } = await runAll(inMemory(tasks, { resources: { license: 2 } }));
  assert.deepEqual([summary.succeeded, meter.most], [16, 2]);
});

Deno.test("Jobs go by priority, which may differ from job to job, and by name where it is the same", async () => {
  const a = await blobs("a", "b", "d", "a", "c");
  const order = async (options: object, init: object = {}): Promise<string> =>
    jobsOf(
      (await runAll(inMemory([each("task", a, () => {}, { concurrency: 1, ...options })], init))).events,
      "started",
    ).map((job) => job.slice(5)).join("");
  assert.equal(await order({}), "abcd");
  assert.equal(await order({ priority: (job: string) => job === "c" ? 2 : job === "d" ? 1 : 0 }), "cdab");
  assert.equal(await order({ priority: (job: string) => job.charCodeAt(0) }, { priority: () => -1 }), "dcba");
  assert.equal(
    await order({}, { priority: (task: string, job: string) => task === "task" && job === "b" ? 1 : 0 }),
    "bacd",
  );
});

Deno.test("Jobs go by name whichever of many repositories is listed first, and however slowly", async () => {
  const jobs = keys(30);
  const a = await blobs("a", ...jobs.toReversed());
  const links: Record<string, Link> = { a: input(a) };
  // More repositories than are listed at a time, each with other keys, the first ones slowest.
  for (let i = 0; i < 20; i++) {
    const slow = (await blobs(`s${i}`, ...jobs.slice(i).toReversed())).with((inner: BlobDriver) => ({
      ...inner,
      async *keys(options?: OperationOptions) {
        await new Promise((resolve) => setTimeout(resolve, 20 - i));
        yield* inner.keys(options);
      },
    }));
    links[`s${i}`] = input(slow, { required: false, key: (job) => job });
    links[`t${i}`] = inhibits(slow, { key: (job) => `no-${job}` });
  }
  const task = functionTask("task", { done: outcomes(), concurrency: 1, links }, () => {});
  assert.deepEqual(
    jobsOf((await runAll(inMemory([task]))).events, "started"),
    jobs.map((job) => `task/${job}`),
  );
});

Deno.test("Tasks go by priority; of equal ones, those upstream go first, then those given first", async () => {
  const [a, b, c] = [await blobs("a", "1"), await blobs("b"), await blobs("c")];
  const pool: Pool = { name: "one", capacity: {}, width: 1 };
  const order = async (priorities: Record<string, number>): Promise<string[]> => {
    const make = (name: string) =>
      each(name, a, () => {}, { pool, priority: priorities[name] ?? 0 } as never);
    return jobsOf((await runAll(inMemory([make("y"), make("x"), make("z")]))).events, "started");
  };
  assert.deepEqual(await order({}), ["y/1", "x/1", "z/1"]);
  assert.deepEqual(await order({ z: 2, x: 1 }), ["z/1", "x/1", "y/1"]);
  const { events } = await runAll(inMemory([copy("second", b, c), copy("first", a, b)]));
  assert.deepEqual(jobsOf(events, "started"), ["first/1", "second/1"]);
});

Deno.test("A priority that throws or is no number counts as 0, and is told of once for each task", async () => {
  const a = await blobs("a", "1", "2", "3");
  const task = each("task", a, () => {}, {
    priority: (job) => {
      if (job === "1") throw new Error("broken");
      return job === "2" ? NaN : 5;
    },
    concurrency: 1,
  });
  const { events, summary } = await runAll(inMemory([task]));
  assert.deepEqual([summary.succeeded, jobsOf(events, "started")], [3, ["task/3", "task/1", "task/2"]]);
  assert.deepEqual(troubles(events), [
    'Cannot find the priority of job "1" of task task; it counts as 0: broken',
  ]);
});

Deno.test("RateLimit counts what has begun in a window that slides", () => {
  const clock = new ManualClock();
  const rate = new RateLimit({ count: 2, perMs: 1000 }, clock);
  assert.deepEqual([rate.allowance(), rate.wait()], [2, undefined]);
  rate.took();
  clock.advance(400);
  rate.took();
  assert.deepEqual([rate.allowance(), rate.wait()], [0, 600]);
  clock.advance(600);
  assert.deepEqual([rate.allowance(), rate.wait()], [1, undefined]);
  rate.took();
  assert.deepEqual([rate.allowance(), rate.wait()], [0, 400]);
});

Deno.test("The spawn rate counts runs that have already ended", async () => {
  const clock = new ManualClock();
  const task = each("task", await blobs("a", ...keys(5)), () => {}, { spawnRate: { count: 2, per: "1m" } });
  const run = inMemory([task], { clock }).run();
  const begun: number[] = [];
  const reading = (async () => {
    for await (const event of run) {
      if (event.type === "started") begun.push(event.at - Date.parse("2000-01-01T00:00:00Z"));
    }
  })();
  for (const minute of [0, 1, 2]) {
    await until(() => begun.length === Math.min(5, 2 * (minute + 1)) && run.running().length === 0);
    await pause();
    if (minute < 2) clock.advance("1m");
  }
  await reading;
  assert.deepEqual(begun, [0, 0, 60_000, 60_000, 120_000]);
});

Deno.test("From the end of one step to the start of the next no timer is set, however long the chain", async () => {
  const stores = await Promise.all(keys(20).map((name) => blobs(name)));
  await stores[0]!.put("job", "x");
  const clock = counting(systemClock);
  let before = 0;
  const chain = stores.slice(1).map((to, i) =>
    copy(`t${i}`, stores[i]!, to, {}, () => {
      if (i === 0) before = clock.set;
      if (i === 18) assert.equal(clock.set, before);
    })
  );
  const { summary } = await runAll(inMemory(chain, { clock }));
  assert.equal(summary.succeeded, 19);
});

Deno.test("A run of very many quick jobs leaves room for timers and signals", async () => {
  const a = await blobs("a", ...keys(9999));
  const run = inMemory([each("task", a)]).run();
  // A run that never gave way would be through before the first timer.
  const timer = Promise.withResolvers<number>();
  for await (const event of run) {
    if (event.type === "opened") setTimeout(() => timer.resolve(run.counts().task!.done), 1);
    if (event.type === "closed") timer.resolve(-1);
  }
  const done = await timer.promise;
  assert(done >= 0 && done < 9999, `${done} jobs were done when the timer fell due`);
});

/** Runs jobs until a test ends them, and takes note of what runs. */
class Bench implements Runner {
  readonly defaultQuota = {};
  readonly live = new Map<string, (ending: Ending) => void>();
  readonly order: string[] = [];
  constructor(readonly pool: Pool) {}
  run(
    { task, job, replica }: { task: string; job: string; replica: number },
    { signal }: RunContext,
  ): Promise<Ending> {
    const name = `${task}/${job}#${replica}`;
    this.order.push(name);
    return new Promise((resolve) => {
      const end = (ending: Ending): void => {
        this.live.delete(name);
        resolve(ending);
      };
      this.live.set(name, end);
      signal.addEventListener("abort", () => setTimeout(() => end({ reason: "gave-way" }), 0));
    });
  }
  task(name: string, of: Awaited<ReturnType<typeof blobs>>, options: Partial<TaskOptions>) {
    return defineTask(name, "test", { done: outcomes(name), ...options, links: { of: input(of) } }, this);
  }
  count(task: string): number {
    return [...this.live.keys()].filter((name) => name.startsWith(`${task}/`)).length;
  }
}

Deno.test("Replicas fill idle capacity, give way to jobs, and leave nothing behind", async () => {
  const bench = new Bench({ name: "bench", capacity: { cpu: 24 }, width: Infinity });
  const [builds, fuzz] = [await blobs("builds", "b1"), await blobs("fuzz", "f")];
  const tasks = [
    bench.task("fuzzer_1", fuzz, {
      quota: { cpu: 1 },
      priority: (_, replica) => 0.75 ** replica,
      replicas: 100,
    }),
    bench.task("fuzzer_2", fuzz, {
      quota: { cpu: 2 },
      priority: (_, replica) => 2 * 0.5 ** replica,
      replicas: 100,
    }),
    bench.task("builder", builds, { quota: { cpu: 5 }, priority: 3 }),
  ];
  const pipeline = inMemory(tasks);
  const run = pipeline.run({ forever: true });
  const counts = (): number[] => ["builder", "fuzzer_1", "fuzzer_2"].map((task) => bench.count(task));
  await until(() => bench.live.size === 15);
  assert.deepEqual(counts(), [1, 9, 5]);
  await builds.put("b2", "");
  await until(() => bench.count("builder") === 2);
  assert.deepEqual(counts(), [2, 6, 4]);
  bench.live.get("builder/b1#0")!({ reason: "succeeded" });
  await until(() => bench.live.size === 15);
  assert.deepEqual(counts(), [1, 9, 5]);
  // When the run that counts ends, its replicas end with it.
  bench.live.get("fuzzer_1/f#0")!({ reason: "succeeded" });
  await until(() => bench.count("fuzzer_1") === 0);
  run.stop("stop");
  const summary = await run.finished;
  assert.deepEqual([summary.succeeded, summary.failed, bench.live.size], [2, 0, 0]);
});

Deno.test("A replica that ends by itself leaves the others alone, and is started again later each time", async () => {
  const bench = new Bench({ name: "bench", capacity: { cpu: 3 }, width: Infinity });
  const clock = new ManualClock();
  const fuzz = await blobs("fuzz", "f");
  const pipeline = inMemory([bench.task("fuzzer", fuzz, { quota: { cpu: 1 }, replicas: Infinity })], {
    clock,
  });
  const run = pipeline.run();
  const released: string[] = [];
  const reading = (async () => {
    for await (const event of run) if (event.type === "released") released.push(event.why);
  })();
  await until(() => bench.live.size === 3);
  const waits: number[] = [];
  for (
    const ending of [{ reason: "failed", error: { name: "Error", message: "no luck" } }, {
      reason: "succeeded",
    }]
  ) {
    const begun = bench.order.length;
    bench.live.get("fuzzer/f#1")!(ending as Ending);
    for (let i = 0; i < 5; i++) await pause();
    assert.deepEqual([...bench.live.keys()].sort(), ["fuzzer/f#0", "fuzzer/f#2"]);
    assert.equal(bench.order.length, begun, "it was started again at once");
    const before = clock.now();
    clock.advanceToNext();
    await until(() => bench.live.size === 3);
    waits.push(clock.now() - before);
  }
  assert(waits[0]! > 0 && waits[1]! > waits[0]!, `${waits}`);
  // A replica that rests holds no end up.
  bench.live.get("fuzzer/f#2")!({ reason: "succeeded" });
  bench.live.get("fuzzer/f#0")!({ reason: "succeeded" });
  assert.equal((await run.finished).succeeded, 1);
  await reading;
  assert.deepEqual(released, ["failed: no luck", "succeeded", "succeeded", "gave-way"]);
});

Deno.test("A pool of capacity 7 runs the builder and one fuzzer, and no replica", async () => {
  const bench = new Bench({ name: "bench", capacity: { cpu: 7 }, width: Infinity });
  const [builds, fuzz] = [await blobs("builds", "b"), await blobs("fuzz", "f")];
  const run = inMemory([
    bench.task("fuzzer_1", fuzz, {
      quota: { cpu: 1 },
      priority: (_, replica) => 0.75 ** replica,
      replicas: 100,
    }),
    bench.task("fuzzer_2", fuzz, {
      quota: { cpu: 2 },
      priority: (_, replica) => 2 * 0.5 ** replica,
      replicas: 100,
    }),
    bench.task("builder", builds, { quota: { cpu: 5 }, priority: 3 }),
  ]).run();
  await until(() => bench.live.size === 2);
  await pause();
  assert.deepEqual(bench.order, ["builder/b#0", "fuzzer_2/f#0"]);
  run.stop("stop");
  await run.finished;
});

Deno.test("Two pools with replicas leave each other alone", async () => {
  const [one, two] = ["one", "two"].map((name) =>
    new Bench({ name, capacity: { cpu: 3 }, width: Infinity })
  ) as [Bench, Bench];
  const a = await blobs("a", "j");
  const run = inMemory([
    one.task("x", a, { quota: { cpu: 1 }, replicas: 9 }),
    two.task("y", a, { quota: { cpu: 1 }, replicas: 9 }),
  ]).run();
  await until(() => one.live.size === 3 && two.live.size === 3);
  for (let i = 0; i < 5; i++) await pause();
  assert.deepEqual([one.order.length, two.order.length], [3, 3], "nothing was stopped and started anew");
  run.stop("stop");
  await run.finished;
});

/**
 * What the scheduler costs, with bodies and stores that cost nothing: observing and planning a million jobs, picking the best of many
 * that are ready, jobs a second in this process, the hand-over from step to step, and memory. Ratios are against plain loops of the same run.
 *
 * `deno run -A --v8-flags=--expose-gc bench/scheduler.ts`
 *
 * @module
 */
import {
  type BlobDriver,
  BlobRepository,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  type PipelineEvent,
} from "../mod.ts";
import { plan } from "../pipeline/plan.ts";
import { FlatQueue, HeapQueue } from "../pipeline/queue.ts";
import { SubscribableSet } from "../pipeline/observed.ts";
import { PipelineState } from "../pipeline/state.ts";
import { figure, say, timed } from "./figure.ts";

const gc = (globalThis as { gc?: () => void }).gc ?? (() => {});
const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;
const heap = (): number => {
  gc();
  gc();
  return Deno.memoryUsage().heapUsed + Deno.memoryUsage().external;
};

const keys = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `job-${String(i).padStart(7, "0")}`);

/** A store that holds these keys, and lists them in pages of a thousand. */
function listed(name: string, all: readonly string[]): BlobRepository {
  const driver: BlobDriver = {
    ...new MemoryBlobRepository(name).driver,
    async *keys() {
      for (let at = 0; at < all.length; at += 1000) yield await Promise.resolve(all.slice(at, at + 1000));
    },
  };
  return new BlobRepository(driver);
}

async function million(): Promise<void> {
  const count = 1_000_000;
  const all = keys(count);
  const stores = Array.from({ length: 6 }, (_, i) => listed(`s${i}`, i === 0 ? all : []));
  const tasks = stores.slice(1).map((to, i) =>
    functionTask(`t${i}`, {
      done: new MemoryMetadataRepository(`d${i}`),
      links: { from: input(stores[i]!), to: output(to) },
    }, () => {})
  );
  const before = heap();
  const state = new PipelineState(tasks, {
    onTrouble: console.error,
    onSkipped: () => {},
    onSettled: () => {},
  });
  const [bare] = await timed(async () => {
    const map = new Map<string, number>();
    for (const store of stores) {
      for await (const page of store.driver.keys()) for (const key of page) map.set(key, map.size);
    }
  });
  const [first] = await timed(() => state.list());
  figure(
    "planning 1,000,000 jobs x 5 tasks: first listing",
    first / 1000,
    "s",
    { atMost: 5 },
    `${(first / bare).toFixed(1)} x a Map of the keys`,
  );
  say("memory of it, the keys themselves not counted", megabytes(heap() - before));
  figure("memory of it, the whole process", Deno.memoryUsage().rss / 2 ** 20, "MB", { atMost: 500 });
  const [again] = await timed(() => state.list());
  say("listing it again, nothing changed", `${again.toFixed(0)} ms`);
  const [counting] = await timed(() => state.counts());
  say("counting the states of all its jobs", `${counting.toFixed(1)} ms`);
  const [planning] = await timed(() => {
    const queues = state.tasks.map(({ ready }) => new FlatQueue(ready, 0));
    for (let i = 0; i < 100; i++) {
      plan({
        pools: new Map([["p", { capacity: {}, width: 64 }]]),
        resources: {},
        tasks: state.tasks.map(({ task }, t) => ({
          name: task.name,
          pool: "p",
          quota: {},
          running: 0,
          concurrency: Infinity,
          allowance: Infinity,
          replicas: 1,
          overtaken: 0,
          candidates: () => queues[t]!.candidates(),
          live: [],
          priority: () => 0,
        })),
      });
    }
  });
  say("a plan of 64 starts, 1,000,000 ready", `${(planning / 100).toFixed(3)} ms`);
  const { from } = tasks[0]!.links;
  const [changes] = await timed(() => {
    for (let i = 0; i < 100_000; i++) state.observer.announce(from.repository, all[i]!, i % 2 === 0);
  });
  say("a change that is announced", `${(changes * 10).toFixed(0)} ns`);
}

async function picking(): Promise<void> {
  const count = 500_000;
  const ready = new SubscribableSet();
  for (let i = 0; i < count; i++) ready.set.add(i);
  const priority = (job: number): number => Math.imul(job, 2654435761) >>> 0;
  const [building, queue] = await timed(() => new HeapQueue(ready, priority));
  say("a queue of 500,000 jobs, each with a priority of its own", `${building.toFixed(0)} ms`);
  const [sorting] = await timed(() =>
    Array.from({ length: count }, (_, i) => i).sort((a, b) => priority(b) - priority(a))
  );
  const [picked] = await timed(() => {
    for (let round = 0; round < 1000; round++) {
      const candidates = queue.candidates();
      for (let i = 0; i < 64; i++) ready.put((candidates.next().value as { job: number }).job, false);
    }
  });
  figure(
    "picking one of 500,000 ready jobs, amortised",
    (building + picked) / 64_000,
    "ms",
    { atMost: 1 },
    `the best 64: ${(picked / 1000).toFixed(3)} ms; sorting them all: ${sorting.toFixed(0)} ms`,
  );
}

/** A pipeline of one step over jobs in memory. */
async function oneStep(count: number): Promise<{ readonly pipeline: Pipeline }> {
  const from = new MemoryBlobRepository("from");
  const nothing = new Uint8Array();
  for (const key of keys(count)) await from.put(key, nothing);
  const task = functionTask("task", {
    done: new MemoryMetadataRepository("done"),
    links: { from: input(from) },
  }, () => {});
  return { pipeline: new Pipeline({ tasks: [task], state: null }) };
}

async function jobsASecond(): Promise<void> {
  const count = 100_000;
  const done = new MemoryMetadataRepository("bare");
  const time = new Date().toISOString();
  const outcome = {
    success: true,
    reason: "succeeded",
    start: time,
    end: time,
    seconds: 0,
    attempt: 1,
    timeout: false,
    host: "here",
  };
  const all = keys(count);
  const figures: {
    readonly ms: number;
    readonly bare: number;
    readonly again: number;
  }[] = [];
  // The first rounds are spent on compiling; other processes take their share of the clock, and none of the processor's time.
  for (let round = 0; round < 4; round++) {
    const { pipeline } = await oneStep(count);
    gc();
    const [ms] = await timed(() => pipeline.run().finished);
    const [again] = await timed(() => pipeline.run().finished);
    const [bare] = await timed(async () => {
      for (const key of all) await done.set(key, outcome);
    });
    figures.push({ ms, bare, again });
  }
  const best = figures.reduce((a, b) => a.ms < b.ms ? a : b);
  figure("jobs in this process, over memory, best of four", count / best.ms * 1000, "jobs/s", {
    atLeast: 100_000,
  }, `${(best.ms / best.bare).toFixed(1)} x a loop that writes the outcomes`);
  say("opening it again when all is done", `${best.again.toFixed(0)} ms`);
}

async function handOver(): Promise<void> {
  const stores = Array.from({ length: 41 }, (_, i) => new MemoryBlobRepository(`s${i}`));
  await stores[0]!.put("job", "x");
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
  const tasks = stores.slice(1).map((to, i) =>
    functionTask(`t${i}`, {
      done: new MemoryMetadataRepository(`d${i}`),
      links: { from: input(stores[i]!), to: output(to) },
    }, async ({ to }) => {
      await pause();
      await to.write("x");
    })
  );
  const begun = performance.now();
  for (let i = 0; i < 40; i++) await pause();
  const bare = performance.now() - begun;
  const run = new Pipeline({ tasks, state: null }).run();
  const events: (PipelineEvent & { readonly seen: number })[] = [];
  const began = performance.now();
  for await (const event of run) events.push({ ...event, seen: performance.now() });
  const ms = performance.now() - began;
  figure(
    "40 sequential steps of 10 ms",
    ms / 1000,
    "s",
    { atMost: 0.5 },
    `${(ms / bare).toFixed(2)} x the waits alone`,
  );
  const gaps = events.flatMap((event, i) =>
    event.type === "started" && events[i - 1]!.type === "finished" ? [event.seen - events[i - 1]!.seen] : []
  );
  gaps.sort((a, b) => a - b);
  say(
    "from the end of one to the start of the next, the middle one",
    `${gaps[gaps.length >> 1]!.toFixed(3)} ms`,
  );
}

async function memory(): Promise<void> {
  const grows: number[] = [];
  for (const count of [20_000, 200_000]) {
    const { pipeline } = await oneStep(count);
    const before = heap();
    const run = pipeline.run();
    let most = 0;
    for await (const event of run) {
      if (event.type === "finished" && ++most % 50_000 === 0) await Promise.resolve();
    }
    await run.finished;
    grows.push((heap() - before) / count);
    say(
      `kept for each of ${count.toLocaleString("en")} jobs that have ended`,
      `${grows.at(-1)!.toFixed(0)} bytes, their outcomes in memory included`,
    );
  }
}

const parts = { million, picking, jobsASecond, handOver, memory };
for (const [name, part] of Object.entries(parts)) {
  if (Deno.args.length === 0 || Deno.args.includes(name)) await part();
}

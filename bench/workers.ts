/**
 * What a pool of workers costs: a job in a warm worker and in this process, the start of a worker beside the start of a bare Deno, and large values
 * through it beside a bare process that copies its standard input: `deno run -A bench/workers.ts`.
 *
 * @module
 */
import { systemClock } from "../core/clock.ts";
import { BlobRepository, functionTask, input, MemoryMetadataRepository, output, workerPool } from "../mod.ts";
import { processUse } from "../executors/workers/process_use.ts";
import { memoryBlobDriver } from "../repositories/memory.ts";
import { moduleBody } from "../tasks/module_body.ts";
import type { RunContext, Runner } from "../tasks/runner.ts";
import { figure, median, timed as cost } from "./figure.ts";

const JOBS = 1000;
const ROUNDS = 5;
const LARGE = 100 << 20;

/** What the bodies link. */
export function links(from: BlobRepository, to: BlobRepository) {
  return { from: input(from), to: output(to) };
}

async function measure(): Promise<void> {
  const small = new Uint8Array(100);
  const piece = new Uint8Array(1 << 16);
  const large = (): ReadableStream<Uint8Array<ArrayBuffer>> => {
    let left = LARGE;
    return new ReadableStream({
      pull(controller) {
        controller.enqueue(piece);
        if ((left -= piece.length) <= 0) controller.close();
      },
    }, { highWaterMark: 0 });
  };
  const sink = { ...memoryBlobDriver("to") };
  const from = new BlobRepository({
    ...memoryBlobDriver("from"),
    has: () => Promise.resolve(true),
    readBytes: () => Promise.resolve(small),
    read: () => Promise.resolve(large()),
  });
  const to = new BlobRepository({
    ...sink,
    async write(_key, value) {
      if (value instanceof ReadableStream) { for await (const _ of value); }
    },
  });
  const body = moduleBody<typeof import("./bodies/echo.ts")>(import.meta.resolve("./bodies/echo.ts"));
  const done = new MemoryMetadataRepository("done");
  const here = functionTask("here", { done, links: links(from, to) }, body).runner;
  const pool =
    functionTask("pool", { done, links: links(from, to), executor: workerPool({ size: 2 }) }, body).runner;
  await pool.open!({ state: "" });
  await run(pool, "small-0");
  await run(here, "small-0");

  const times: Record<"here" | "pool" | "start" | "deno" | "large" | "pipe", number[]> = {
    here: [],
    pool: [],
    start: [],
    deno: [],
    large: [],
    pipe: [],
  };
  for (let round = 0; round < ROUNDS; round++) {
    times.here.push(await spent(() => many(here)) / JOBS);
    times.pool.push(await spent(() => many(pool)) / JOBS);
    times.start.push(await timed(startOfPool));
    times.deno.push(await timed(bareDeno));
    times.large.push(await timed(() => run(pool, "large")));
    times.pipe.push(await timed(() => barePipe(large())));
  }
  const overhead = median(times.pool) - median(times.here);
  figure("workers: what a job in the warm pool costs more than in process", overhead * 1000, "us", {
    atMost: 1000,
  });
  const start = median(times.start.map((time, i) => time / times.deno[i]!));
  figure("workers: first job in a new pool, as a multiple of a bare deno run", start, "", { atMost: 3 });
  const through = median(times.pipe.map((time, i) => time / times.large[i]!));
  const rate = `${(200_000 / median(times.large)).toFixed(0)} MiB/s`;
  figure("workers: 100 MiB in and out, as a share of a bare pipe", through, "", { atLeast: 0.15 }, rate);
  await pool.close!();

  async function startOfPool(): Promise<void> {
    const fresh =
      functionTask("fresh", { done, links: links(from, to), executor: workerPool() }, body).runner;
    await fresh.open!({ state: "" });
    await run(fresh, "small-0");
    await fresh.close!();
  }
}

/** The workers that were seen. */
const pids = new Set<number>();

/**
 * How long a call takes, in milliseconds: the time of the clock or, when that is less, of the processor, here and in the workers. Others who use the
 * machine lengthen the first.
 */
async function spent(call: () => Promise<unknown>): Promise<number> {
  const elsewhere = (): number => [...pids].reduce((sum, pid) => sum + (processUse(pid) ?? 0), 0) * 1000;
  const before = elsewhere();
  const begin = performance.now();
  const [own] = await cost(call);
  return Math.min(performance.now() - begin, own + elsewhere() - before);
}

/** How long a call takes, in milliseconds. */
async function timed(call: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await call();
  return performance.now() - begin;
}

const context: RunContext = {
  signal: new AbortController().signal,
  graceMs: 1000,
  quota: {},
  log: (line) => console.log(line),
  logs: undefined,
  located: (where) => void pids.add(Number(where.slice(4))),
  published: () => {},
  feed: () => {
    throw new Error("these tasks have no streaming input");
  },
  clock: systemClock,
};

async function run(runner: Runner, job: string): Promise<void> {
  const { reason, error } = await runner.run({ task: "bench", job, replica: 0, attempt: 1 }, context);
  if (reason !== "succeeded") throw new Error(`A job ended as ${reason}: ${error?.message}`);
}

/** A thousand small jobs, two at a time. */
async function many(runner: Runner): Promise<void> {
  let left = JOBS;
  await Promise.all([1, 2].map(async () => {
    while (left-- > 0) await run(runner, `small-${left}`);
  }));
}

/** A Deno that does nothing, started and ended. */
async function bareDeno(): Promise<void> {
  const args = ["run", "--no-prompt", "--no-config", "data:application/typescript,"];
  await new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "null" }).output();
}

/** A process that copies its standard input to its standard output. */
async function barePipe(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
  const child = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
  const written = stream.pipeTo(child.stdin);
  for await (const _ of child.stdout);
  await written;
  await child.status;
}

if (import.meta.main) await measure();

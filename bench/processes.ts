/**
 * How quick local processes are, as ratios to bare `Deno.Command` in the same minutes: run by
 * `deno run -A bench/processes.ts [jobs...]`. Rounds of the three are interleaved, so that whatever else the machine does falls on all alike.
 *
 * @module
 */
import { systemClock } from "../core/clock.ts";
import type { ProcessWork } from "../executors/executor.ts";
import { localExecutor } from "../executors/local.ts";
import { MemoryMetadataRepository } from "../repositories/memory.ts";
import { processTask } from "../tasks/process.ts";
import type { RunContext } from "../tasks/runner.ts";
import { figure, median } from "./figure.ts";

/** What each job runs. */
const SCRIPT = ":";

/** How many rounds of each; the median of the ratios counts. */
const ROUNDS = 5;

const state = await Deno.makeTempDir();
const executor = localExecutor();
await executor.open({ state: `${state}/executor` });
const task = processTask("bench", { done: new MemoryMetadataRepository("done"), script: SCRIPT });
await task.runner.open!({ state: `${state}/task` });

const context: RunContext = {
  signal: new AbortController().signal,
  graceMs: 1000,
  quota: {},
  log: () => {},
  logs: undefined,
  located: () => {},
  published: () => {},
  feed: () => {
    throw new Error("this task has no streaming input");
  },
  clock: systemClock,
};
const work: ProcessWork = { kind: "process", script: SCRIPT, environment: {}, mergeStderr: true, notes: {} };
let next = 0;
const fresh = () => ({ task: "bench", job: `job-${next++}`, replica: 0, attempt: 1 });

const subjects: Record<string, () => Promise<void>> = {
  async "Deno.Command"() {
    const options: Deno.CommandOptions = {
      args: ["-c", SCRIPT],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    };
    await new Deno.Command("/bin/sh", options).spawn().status;
  },
  async "localExecutor"() {
    const attempt = fresh();
    await executor.start(attempt, work, { quota: {} });
    await executor.wait(attempt);
    await executor.forget(attempt);
  },
  async "processTask"() {
    const ending = await task.runner.run(fresh(), context);
    if (ending.reason !== "succeeded") throw new Error(`A job ended as ${ending.reason}`);
    await ending.release!();
  },
};

/** Microseconds per job, `width` at a time. */
async function measure(call: () => Promise<void>, width: number, jobs: number): Promise<number> {
  let left = jobs;
  const begin = performance.now();
  await Promise.all(Array.from({ length: width }, async () => {
    while (left-- > 0) await call();
  }));
  return (performance.now() - begin) / jobs * 1000;
}

const sizes = Deno.args.length > 0 ? Deno.args.map(Number) : [100, 1000, 5000];
const speeds: number[] = [];
for (const width of [2, 8]) {
  for (const jobs of sizes) {
    const times: Record<string, number[]> = {};
    for (let round = 0; round < ROUNDS; round++) {
      for (const name in subjects) {
        (times[name] ??= []).push(await measure(subjects[name]!, width, Math.ceil(jobs / ROUNDS)));
      }
    }
    const bare = times["Deno.Command"]!;
    for (const name in times) {
      const ratio = median(times[name]!.map((time, round) => bare[round]! / time));
      if (name === "processTask") speeds.push(ratio);
      if (name === "processTask" && jobs === sizes.at(-1)) {
        figure(`local processes, ${width} at a time, of the rate of Deno.Command`, ratio, "x", {
          atLeast: 0.8,
        });
      }
      console.log(
        `width ${width}  ${String(jobs).padStart(5)} jobs  ${name.padEnd(13)} ${
          median(times[name]!).toFixed(0).padStart(6)
        } us/job  ratio ${ratio.toFixed(2)}`,
      );
    }
  }
}
const flat = Math.min(speeds[sizes.length - 1]! / speeds[0]!, speeds.at(-1)! / speeds[sizes.length]!);
figure(`of that rate, what is left from ${sizes[0]} to ${sizes.at(-1)} jobs`, flat, "x", { atLeast: 0.9 });
await task.runner.close!();
await executor.close();
await Deno.remove(state, { recursive: true });

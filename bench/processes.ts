/**
 * How quick local processes are, as ratios to bare `Deno.Command` in the same minutes: run by
 * `deno run -A bench/processes.ts [jobs...]`. Rounds of the three are interleaved, so that whatever else the machine does falls on all alike.
 *
 * @module
 */
import type { ProcessWork } from "../executors/executor.ts";
import { localExecutor } from "../executors/local.ts";
import { MemoryMetadataRepository } from "../repositories/memory.ts";
import { processTask } from "../tasks/process.ts";
import { UNWATCHED } from "./context.ts";
import { figure } from "./figure.ts";
import { inRounds } from "./rounds.ts";

/** What each job runs. */
const SCRIPT = ":";

/** How many rounds of each; the median of the ratios counts. */
const ROUNDS = 5;

const state = await Deno.makeTempDir();
const executor = localExecutor();
await executor.open({ state: `${state}/executor` });
const task = processTask("bench", { done: new MemoryMetadataRepository("done"), script: SCRIPT });
await task.runner.open!({ state: `${state}/task` });

const work: ProcessWork = { kind: "process", script: SCRIPT, environment: {}, mergeStderr: true, notes: {} };
let next = 0;
const fresh = () => ({ task: "bench", job: `job-${next++}`, replica: 0, attempt: 1 });

const ways = {
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
    const ending = await task.runner.run(fresh(), UNWATCHED);
    if (ending.reason !== "succeeded") throw new Error(`A job ended as ${ending.reason}`);
    await ending.release!();
  },
};

const sizes = Deno.args.length > 0 ? Deno.args.map(Number) : [100, 1000, 5000];
const speeds: number[] = [];
for (const width of [2, 8]) {
  for (const jobs of sizes) {
    const paces = await inRounds(ways, { jobs, width, rounds: ROUNDS });
    for (const [name, { ms, ratio }] of Object.entries(paces)) {
      console.log(
        `width ${width}  ${String(jobs).padStart(5)} jobs  ${name.padEnd(13)} ${
          (ms * 1000).toFixed(0).padStart(6)
        } us/job  ratio ${ratio.toFixed(2)}`,
      );
    }
    const { ratio } = paces.processTask;
    speeds.push(ratio);
    if (jobs !== sizes.at(-1)) continue;
    figure(`local processes, ${width} at a time, of the rate of Deno.Command`, ratio, "x", { atLeast: 0.8 });
  }
}
const flat = Math.min(speeds[sizes.length - 1]! / speeds[0]!, speeds.at(-1)! / speeds[sizes.length]!);
figure(`of that rate, what is left from ${sizes[0]} to ${sizes.at(-1)} jobs`, flat, "x", { atLeast: 0.9 });
await task.runner.close!();
await executor.close();
await Deno.remove(state, { recursive: true });

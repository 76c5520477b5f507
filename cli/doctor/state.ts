/**
 * `doctor` on the folder of the state, the coordinator, and what earlier ones have left behind.
 *
 * @module
 */
import { formatDuration } from "../../core/duration.ts";
import { describeError } from "../../core/errors.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { FoundRun } from "../../tasks/runner.ts";
import type { Check } from "./check.ts";

/** How many runs are named. */
const NAMED = 3;

/** Whether the folder of the state can be written. */
export async function checkState(pipeline: Pipeline): Promise<Check> {
  const { state } = pipeline;
  if (state === undefined) {
    return {
      name: "state",
      state: "warn",
      text: "none: nothing outlives the process, and two runs at a time are not noticed",
      advice: 'give the pipeline a folder, state: "./.datatask", unless this is meant',
    };
  }
  const probe = `${state}/.probe-${crypto.randomUUID()}`;
  try {
    await Deno.mkdir(state, { recursive: true });
    await Deno.writeTextFile(probe, "");
    await Deno.remove(probe);
    return { name: "state", state: "ok", text: `${state} can be written` };
  } catch (error) {
    return {
      name: "state",
      state: "fail",
      text: `${state} cannot be written: ${describeError(error)}`,
      advice: "check its owner and mode, and the space on its disk",
    };
  }
}

/** Who runs the pipeline. */
export async function checkCoordinator(pipeline: Pipeline): Promise<Check> {
  const holder = await pipeline.coordinator();
  if (!holder) return { name: "coordinator", state: "ok", text: "nobody runs the pipeline now" };
  return {
    name: "coordinator",
    state: "ok",
    text: `process ${holder.pid} on ${holder.host} since ${holder.since}: ${holder.command}`,
  };
}

/** Runs of earlier coordinators that nobody looks after. */
export async function checkLeftovers(pipeline: Pipeline): Promise<readonly Check[]> {
  const holder = await pipeline.coordinator();
  const checks: Check[] = [];
  for (const task of pipeline.tasks.values()) {
    if (!task.runner.find) continue;
    try {
      if (pipeline.state !== undefined) await task.runner.open?.({ state: pipeline.state });
      const runs = await Array.fromAsync(task.runner.find(task.name));
      if (runs.length > 0) checks.push(leftovers(task.name, runs, holder !== undefined));
    } catch (error) {
      checks.push({
        name: `runs of ${task.name}`,
        state: "fail",
        text: describeError(error),
        advice: "see that the place where it runs can be reached",
      });
    } finally {
      await task.runner.close?.();
    }
  }
  return checks.length > 0 ? checks : [{ name: "runs", state: "ok", text: "none are left over" }];
}

function leftovers(task: string, runs: readonly FoundRun[], running: boolean): Check {
  const now = Date.now();
  const named = runs.slice(0, NAMED).map(({ attempt, since, where }) =>
    `${attempt.job} (${where}, ${formatDuration(now - since)})`
  );
  const text = `${runs.length}: ${named.join(", ")}${runs.length > NAMED ? ", …" : ""}`;
  return running
    ? { name: `runs of ${task}`, state: "ok", text }
    : { name: `runs of ${task}`, state: "warn", text, advice: "the next run takes them over" };
}

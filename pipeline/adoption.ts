/**
 * Taking up what earlier coordinators have left: attempts on record, and runs that are still there.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import { readAttempts } from "../tasks/outcome_document.ts";
import type { FoundRun } from "../tasks/runner.ts";
import type { Line } from "./line.ts";
import type { PipelineState } from "./state.ts";

/**
 * Takes up the attempts of a task that are on record. Records of jobs that are over were left by a crash; they are removed.
 *
 * @param line The task.
 * @param state The state of the pipeline.
 * @param wait Told of jobs whose next attempt may not begin before a time, in milliseconds since 1970.
 * @param onTrouble Told of records that cannot be read.
 */
export async function recallAttempts(
  line: Line,
  state: PipelineState,
  wait: (job: number, until: number) => void,
  onTrouble: (job: number, error: unknown) => void,
): Promise<void> {
  const { success, failed, attempted, task } = line.state;
  const { attempts } = task.outcomes;
  for (const id of [...attempted.set]) {
    const job = state.keys.key(id);
    try {
      if (success.set.has(id) || failed.set.has(id)) {
        await attempts.delete(job);
        state.observer.announce(attempts, job, false);
        continue;
      }
      const record = await readAttempts(task, job);
      if (!record) continue;
      line.earlier.set(id, record.outcomes);
      wait(id, Date.parse(record.retryAt));
    } catch (error) {
      onTrouble(id, error);
    }
  }
}

/**
 * Finds the runs of a task, and tells those to take over from those that nobody needs: of jobs that are over, of attempts that are not the
 * newest, and replicas.
 *
 * @param line The task.
 * @param state The state of the pipeline.
 * @param signal When to stop.
 * @returns Both.
 */
export async function findRuns(
  line: Line,
  state: PipelineState,
  signal: AbortSignal | undefined,
): Promise<{ readonly wanted: readonly FoundRun[]; readonly stale: readonly FoundRun[] }> {
  const { success, failed, task } = line.state;
  const newest = new Map<Key, FoundRun>();
  const stale: FoundRun[] = [];
  for await (const found of task.runner.find?.(task.name, { signal, sweep: true }) ?? []) {
    const { job, attempt, replica } = found.attempt;
    const id = state.keys.id(job);
    const over = success.set.has(id) || failed.set.has(id);
    const other = newest.get(job);
    const late = attempt <= (line.earlier.get(id)?.length ?? 0) || (other && other.attempt.attempt > attempt);
    if (over || late || replica > 0) stale.push(found);
    else {
      if (other) stale.push(other);
      newest.set(job, found);
    }
  }
  return { wanted: [...newest.values()], stale };
}

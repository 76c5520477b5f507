/**
 * Where the jobs are that a run of this process has started, for reports on it.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import { systemClock } from "../core/clock.ts";
import type { FoundRun } from "../tasks/runner.ts";
import type { Task } from "../tasks/task.ts";

/** How long those who run them may take to say where they are, in milliseconds. */
const ANSWER_MS = 5000;

/** An attempt under way, as the run knows it; it need not know where yet. */
export type Underway = Pick<FoundRun, "since" | "where"> & { readonly attempt: Attempt };

/**
 * Finds out where attempts are.
 *
 * @param underway The attempts of a run of this process.
 * @param tasks All tasks, by name.
 * @returns Them, by task. Of those of whom nothing is found out it is said that they are in this process.
 */
export async function ownRuns(
  underway: readonly Underway[],
  tasks: ReadonlyMap<string, Task>,
): Promise<ReadonlyMap<string, readonly FoundRun[]>> {
  const found = new Map<string, FoundRun[]>();
  for (const [name, all] of Map.groupBy(underway, ({ attempt }) => attempt.task)) {
    const known = await located(tasks.get(name)!);
    found.set(
      name,
      all.map(({ attempt, since, where }) => {
        const run = known.get(formatAttempt(attempt));
        return {
          attempt,
          since,
          where: run?.where || where || `in process ${Deno.pid}`,
          waiting: run?.waiting,
        };
      }),
    );
  }
  return found;
}

/** The runs of a task, as those who run them know them: none when they do not answer. */
async function located({ name, runner }: Task): Promise<ReadonlyMap<string, FoundRun>> {
  const known = new Map<string, FoundRun>();
  if (!runner.located) return known;
  const late = new AbortController();
  const cancel = systemClock.after(ANSWER_MS, () => late.abort());
  try {
    for await (const run of runner.located(name, late)) known.set(formatAttempt(run.attempt), run);
  } catch {
    // A report says what can be said; the run itself tells of trouble.
  } finally {
    cancel();
  }
  return known;
}

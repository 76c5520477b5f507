/**
 * What a coordinator does until a test kills it.
 *
 * @module
 */
import type { Attempt } from "../../core/attempt.ts";
import type { Executor } from "../../executors/executor.ts";

/**
 * Starts runs for ever, waits for the end of each third, and forgets half of these. It tells by a line when the first has begun.
 *
 * @param executor Where they run; it is open.
 * @param round How many coordinators there were before; it is a part of the names of the jobs.
 * @param lanes How many runs may be asked for at once.
 * @param start Starts run `n`.
 */
export async function startForever(
  executor: Executor,
  round: string,
  lanes: number,
  start: (attempt: Attempt, n: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (_: unknown, lane: number): Promise<void> => {
    while (true) {
      const n = next++;
      const attempt = { task: "work", job: `r${round}-${n}`, replica: 0, attempt: 1 };
      await start(attempt, n);
      if (n === 0) console.log("begun");
      if ((n + lane) % 3 !== 0) continue;
      await executor.wait(attempt);
      if (n % 2 === 0) await executor.forget(attempt);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/**
 * A script of run `n` that says into a file that it runs, ends at different times, may leave a process behind, and has exit code `n % 4`.
 *
 * @param n Which run.
 * @param job What it says.
 * @param marks The file.
 */
export function markingScript(n: number, job: string, marks: string): string {
  const slow = n % 3 === 0 ? "sleep 0.05; " : "";
  const leaving = n % 7 === 0 ? "sleep 30 & " : "";
  return `echo ${job} >>'${marks}'; ${slow}${leaving}exit ${n % 4}`;
}

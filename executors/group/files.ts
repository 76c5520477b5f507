/**
 * Copies files of the runs of a group, through the member that each is with.
 *
 * @module
 */
import type { Attempt } from "../../core/attempt.ts";
import { streamOf } from "../../core/bytes.ts";
import type { Executor, RunFiles, Work } from "../executor.ts";

/**
 * What copies files of the runs of a group.
 *
 * @param executors The members.
 * @param memberOf Finds the one that a run is with.
 * @returns What copies; nothing where not every member can.
 */
export function filesOf<W extends Work>(
  executors: readonly Executor<W>[],
  memberOf: (
    attempt: Attempt,
    signal: AbortSignal | undefined,
  ) => Promise<{ readonly executor: Executor<W> }>,
): RunFiles | undefined {
  const all = executors.flatMap(({ reach }) => reach?.files ?? []);
  if (all.length < executors.length) return undefined;
  const find = async (attempt: Attempt, signal: AbortSignal | undefined): Promise<RunFiles> =>
    (await memberOf(attempt, signal)).executor.reach!.files!;
  return {
    least: Math.max(...all.map(({ least }) => least)),
    async write(attempt, path, content, options) {
      await (await find(attempt, options.signal)).write(attempt, path, content, options);
    },
    read: (attempt, path, options) =>
      streamOf(async function* (signal) {
        yield* (await find(attempt, signal)).read(attempt, path, { ...options, signal });
      }, options.signal),
  };
}

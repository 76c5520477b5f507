/**
 * Keys that could not be found, since what they are read from could not be read: of jobs, and of the jobs that items of streams are for.
 *
 * @module
 */
import { KeySet } from "./key_set.ts";
import type { TaskState } from "./task_state.ts";

/**
 * Jobs that are not over and of which a key could not be found: they may well come.
 *
 * @param task Of which task.
 * @returns The jobs.
 */
export function unfoundJobs(task: TaskState): KeySet {
  const found = new KeySet();
  for (const map of task.maps) {
    for (const [job] of map.unfound()) {
      if (!task.success.set.has(job) && !task.failed.set.has(job)) found.add(job);
    }
  }
  return found;
}

/**
 * Whether it could not be found out for which job some item of a stream is.
 *
 * @param task Of which task.
 * @param link The name of the link.
 * @returns Whether it is so.
 */
export function isUnrelated(task: TaskState, link: string): boolean {
  return task.relations.get(link)?.unfound().next().done === false;
}

/**
 * Why keys could not be found.
 *
 * @param task Of which task.
 * @returns The errors.
 */
export function* faultsOfKeys(task: TaskState): Generator<unknown, void, void> {
  for (const map of [...task.maps, ...task.relations.values()]) {
    for (const [, error] of map?.unfound() ?? []) yield error;
  }
}

/**
 * Looks once more for keys that could not be found.
 *
 * @param task Of which task.
 */
export function askAgain(task: TaskState): void {
  for (const map of [...task.maps, ...task.relations.values()]) map?.askAgain();
}

/**
 * What could not be found out, since what says it could not be read: keys of jobs, of jobs that items of streams are for, and whether a view has a
 * key.
 *
 * @module
 */
import { KeySet } from "./key_set.ts";
import type { TaskState } from "./task_state.ts";

/**
 * Jobs that are not over and of which a key could not be found, or which lack nothing but that it be known what a view has: they may well come.
 *
 * @param task Of which task.
 * @returns The jobs.
 */
export function unfoundJobs(task: TaskState): KeySet {
  const found = new KeySet();
  for (const jobs of task.unreadable.values()) {
    for (const job of jobs.set) if (!task.over(job) && !lacksMore(task, job)) found.add(job);
  }
  for (const map of task.maps) {
    for (const [job] of map.unfound()) {
      if (!task.over(job)) found.add(job);
    }
  }
  return found;
}

/** Whether a job lacks something that is known. */
function lacksMore({ required, inhibiting, unreadable }: TaskState, job: number): boolean {
  const open = (link: string): boolean => unreadable.get(link)?.set.has(job) ?? false;
  return required.some(({ link, jobs }) => !jobs.set.has(job) && !open(link)) ||
    inhibiting.some(({ link, jobs }) => jobs.set.has(job) && !open(link));
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

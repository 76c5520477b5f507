/**
 * The keys of a job, for explanations.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import { linkKey } from "../tasks/resolve.ts";
import type { PipelineState } from "./state.ts";
import type { TaskState } from "./task_state.ts";

/** Keys of a job by link, found out for this explanation where the run has not yet asked for them. */
export interface Asked {
  readonly keys: ReadonlyMap<string, Key | undefined>;
  /** Why a key could not be found, by link. */
  readonly faults: ReadonlyMap<string, unknown>;
}

/** The key that a job has under a link, as far as it is known. */
export function keyOf(
  state: PipelineState,
  task: TaskState,
  link: string,
  job: number,
  asked: Asked,
): Key | undefined {
  const map = task.map(link);
  const target = map ? map.target(job) : job;
  return target === undefined ? asked.keys.get(link) : state.keys.key(target);
}

/** Finds out the keys of a job: a run asks for them only when the job could start but for them. */
export async function askKeys({ task }: TaskState, job: Key): Promise<Asked> {
  const keys = new Map<string, Key | undefined>();
  const faults = new Map<string, unknown>();
  for (const link of Object.keys(task.links)) {
    if (task.links[link]!.key && !task.links[link]!.stream) {
      try {
        keys.set(link, await linkKey(task.name, task.links, link, job));
      } catch (error) {
        faults.set(link, error);
      }
    }
  }
  return { keys, faults };
}

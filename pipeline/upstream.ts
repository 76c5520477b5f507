/**
 * Who is upstream of a task.
 *
 * @module
 */
import type { PipelineState } from "./state.ts";
import type { TaskState } from "./task_state.ts";

/**
 * The tasks that may bring what the jobs of a task wait for while they run, directly or by way of others.
 *
 * @param task Which task.
 * @param state The pipeline's.
 * @returns The tasks, each once.
 */
export function upstreamOf(task: TaskState, state: PipelineState): readonly TaskState[] {
  const found = new Set<TaskState>();
  const visit = ({ task: { links } }: TaskState, streamsOnly: boolean): void => {
    for (const { repository, direction, stream } of Object.values(links)) {
      if (streamsOnly ? !stream : direction !== "in" && direction !== "gate") continue;
      for (const { state: maker } of state.makers(repository)) {
        if (found.has(maker) || maker === task) continue;
        found.add(maker);
        visit(maker, false);
      }
    }
  };
  visit(task, true);
  return [...found];
}

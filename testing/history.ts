/**
 * What must be true of every history of a pipeline, whatever went wrong in it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import type { Key } from "../core/key.ts";
import type { PipelineEvent } from "../pipeline/events.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Task } from "../tasks/task.ts";

/**
 * Sees that a history keeps the promises of the scheduler: no job runs twice at once, none is over twice, no attempt is beyond the limit of its task,
 * every attempt that began has ended, and nothing starts while a job upstream of it runs under the same key.
 *
 * @param pipeline The pipeline.
 * @param events What has happened, from the first event of a run to its last.
 * @throws {AssertionError} When a promise was broken; it names the attempt.
 */
export function assertHistory(pipeline: Pipeline, events: Iterable<PipelineEvent>): void {
  const live = new Map<string, Attempt>();
  const over = new Set<string>();
  const upstream = upstreamOf([...pipeline.tasks.values()]);
  for (const event of events) {
    if (!("attempt" in event) || event.attempt.replica > 0) continue;
    const { attempt } = event;
    const name = `${attempt.task}/${attempt.job}`;
    if (event.type === "started" || event.type === "adopted") {
      assert(!live.has(name), `${formatAttempt(attempt)} began while ${name} was running`);
      assert(!over.has(name), `${formatAttempt(attempt)} began although ${name} was over`);
      const limit = pipeline.task(attempt.task).retry.attempts;
      assert(
        attempt.attempt <= limit,
        `${formatAttempt(attempt)} began, but ${limit} attempts are the limit`,
      );
      for (const task of upstream.get(attempt.task) ?? []) {
        assert(
          !live.has(`${task}/${attempt.job}`),
          `${formatAttempt(attempt)} began while ${task}/${attempt.job}, which makes its input, was running`,
        );
      }
      live.set(name, attempt);
    } else if (event.type === "finished" || event.type === "retrying" || event.type === "released") {
      assert(live.delete(name), `${formatAttempt(attempt)} ended, but it had not begun`);
      if (event.type === "finished") over.add(name);
    }
  }
  assert.deepEqual([...live.values()].map(formatAttempt), [], "attempts that never ended");
}

/** By task: the tasks that make, under the job's own key, what it reads. */
function upstreamOf(tasks: readonly Task[]): Map<string, string[]> {
  const stores = (task: Task, direction: "in" | "out"): Set<Key> =>
    new Set(
      Object.values(task.links).filter((link) => link.direction === direction && !link.key && link.gated)
        .flatMap((link) => [...link.repository.footprint().keys()]),
    );
  const makers = tasks.filter((task) => !task.longRunning && !task.disabled)
    .map((task) => ({ task, makes: stores(task, "out") }));
  return new Map(tasks.map((task) => {
    const reads = stores(task, "in");
    const above = makers.filter(({ task: other, makes }) => other !== task && !reads.isDisjointFrom(makes));
    return [task.name, above.map(({ task: other }) => other.name)];
  }));
}

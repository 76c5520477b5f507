/**
 * What a run would do now, found out without doing it.
 *
 * @module
 */
import type { Quota } from "../core/quota.ts";
import { difference, intersection, KeySet } from "./key_set.ts";
import type { PipelineInit } from "./pipeline.ts";
import { behindOf } from "./line.ts";
import { plan, type PlanTask } from "./plan.ts";
import { Prospects } from "./prospects.ts";
import { FlatQueue, HeapQueue } from "./queue.ts";
import type { PlanReport } from "./reports.ts";
import type { RunOptions } from "./run.ts";
import type { PipelineState } from "./state.ts";
import type { TaskState } from "./task_state.ts";
import { unfoundJobs } from "./unfound.ts";

/**
 * What a run would do now.
 *
 * @param state The pipeline's.
 * @param resources Named resources that all tasks share.
 * @param init The pipeline's priorities.
 * @param options Which tasks.
 * @returns The plan.
 */
export function planReport(
  state: PipelineState,
  resources: Quota,
  init: Pick<PipelineInit, "priority">,
  options: Pick<RunOptions, "tasks" | "notTasks">,
): PlanReport {
  const selected = ({ task }: TaskState): boolean =>
    !task.disabled && (options.tasks === undefined || options.tasks.includes(task.name)) &&
    !options.notTasks?.includes(task.name);
  const priority = ({ task }: TaskState, job: number, replica: number): number => {
    const key = state.keys.key(job);
    return (typeof task.priority === "function" ? task.priority(key, replica) : task.priority) +
      (init.priority?.(task.name, key, replica) ?? 0);
  };
  const tasks = state.tasks.filter(selected).map((entry): PlanTask => {
    const { task } = entry;
    const varies = typeof task.priority === "function" || init.priority !== undefined;
    const queue = varies
      ? new HeapQueue(entry.ready, (job) => priority(entry, job, 0))
      : new FlatQueue(entry.ready, task.priority as number);
    return {
      name: task.name,
      pool: task.runner.pool.name,
      quota: task.quota,
      running: entry.live.set.size,
      concurrency: task.concurrency,
      allowance: task.spawnRate?.count ?? Infinity,
      replicas: task.replicas,
      overtaken: 0,
      behind: behindOf(entry),
      candidates: () => queue.candidates(),
      live: task.replicas > 1 ? [...entry.live.set].map((job) => ({ job, replicas: [] })) : [],
      priority: (job, replica) => priority(entry, job, replica),
    };
  });
  const pools = new Map(state.tasks.map(({ task }) => [task.runner.pool.name, task.runner.pool]));
  const { actions, waits } = plan({ tasks, pools, resources });
  const prospects = new Prospects(state, {
    live: (task) => task.live.set,
    startable: (task, jobs) => selected(task) ? jobs : new KeySet(),
    unrestricted: selected,
  });
  const downstream = Object.fromEntries(
    state.tasks.map((entry) => {
      const now = [entry.success.set, entry.failed.set, entry.live.set, entry.ready.set, entry.delayed.set];
      // What cannot be found out does not become ready by what goes before.
      const others = [entry.blocked(), unfoundJobs(entry)];
      return [entry.task.name, difference(prospects.of(entry).jobs, [...now, ...others]).size];
    }),
  );
  return {
    start: actions.filter((action) => action.do === "start").map((action) => ({
      task: action.task,
      job: state.keys.key(action.job),
      replica: action.replica,
      attempt: (state.task(action.task).tries.get(action.job) ?? 0) + 1,
      priority: action.priority,
    })),
    wait: waits.map((wait) => {
      const { quota, runner: { pool } } = state.task(wait.task).task;
      const needs = quota[wait.for];
      const of = Math.min(pool.capacity[wait.for] ?? Infinity, resources[wait.for] ?? Infinity);
      return {
        task: wait.task,
        job: state.keys.key(wait.job),
        for: wait.for,
        ...(needs !== undefined && of !== Infinity && { needs, of }),
      };
    }),
    ready: state.tasks.filter(selected).reduce((sum, entry) => sum + intersection([entry.ready.set]).size, 0),
    downstream,
    tasks: state.counts(),
  };
}

/**
 * Pipelines: observe, plan, act.
 *
 * @module
 */
export type { LeaseHolder, PipelineEvent, RunSummary, TaskCounts } from "./events.ts";
export { isPipeline, Pipeline, type PipelineInit } from "./pipeline.ts";
export {
  type Action,
  type Plan,
  plan,
  type PlanPool,
  type PlanTask,
  type Policy,
  type Snapshot,
  type Wait,
} from "./plan.ts";
export type { Candidate } from "./queue.ts";
export type {
  Condition,
  Explanation,
  GraphNode,
  JobState,
  LinkStatus,
  PipelineGraph,
  PipelineStatus,
  PlanReport,
  Removal,
  TaskExplanation,
  TaskStatus,
  Trace,
} from "./reports.ts";
export { Run, type RunOptions } from "./run.ts";

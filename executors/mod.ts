/**
 * Executors: where work runs.
 *
 * @module
 */
export type {
  CallOptions,
  Executor,
  LogOptions,
  ProcessWork,
  ResourceUse,
  RunStatus,
  StartOptions,
  Work,
} from "./executor.ts";
export { localExecutor, type LocalExecutorOptions } from "./local.ts";
export type { ContainerMount, ContainerWork, PullPolicy } from "./container_work.ts";

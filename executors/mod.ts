/**
 * Executors: where work runs.
 *
 * @module
 */
export type {
  AgentServer,
  CallOptions,
  Executor,
  LogOptions,
  ProcessWork,
  Reach,
  ResourceUse,
  RunFiles,
  RunStatus,
  StartOptions,
  Work,
} from "./executor.ts";
export { localExecutor, type LocalExecutorOptions } from "./local.ts";
export type { ContainerMount, ContainerWork, PullPolicy } from "./container_work.ts";
export type { PodManifest, PodWork } from "./pod_work.ts";
export type { FunctionEnd, FunctionExecutor, FunctionRunOptions, FunctionWork } from "./function_work.ts";
export type { Permissions } from "./permissions.ts";
export { workerPool, type WorkerPoolOptions } from "./worker_pool.ts";

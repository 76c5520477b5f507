/**
 * Tasks: links, outcomes, and the kinds of task.
 *
 * @module
 */
export type { Admission, Agent, Grant, GrantedInput, GrantedItem, GrantedOutput } from "./agent.ts";
export type { AgentOptions, AgentTls } from "./agent_options.ts";
export type {
  Bound,
  BoundBlobInput,
  BoundBlobOutput,
  BoundDocumentInput,
  BoundDocumentOutput,
  BoundInput,
  BoundKey,
  BoundLink,
  BoundOutput,
  BoundTreeInput,
  BoundTreeOutput,
} from "./bound.ts";
export type {
  BoundBlobLookup,
  BoundContents,
  BoundDocumentLookup,
  BoundItems,
  BoundLookup,
  BoundStream,
  BoundTreeLookup,
  CokeyedValues,
  Items,
  ItemValue,
  Lookup,
  StreamItem,
} from "./bound_many.ts";
export {
  type FunctionContext,
  type FunctionRunner,
  functionTask,
  type FunctionTaskOptions,
  inProcess,
} from "./function.ts";
export { type BodyContext, type BodyModule, type ModuleBody, moduleBody } from "./module_body.ts";
export type { ModuleContainerOptions, ModuleTaskOptions } from "./module_task.ts";
export { allocated, field, type KeyMapping, type MappingContext } from "./key_mapping.ts";
export {
  type AutomaticValue,
  type Direction,
  type Gate,
  inhibits,
  input,
  type InputOptions,
  type ItemContext,
  type ItemKeys,
  type ItemsPlan,
  type KeyInit,
  type Link,
  type LinkOptions,
  type Links,
  type ManyView,
  output,
  type OutputOptions,
  requires,
  type RequiresOptions,
  status,
  type StreamPlan,
  type View,
} from "./link.ts";
export {
  type Draft,
  type ItemRelation,
  type ItemsLink,
  lookup,
  outputs,
  type OutputsOptions,
  stream,
  type StreamOptions,
} from "./many.ts";
export type { Outcome, OutcomeReason, RecordedError } from "./outcome.ts";
export { type AttemptsRecord, Outcomes, type OutcomesInit } from "./outcomes.ts";
export type {
  Ending,
  FindOptions,
  FoundRun,
  KeyFeed,
  Pool,
  RunContext,
  Runner,
  RunnerOpen,
  WaitingRun,
} from "./runner.ts";
export {
  defineTask,
  isTask,
  type RetryOptions,
  type RetryPolicy,
  type Task,
  type TaskOptions,
} from "./task.ts";
export type { BoundFolder, BoundPath, ProcessLink, ProcessLinks } from "./process_links.ts";
export { type DownloadCache, type ProcessContext, processTask, type ProcessTaskOptions } from "./process.ts";
export { type PathLike, Script, type ScriptTag, type ScriptValue, sh } from "./script.ts";
export { containerTask, type ContainerTaskOptions } from "./container.ts";
export { type PodManifestInit, podTask, type PodTaskOptions } from "./pod.ts";

/**
 * Tools for testing what is built on datatask: conformance suites for drivers, fakes, and faults on demand.
 *
 * @module
 */
export * from "./suite.ts";
export * from "./key_cases.ts";
export * from "./blob_suite.ts";
export * from "./metadata_suite.ts";
export * from "./filesystem_suite.ts";
export * from "./trees.ts";
export * from "./faulty_files.ts";
export { assertHistory } from "./history.ts";
export type { Body } from "./remake_task.ts";
export { type Fake, fake, PipelineTest, testPipeline, type TestPipelineOptions } from "./harness.ts";
export type { StandIn } from "./stand_ins.ts";
export { ManualClock, manualClock } from "./manual_clock.ts";
export { type FaultPoint, faulty, type FaultyLayer, type FaultyOptions } from "./faulty.ts";
export * from "./executor_suite.ts";
export * from "./fake_executor.ts";

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

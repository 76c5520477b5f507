/**
 * Several executors as one, such as the hosts of a pool.
 *
 * @module
 */
export { executorGroup, type ExecutorGroupOptions } from "./group.ts";

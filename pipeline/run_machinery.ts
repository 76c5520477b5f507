/**
 * What runs a pipeline: the state behind it, the coordinator, and what ties both to the world.
 *
 * @module
 */
export { Coordinator } from "./coordinator.ts";
export { follow } from "./follow.ts";
export { KeySet } from "./key_set.ts";
export { takeLease } from "./lease.ts";
export { LeaseGuard } from "./lease_guard.ts";
export { answerTo, serveRequests } from "./requests.ts";
export { watchWaits } from "./waits.ts";
export { PipelineState } from "./state.ts";

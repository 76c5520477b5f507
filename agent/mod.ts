/**
 * The agent: a server on this machine, through which work that does not see our files reads its inputs and brings its outputs.
 *
 * @module
 */
export { type RunningAgent, type StartAgent, startAgent } from "./agent.ts";

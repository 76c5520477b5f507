/**
 * Runs scripts in containers of a Docker Engine.
 *
 * @module
 */
export type { ContainerMount, ContainerWork, PullPolicy } from "../container_work.ts";
export type { EndpointOptions } from "./endpoint.ts";
export { dockerExecutor } from "./executor.ts";
export type { DockerExecutorOptions } from "./options.ts";

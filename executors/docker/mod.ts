/**
 * Runs scripts in containers of a Docker Engine.
 *
 * @module
 */
export type { ContainerMount, ContainerWork, PullPolicy } from "../container_work.ts";
export type { EndpointOptions } from "./endpoint.ts";
export { dockerExecutor, type DockerExecutorOptions } from "./executor.ts";

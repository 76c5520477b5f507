/**
 * Executors of containers and pods, made to take plain scripts: for the suite of executors of processes.
 *
 * @module
 */
import type { ContainerWork } from "../../executors/container_work.ts";
import type { Executor, ProcessWork } from "../../executors/executor.ts";

/**
 * An executor of containers that takes plain scripts.
 *
 * @param executor Where they run.
 * @param where The image they run in, and what else every container gets.
 * @returns An executor of processes. It sees nothing: numbers of processes in a container mean nothing outside.
 */
export function asProcesses(
  executor: Executor<ContainerWork>,
  where: Pick<ContainerWork, "image" | "network">,
): Executor<ProcessWork> {
  return {
    name: executor.name,
    accepts: new Set(["process"]),
    capacity: executor.capacity,
    sees: "nothing",
    open: (options) => executor.open(options),
    close: () => executor.close(),
    probe: (options) => executor.probe(options),
    start: (attempt, work, options) =>
      executor.start(attempt, { ...work, ...where, kind: "container" }, options),
    list: (options) => executor.list(options),
    wait: (attempt, options) => executor.wait(attempt, options),
    stop: (attempt, options) => executor.stop(attempt, options),
    logs: (attempt, options) => executor.logs(attempt, options),
    forget: (attempt, options) => executor.forget(attempt, options),
  };
}

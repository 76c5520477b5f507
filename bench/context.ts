/**
 * What runners and executors are told of an attempt that nobody watches.
 *
 * @module
 */
import { systemClock } from "../core/clock.ts";
import type { ContainerWork } from "../executors/container_work.ts";
import type { RunContext } from "../tasks/runner.ts";

/** The context of any attempt of a task without streaming inputs. */
export const UNWATCHED: RunContext = {
  signal: new AbortController().signal,
  graceMs: 1000,
  quota: {},
  log: () => {},
  logs: undefined,
  located: () => {},
  published: () => {},
  feed: () => {
    throw new Error("this task has no streaming input");
  },
  clock: systemClock,
};

/** Work of a container that does nothing. */
export function idleContainer(image: string, script = ":"): ContainerWork {
  return { kind: "container", image, script, environment: {}, mergeStderr: true, notes: {} };
}

/**
 * What the states of a container and the failures of calls mean to a run.
 *
 * @module
 */
import type { EngineFault } from "./engine.ts";
import type { Inspected } from "./status.ts";

/** Whether a container runs, or could go on. */
export function runs({ State: { Status } }: Inspected): boolean {
  return Status === "running" || Status === "paused" || Status === "restarting";
}

/** What it means that the engine would not start a run: mostly a mistake in the task. */
export function startFault(error: unknown): "cannot-start" | "unavailable" {
  const { status = 500, message } = error as Partial<EngineFault>;
  return status < 500 || /OCI runtime|runc|mount/i.test(message ?? "") ? "cannot-start" : "unavailable";
}

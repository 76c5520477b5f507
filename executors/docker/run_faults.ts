/**
 * What the states of a container and the failures of calls mean to a run.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import { EngineFault } from "./engine.ts";
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

/** Whether an engine cannot start a container because it runs already, which it does not know: it was killed before it could note that. */
export function runsUnknown(error: unknown): boolean {
  return error instanceof EngineFault && error.status === 500 && /^id already in use/i.test(error.message);
}

/** The error for a run of which nobody can say whether it has begun. */
export function maybeBegun(action: string): ExecutorError {
  return new ExecutorError(
    "unavailable",
    `Cannot ${action}: the Docker Engine was killed as it started it, and does not know whether it has begun; it is tried again`,
    { operation: "start", retry: "later" },
  );
}

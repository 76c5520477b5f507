/**
 * What the failures of calls mean to a run, and waiting between them.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import { ExecutorError } from "../../core/errors.ts";
import { EngineFault } from "./engine.ts";
import type { Inspected } from "./status.ts";

/** Whether a container runs, or could go on. */
export function runs({ State: { Status } }: Inspected): boolean {
  return Status === "running" || Status === "paused" || Status === "restarting";
}

/** Whether the engine was not there to answer. */
export function isAway(error: unknown): boolean {
  return error instanceof EngineFault && (error.away || error.status === 503);
}

/** What it means that the engine would not start a run: mostly a mistake in the task. */
export function startFault(error: unknown): "cannot-start" | "unavailable" {
  const { status = 500, message } = error as Partial<EngineFault>;
  return status < 500 || /OCI runtime|runc|mount/i.test(message ?? "") ? "cannot-start" : "unavailable";
}

/** Waits, but no longer than the signal lets. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * The error for a run that is not kept.
 *
 * @param name The executor.
 * @param action What was to be done: `wait for`.
 * @param attempt Which run.
 * @returns The error.
 */
export function unknownRun(name: string, action: string, attempt: Attempt): ExecutorError {
  return new ExecutorError(
    "unknown-run",
    `Cannot ${action} ${
      formatAttempt(attempt)
    } on ${name}: no such run is kept; it was never started, or was forgotten`,
    { operation: action, subject: attempt.task, key: attempt.job },
  );
}

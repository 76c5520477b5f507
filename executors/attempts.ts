/**
 * What every executor says of an attempt in the same words.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import { ExecutorError } from "../core/errors.ts";
import { checkKey } from "../core/key.ts";

/**
 * Checks that an attempt may become part of names and paths.
 *
 * @param executor Where it is to start.
 * @param attempt Which.
 * @throws {RepositoryError} With code `invalid-key`, when its task or its job is no key.
 */
export function checkAttempt(executor: string, attempt: Attempt): void {
  checkKey(attempt.task, "start a run of task", executor);
  checkKey(attempt.job, "start", `task ${attempt.task}`);
}

/**
 * The error for a run that is not kept.
 *
 * @param executor Where.
 * @param action What was to be done: `wait for`.
 * @param attempt Which run.
 * @returns The error.
 */
export function unknownRun(executor: string, action: string, attempt: Attempt): ExecutorError {
  return new ExecutorError(
    "unknown-run",
    `Cannot ${action} ${
      formatAttempt(attempt)
    } on ${executor}: no such run is kept; it was never started, or was forgotten`,
    { operation: action, subject: attempt.task, key: attempt.job },
  );
}

/**
 * The error for a run that is to be forgotten, and still runs.
 *
 * @param executor Where.
 * @param attempt Which run.
 * @returns The error.
 */
export function stillRuns(executor: string, attempt: Attempt): ExecutorError {
  return new ExecutorError(
    "conflict",
    `Cannot forget ${formatAttempt(attempt)} on ${executor}: it still runs; stop it, or wait for it`,
    { operation: "forget", subject: attempt.task, key: attempt.job },
  );
}

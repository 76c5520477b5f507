/**
 * Whether a job is tried again, and when.
 *
 * @module
 */
import type { Random } from "../core/random.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { RetryPolicy } from "../tasks/task.ts";

/**
 * How long to wait before the next attempt: exponential, with a part left to chance so that jobs that failed together do not return together.
 *
 * @param policy The task's.
 * @param attempts How many attempts there were.
 * @param random Where chance comes from.
 * @returns Milliseconds.
 */
export function retryDelay(
  policy: Pick<RetryPolicy, "delayMs" | "factor" | "maxDelayMs" | "jitter">,
  attempts: number,
  random: Random,
): number {
  const full = Math.min(policy.maxDelayMs, policy.delayMs * policy.factor ** (attempts - 1));
  return full * (1 - policy.jitter * random());
}

/**
 * Whether a failed job is tried again.
 *
 * @param policy The task's.
 * @param outcome How the attempt ended.
 * @param leftMs How much of the job's time is left, in milliseconds.
 * @returns Whether it is.
 */
export function worthRetrying(policy: RetryPolicy, outcome: Outcome, leftMs: number): boolean {
  return !outcome.success && outcome.reason !== "cancelled" && outcome.attempt < policy.attempts &&
    leftMs > 0 && policy.when(outcome);
}

/** How trouble that is nobody's fault is waited out: it does not count as an attempt. */
export const INFRASTRUCTURE: Pick<RetryPolicy, "delayMs" | "factor" | "maxDelayMs" | "jitter"> & {
  readonly tries: number;
} = {
  delayMs: 500,
  factor: 2,
  maxDelayMs: 60_000,
  jitter: 0.5,
  tries: 6,
};

import type { Outcome } from "../../tasks/outcome.ts";

/**
 * An outcome of a job that took a second.
 *
 * @param success Whether it succeeded.
 * @param change What else is not as usual.
 * @returns The outcome.
 */
export function outcomeOf(success: boolean, change: Partial<Outcome> = {}): Outcome {
  return {
    success,
    reason: success ? "succeeded" : "failed",
    start: "2026-01-01T00:00:00.000Z",
    end: "2026-01-01T00:00:01.000Z",
    seconds: 1,
    attempt: 1,
    timeout: false,
    host: "here",
    ...change,
  };
}

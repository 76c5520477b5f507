/**
 * How a job ended, in a few words.
 *
 * @module
 */
import { formatDuration } from "../core/duration.ts";
import type { Outcome } from "../tasks/outcome.ts";
import { printable } from "./ansi.ts";

/**
 * How a job ended, in a few words.
 *
 * @param outcome Its outcome.
 * @returns `exit code 3`, `timed out after 10s`, what kept its output from being published, or what its function threw, on one line.
 */
export function outcomeText(outcome: Outcome): string {
  if (outcome.success) return `done in ${formatDuration(outcome.seconds * 1000)}`;
  const error = outcome.error ? printable(outcome.error.message || outcome.error.name) : undefined;
  switch (outcome.reason) {
    case "timed-out":
      return `timed out after ${formatDuration(outcome.seconds * 1000)}`;
    case "cancelled":
      return "cancelled";
    case "lost":
      return error ?? "lost: it was started and is gone without a word";
    case "missing-output":
      return error ?? "an output is missing";
    default:
      if (outcome.signal) return `ended by ${outcome.signal}${error ? `: ${error}` : ""}`;
      if (outcome.exitCode === 0) return `its output could not be published${error ? `: ${error}` : ""}`;
      if (outcome.exitCode !== undefined) return `exit code ${outcome.exitCode}${error ? `: ${error}` : ""}`;
      return error ?? outcome.reason;
  }
}

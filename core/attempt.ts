/**
 * The identity of one attempt at one job.
 *
 * @module
 */
import type { Key } from "./key.ts";

/** One attempt at one job of one task. Nothing else is ever run, listed, stopped or published. */
export interface Attempt {
  /** The name of the task. */
  readonly task: string;
  /** The job. */
  readonly job: Key;
  /** 0 for the run that counts; 1 and more for the replicas that fill idle capacity. */
  readonly replica: number;
  /** 1 for the first try; one more for each retry. */
  readonly attempt: number;
}

/**
 * Writes an attempt as text: `summary/moby-dick`, with `#1` for a replica and `@2` for a later attempt.
 *
 * @param attempt Which.
 * @returns The text.
 */
export function formatAttempt(attempt: Attempt): string {
  return `${attempt.task}/${attempt.job}${attempt.replica ? `#${attempt.replica}` : ""}${
    attempt.attempt > 1 ? `@${attempt.attempt}` : ""
  }`;
}

/**
 * Why an attempt is stopped: the reason of its signal.
 *
 * - `timeout`: it took too long; it has failed.
 * - `cancelled`: a person said so; it has failed.
 * - `shutdown`: the coordinator leaves; the job is neither done nor failed, and runs again.
 * - `give-way`: a replica whose place is needed; nothing is recorded.
 * - `lost-lease`: another coordinator may see to it by now; it is let go of as it is, and a process is not ended.
 */
export type StopReason = "timeout" | "cancelled" | "shutdown" | "give-way" | "lost-lease";

/** The reason of the signal of an attempt that is stopped. */
export class StopError extends Error {
  /** Why. */
  readonly why: StopReason;

  /**
   * Makes the reason.
   *
   * @param why Why it is stopped.
   */
  constructor(why: StopReason) {
    super(
      {
        "timeout": "The time for this attempt is over",
        "cancelled": "This job was cancelled",
        "shutdown": "The coordinator is leaving",
        "give-way": "The place of this replica is needed",
        "lost-lease": "Another coordinator may see to this job by now",
      }[why],
    );
    this.name = "StopError";
    this.why = why;
  }
}

/**
 * How an attempt ended, as it is recorded.
 *
 * @module
 */
import type { ResourceUse } from "../executors/executor.ts";

/** How an attempt ended. `cancelled` and `shut-down` are a person's doing; `lost` and `infrastructure` nobody's fault in the work. */
export type OutcomeReason =
  | "succeeded"
  | "failed"
  | "timed-out"
  | "cancelled"
  | "lost"
  | "infrastructure"
  | "missing-output";

/** An exception as it is recorded. */
export interface RecordedError {
  /** Its class. */
  readonly name: string;
  /** Its message. */
  readonly message: string;
  /** Where it came from. */
  readonly stack?: string | undefined;
}

/** The document that a finished job leaves in `done`. */
export interface Outcome {
  /** Whether it did what it should. */
  readonly success: boolean;
  /** How it ended. */
  readonly reason: OutcomeReason;
  /** When it began, in ISO 8601. */
  readonly start: string;
  /** When it ended, in ISO 8601. */
  readonly end: string;
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** Which attempt this was: 1 for the first. */
  readonly attempt: number;
  /** Whether its time was over. */
  readonly timeout: boolean;
  /** The host of the coordinator. */
  readonly host: string;
  /** Where it ran, for a person: `pid 4711`. */
  readonly where?: string | undefined;
  /** The exit code of a process. */
  readonly exitCode?: number | undefined;
  /** The signal that ended a process. */
  readonly signal?: string | undefined;
  /** What a function threw, or what else went wrong. */
  readonly error?: RecordedError | undefined;
  /** What it used. */
  readonly resources?: ResourceUse | undefined;
  /** The attempts before this one, oldest first. */
  readonly earlier?: readonly Outcome[] | undefined;
}

/** How much of each text of an exception is recorded, in characters: an outcome is read whole, and often. */
const LONGEST_TEXT = 16_384;

/** The record of an exception, whatever was thrown: plain texts that any store can keep. */
export function recordError(error: unknown): RecordedError {
  try {
    if (!(error instanceof Error)) {
      const text = typeof error === "string" ? error : Deno.inspect(error, { colors: false });
      return { name: typeof error, message: kept(text) };
    }
    const stack = typeof error.stack === "string" ? { stack: kept(error.stack) } : {};
    return { name: kept(String(error.name)), message: kept(String(error.message)), ...stack };
  } catch {
    return { name: typeof error, message: "something was thrown that cannot be shown; throw an Error" };
  }
}

/** A text as it is recorded: its beginning, when it is very long. */
function kept(text: string): string {
  if (text.length <= LONGEST_TEXT) return text.toWellFormed();
  return `${text.slice(0, LONGEST_TEXT).toWellFormed()}... (${text.length - LONGEST_TEXT} characters more)`;
}

/**
 * Why a request is refused, for the worker to read.
 *
 * @module
 */
import { classifySystemError, describeError, type ErrorCode, isDatataskError } from "../core/errors.ts";

/** A request that is refused: thrown where that is found out, answered in one place. */
export class Refusal extends Error {
  /** The status. */
  readonly status: number;
  /** More headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * Makes it.
   *
   * @param status The status.
   * @param message Why, and what to do about it: a sentence for the log of the worker.
   * @param headers More headers of the answer.
   */
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.headers = headers;
  }
}

/** What errors of the library mean to a worker. Everything else is the agent's own trouble: 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  "not-found": 404,
  "invalid-key": 400,
  "invalid-value": 422,
  "conflict": 409,
  "already-exists": 409,
  "unsupported": 403,
  "no-space": 507,
  "unavailable": 503,
  "timed-out": 503,
};

/**
 * The refusal that an error amounts to.
 *
 * @param error Anything caught.
 * @param doing What was being done: `"read books"`.
 * @returns The refusal. What may pass is 503, with a time to try again.
 */
export function refusalOf(error: unknown, doing: string): Refusal {
  if (error instanceof Refusal) return error;
  const code = classifySystemError(error);
  const status = (code && STATUS[code]) ?? 500;
  const text = isDatataskError(error) ? error.message : `Cannot ${doing}: ${describeError(error)}`;
  if (status === 507) {
    return new Refusal(507, `${text} (the disk of the coordinator is full; free some space there)`);
  }
  return new Refusal(status, text, status === 503 ? { "Retry-After": "5" } : {});
}

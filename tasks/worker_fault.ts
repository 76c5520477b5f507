/**
 * How a worker says that it could not bring or hand over values.
 *
 * @module
 */

/** The exit code of a worker that could not bring or hand over values; the reason is its last words. */
export const WORKER_FAILED = 75;

/** What a worker says of its own failure. */
export interface WorkerFault {
  /** Whether the trouble is the task's own. */
  readonly own: boolean;
  /** What went wrong, for a person. */
  readonly message: string;
}

/**
 * Reads what a worker says of its own failure, at the end of its log.
 *
 * @param text The end of its log.
 * @param mark The mark it was given.
 * @returns What they say; nothing when the script itself left with this code.
 */
export function workerFault(text: string, mark: string): WorkerFault | undefined {
  const found = [...text.matchAll(new RegExp(`^datatask\\[${mark}\\] (failed|infrastructure): (.*)$`, "gm"))];
  const [, own, message] = found.at(-1) ?? [];
  return message === undefined ? undefined : { own: own === "failed", message };
}

/**
 * How a worker says that it could not bring or hand over values.
 *
 * @module
 */

import type { Attempt } from "../core/attempt.ts";
import { decodeText, encodeText } from "../core/bytes.ts";
import { isDatataskError } from "../core/errors.ts";
import type { Executor } from "../executors/executor.ts";

/** How much of the end of a log is looked at for the last words of a worker, in bytes. */
const END = 8192;

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

/**
 * Reads in the log of a run what its worker says of its own failure.
 *
 * @param executor Where it ran.
 * @param attempt Which.
 * @param stream Where the worker speaks.
 * @param mark The mark it was given.
 * @returns What it says; nothing when the script itself left with this code.
 */
export async function readFault(
  executor: Pick<Executor, "logs">,
  attempt: Attempt,
  stream: "stdout" | "stderr",
  mark: string,
): Promise<WorkerFault | undefined> {
  let end = "";
  try {
    for await (const chunk of await executor.logs(attempt, { stream })) {
      end = decodeText(
        chunk.length > END ? chunk.subarray(-END) : encodeText(end + decodeText(chunk)).slice(-END),
      );
    }
  } catch (error) {
    // It is the beginning that is gone.
    if (!isDatataskError(error, "lost")) throw error;
  }
  return workerFault(end, mark);
}

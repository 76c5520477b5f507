/**
 * What stands between a body and its links: it closes when the attempt is over.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import { RepositoryError } from "../core/errors.ts";
import type { Guard } from "./bound.ts";

/** Sees to it that a body publishes nothing once its attempt is over, and that nothing it has begun is left behind. */
export class BodyGate implements Guard {
  readonly signal: AbortSignal;
  readonly #attempt: Attempt;
  #over = false;
  #pending: Set<Promise<unknown>> | undefined;
  #streams: Set<WritableStreamDefaultWriter<Bytes>> | undefined;

  constructor(attempt: Attempt, signal: AbortSignal) {
    this.#attempt = attempt;
    this.signal = signal;
  }

  /** Whether the attempt is over. */
  get over(): boolean {
    return this.#over;
  }

  /** Ends the attempt: streams that were not closed show nothing. */
  async close(): Promise<void> {
    this.#over = true;
    for (const writer of this.#streams ?? []) await writer.abort(this.#late()).catch(() => {});
  }

  check(): void {
    this.signal.throwIfAborted();
    if (this.#over) throw this.#late();
  }

  /** Takes note of a write, so that the attempt does not end before it. */
  track<T>(write: Promise<T>): Promise<T> {
    const pending = this.#pending ??= new Set();
    pending.add(write);
    const over = (): void => void pending.delete(write);
    write.then(over, over);
    return write;
  }

  /** Takes note of a stream that was opened. Returns what to call when it was closed or aborted. */
  opened(writer: WritableStreamDefaultWriter<Bytes>): () => void {
    const streams = this.#streams ??= new Set();
    streams.add(writer);
    return () => void streams.delete(writer);
  }

  /** Waits for the writes that the body has not waited for. */
  async settled(): Promise<void> {
    while (this.#pending && this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #late(): RepositoryError {
    const { task, job, attempt } = this.#attempt;
    return new RepositoryError(
      "conflict",
      `Cannot use a link of job "${job}" of task ${task}: attempt ${attempt} is over; wait for all that the body has begun before it returns`,
      { operation: "use a link", subject: task, key: job },
    );
  }
}

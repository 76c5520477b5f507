/**
 * Ending something for one of several reasons, and reading no longer than that.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";

/** A signal that comes with the first of several, or by hand. It holds on to the others until it is disposed of. */
export class Linked implements Disposable {
  readonly #controller = new AbortController();
  readonly #sources: readonly AbortSignal[];

  /** @param sources The others. */
  constructor(...sources: readonly (AbortSignal | undefined)[]) {
    this.#sources = sources.filter((source) => source !== undefined);
    for (const source of this.#sources) {
      if (source.aborted) this.abort(source.reason);
      source.addEventListener("abort", this.#follow);
    }
  }

  /** The signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly #follow = (event: Event): void => this.abort((event.target as AbortSignal).reason);

  /**
   * Gives the signal.
   *
   * @param reason Why.
   */
  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** Forgets the others. */
  [Symbol.dispose](): void {
    for (const source of this.#sources) source.removeEventListener("abort", this.#follow);
  }
}

/**
 * Reads a stream until its end or a signal.
 *
 * @param stream What to read. It is given up in the end, whatever happens.
 * @param signal When to stop: its reason is thrown. The body of a response does not always notice the signal of its request.
 * @returns Its chunks.
 */
export async function* chunks(
  stream: ReadableStream<Bytes>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes, void, void> {
  const reader = stream.getReader();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const abort = (): void => aborted.reject(signal!.reason);
  signal?.addEventListener("abort", abort);
  try {
    while (true) {
      signal?.throwIfAborted();
      const { value, done } = await Promise.race([reader.read(), aborted.promise]);
      if (done) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    // Not waited for: nobody listens any more.
    reader.cancel().catch(() => {});
  }
}

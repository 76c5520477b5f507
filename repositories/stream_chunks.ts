/**
 * Reading a stream to its end, or to the abort of a signal; waiting for what knows nothing of signals.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";

/**
 * The chunks of a stream. The stream is cancelled when the signal is aborted, and when the reader leaves early.
 *
 * @param stream The stream.
 * @param signal Ends it; its reason is then thrown.
 * @returns The chunks.
 */
export async function* chunksOf(
  stream: ReadableStream<Bytes>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes, void, void> {
  const reader = stream.getReader();
  // Cancelling answers a read that is pending, so no read has to race against the signal.
  const cancel = (): void => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", cancel, { once: true });
  let ended = false;
  try {
    signal?.throwIfAborted();
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    signal?.removeEventListener("abort", cancel);
    if (!ended) cancel();
  }
}

/**
 * A promise, or the reason of a signal when that is aborted first.
 *
 * @param promise What to wait for. It is not called off.
 * @param signal Ends the wait.
 * @returns What the promise gives.
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * What a source gives, one after the other. The source is closed when the reader leaves early, and when the signal is aborted; one that is
 * stuck is not waited for.
 *
 * @param source The source.
 * @param signal Ends it; its reason is then thrown.
 * @returns The same.
 */
export async function* eachOf<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, void> {
  signal?.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await untilAborted(iterator.next(), signal);
      signal?.throwIfAborted();
      if (next.done) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    const closed = ended ? undefined : iterator.return?.();
    if (signal?.aborted) closed?.catch(() => {});
    else await closed;
  }
}

/**
 * Opens a stream, unless the signal is aborted first: then it is cancelled as soon as it is there.
 *
 * @param opening The stream that is being opened.
 * @param signal Ends the wait; its reason is then thrown.
 * @returns The stream.
 */
export async function streamOf(
  opening: Promise<ReadableStream<Bytes>>,
  signal: AbortSignal | undefined,
): Promise<ReadableStream<Bytes>> {
  try {
    return await untilAborted(opening, signal);
  } catch (error) {
    opening.then((stream) => stream.cancel(error)).catch(() => {});
    throw error;
  }
}

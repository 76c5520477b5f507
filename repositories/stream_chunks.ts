/**
 * Reading a stream to its end, or to the abort of a signal.
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

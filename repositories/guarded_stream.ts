/**
 * A stream over bytes in memory that ends with the reason of its signal.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";

/** How much one chunk has, in bytes. */
const CHUNK = 2 ** 16;

/**
 * Bytes as a stream of copies.
 *
 * @param bytes What to hand out; not shared with the reader.
 * @param signal Ends the stream with its reason.
 * @returns The stream.
 */
export function guardedStream(bytes: Bytes, signal?: AbortSignal): ReadableStream<Bytes> {
  let at = 0;
  return new ReadableStream<Bytes>({
    pull(controller) {
      if (signal?.aborted) return controller.error(signal.reason);
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + CHUNK));
      at += CHUNK;
    },
  }, { highWaterMark: 0 });
}

/**
 * What compressors of every format have in common.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";

/** Compresses and decompresses in one format. */
export interface Compressor {
  /** Compresses all bytes at once. */
  compress(bytes: Bytes): Promise<Bytes>;
  /** Decompresses all bytes at once. Throws when they are not in the format, or cut short. */
  decompress(bytes: Bytes): Promise<Bytes>;
  /** Compresses a stream. */
  compressStream(source: ReadableStream<Bytes>, signal: AbortSignal | undefined): ReadableStream<Bytes>;
  /** Decompresses a stream. What `damaged` returns is thrown when the data is not in the format, or cut short. */
  decompressStream(
    source: ReadableStream<Bytes>,
    signal: AbortSignal | undefined,
    damaged: (error: unknown) => unknown,
  ): ReadableStream<Bytes>;
}

/** Bytes of their own, whatever pool they came from. */
export function ownBytes(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}

/** The error for data that ends before its end. */
export function cutShort(): Error {
  return new Error("unexpected end of file");
}

/**
 * Bytes as a stream of parts of them.
 *
 * @param bytes The bytes.
 * @param size How large the parts are, in bytes.
 * @returns The stream.
 */
export function inParts(bytes: Bytes, size: number): ReadableStream<Bytes> {
  let at = 0;
  return new ReadableStream<Bytes>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at += size));
    },
  }, { highWaterMark: 0 });
}

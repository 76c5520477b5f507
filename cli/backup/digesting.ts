/**
 * A stream and its digest in one go.
 *
 * @module
 */
import { type Bytes, type Content, toStream } from "../../core/bytes.ts";

/** A digest in hexadecimal, and how many bytes it is of. */
export interface Digest {
  /** SHA-256. */
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
}

/** A stream that is being digested. */
export interface Digesting {
  /** What passes. */
  readonly stream: ReadableStream<Bytes>;
  /** The digest, once all has passed. */
  end(): Digest;
}

/**
 * Feeds a stream through a digest.
 *
 * @param content What to digest.
 * @returns The same content as a stream, and its digest when that has ended.
 */
export async function digesting(content: Content): Promise<Digesting> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  let size = 0;
  const tap = new TransformStream<Bytes, Bytes>({
    transform(chunk, controller) {
      hash.update(chunk);
      size += chunk.length;
      controller.enqueue(chunk);
    },
  });
  return { stream: toStream(content).pipeThrough(tap), end: () => ({ sha256: hash.digest("hex"), size }) };
}

/**
 * The digest of content that nobody else wants.
 *
 * @param content What to digest.
 * @param signal Stops it.
 * @returns Its digest.
 */
export async function digestOf(content: Content, signal: AbortSignal): Promise<Digest> {
  const passing = await digesting(content);
  for await (const _ of passing.stream) signal.throwIfAborted();
  return passing.end();
}

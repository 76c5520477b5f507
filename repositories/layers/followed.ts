/**
 * A stream that somebody else hears too.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";

/** Hears what goes through a stream. What it does is waited for. */
export interface Follower {
  /** The next chunk, before the reader has it; the reader may change it afterwards. */
  chunk(bytes: Bytes): void | Promise<void>;
  /** All of it has gone through; the reader is told when this is done. */
  end(): void | Promise<void>;
  /** The reader does not want the rest, or the stream has failed. */
  left(): void | Promise<void>;
}

/**
 * The same stream, followed. It fetches nothing before it is asked.
 *
 * @param source The stream.
 * @param follower Who hears it.
 * @returns The stream for the reader.
 */
export function followed(source: ReadableStream<Bytes>, follower: Follower): ReadableStream<Bytes> {
  const reader = source.getReader();
  return new ReadableStream<Bytes>({
    async pull(controller) {
      let next: ReadableStreamReadResult<Bytes>;
      try {
        next = await reader.read();
      } catch (error) {
        await follower.left();
        throw error;
      }
      if (next.done) {
        await follower.end();
        return controller.close();
      }
      await follower.chunk(next.value);
      controller.enqueue(next.value);
    },
    async cancel(reason) {
      await follower.left();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/**
 * What containers have written, as the engine gives it: frames, each with a head of eight bytes that says whose it is and how long.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";

/** The part of a stream of Node that is used. */
export interface NodeStream extends AsyncIterable<Uint8Array> {
  destroy(error?: Error): void;
  on(event: "error", listener: (error: Error) => void): unknown;
}

const HEAD = 8;

/** The largest piece that is handed on, in bytes. */
const PIECE = 1 << 16;

/** Takes the heads out of a stream of frames, and holds no frame to do so. */
export class Frames {
  #head = new Uint8Array(HEAD);
  #have = 0;
  #left = 0;

  /**
   * What of a chunk was written by the container.
   *
   * @param chunk The next bytes of the stream.
   * @returns Pieces of it.
   */
  *read(chunk: Uint8Array): Generator<Bytes> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const end = Math.min(chunk.length, at + Math.min(this.#left, PIECE));
        yield chunk.slice(at, end);
        this.#left -= end - at;
        at = end;
        continue;
      }
      this.#head[this.#have++] = chunk[at++]!;
      if (this.#have < HEAD) continue;
      this.#have = 0;
      this.#left = new DataView(this.#head.buffer).getUint32(4);
    }
  }
}

/**
 * What a container has written, from a stream of frames.
 *
 * @param source The stream of the engine.
 * @param signal When to stop: the stream then fails with its reason.
 * @returns The bytes. Reads no faster than it is read.
 */
export function logStream(source: NodeStream, signal: AbortSignal | undefined): ReadableStream<Bytes> {
  const frames = new Frames();
  const chunks = source[Symbol.asyncIterator]();
  let pieces: Iterator<Bytes> = [][Symbol.iterator]();
  // It fails when it is destroyed; whoever reads is told by other means.
  source.on("error", () => {});
  const stop = (): void => source.destroy();
  return new ReadableStream<Bytes>({
    start(controller) {
      const abort = (): void => {
        controller.error(signal!.reason);
        stop();
      };
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    },
    async pull(controller) {
      while (true) {
        const piece = pieces.next();
        if (!piece.done) return controller.enqueue(piece.value);
        const { value, done } = await chunks.next().catch((error) => {
          if (signal?.aborted) return { value: undefined, done: true as const };
          throw error;
        });
        if (signal?.aborted) return;
        if (done) return controller.close();
        pieces = frames.read(value);
      }
    },
    cancel: stop,
  }, { highWaterMark: 0 });
}

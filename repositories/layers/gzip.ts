/**
 * Gzip over web streams, by the transforms of the platform.
 *
 * @module
 */
import type { Transform } from "node:stream";
import { type Bytes, readAll } from "../../core/bytes.ts";
import { type Compressor, cutShort, inParts, ownBytes } from "./compressor.ts";

/** Values up to this size, in bytes, are done at once: quicker than a stream. */
const SMALL = 2 ** 16;
const CHUNK = { chunkSize: 2 ** 16 };

/**
 * A compressor for gzip.
 *
 * @param level How hard to try, from 1 to 9. Default: 6.
 * @returns The compressor.
 */
export async function openGzip(level: number | undefined): Promise<Compressor> {
  const { createGunzip, createGzip, gunzipSync, gzipSync } = await import("node:zlib");
  const options = { ...CHUNK, ...(level === undefined ? {} : { level }) };
  const compressStream: Compressor["compressStream"] = (source, signal) =>
    new Passage(source, createGzip(options), signal, (error) => error, false).stream;
  const decompressStream: Compressor["decompressStream"] = (source, signal, damaged) =>
    new Passage(source, createGunzip(CHUNK), signal, damaged, true).stream;
  return {
    compressStream,
    decompressStream,
    async compress(bytes) {
      if (bytes.length <= SMALL) return ownBytes(gzipSync(bytes, options));
      return await readAll(compressStream(inParts(bytes, SMALL), undefined));
    },
    async decompress(bytes) {
      if (bytes.length === 0) throw cutShort();
      if (bytes.length <= SMALL / 16) return ownBytes(gunzipSync(bytes));
      return await readAll(decompressStream(inParts(bytes, SMALL), undefined, (error) => error));
    },
  };
}

/** A stream on its way through a transform of the platform. */
class Passage {
  readonly stream: ReadableStream<Bytes>;
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  readonly #coder: Transform;
  readonly #refuseEmpty: boolean;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  #trouble: { readonly reason: unknown } | undefined;
  #left = false;

  constructor(
    source: ReadableStream<Bytes>,
    coder: Transform,
    signal: AbortSignal | undefined,
    damaged: (error: unknown) => unknown,
    refuseEmpty: boolean,
  ) {
    this.#reader = source.getReader();
    this.#refuseEmpty = refuseEmpty;
    // Errors are seen by the iterator; one more after it has left must not end the process.
    this.#coder = coder.on("error", () => {});
    this.stream = new ReadableStream<Bytes>({
      pull: async (controller) => {
        try {
          signal?.throwIfAborted();
          const { done, value } = await this.#next();
          if (done) controller.close();
          else controller.enqueue(ownBytes(value));
        } catch (error) {
          await this.#leave(error).catch(() => {});
          if (signal?.aborted) throw signal.reason;
          throw this.#trouble ? this.#trouble.reason : damaged(error);
        }
      },
      cancel: (reason) => this.#leave(reason),
    }, { highWaterMark: 0 });
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#chunks) {
      this.#chunks = this.#coder[Symbol.asyncIterator]();
      void this.#feed();
    }
    return this.#chunks.next();
  }

  async #leave(reason: unknown): Promise<void> {
    this.#left = true;
    this.#coder.destroy();
    await this.#reader.cancel(reason);
  }

  async #feed(): Promise<void> {
    let any = false;
    try {
      for (
        let next = await this.#reader.read();
        !next.done && !this.#left;
        next = await this.#reader.read()
      ) {
        any ||= next.value.length > 0;
        if (next.value.length > 0 && !this.#coder.write(next.value)) await drained(this.#coder);
      }
      if (this.#left) return;
      if (!any && this.#refuseEmpty) this.#coder.destroy(cutShort());
      else this.#coder.end();
    } catch (reason) {
      this.#trouble = { reason };
      this.#coder.destroy(reason instanceof Error ? reason : new Error(String(reason)));
    }
  }
}

/** When a transform takes more, or nothing any longer. */
function drained(coder: Transform): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      coder.off("drain", done).off("close", done).off("error", done);
      resolve();
    };
    if (coder.destroyed) return resolve();
    coder.on("drain", done).on("close", done).on("error", done);
  });
}

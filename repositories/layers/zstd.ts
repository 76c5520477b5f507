/**
 * Zstd over web streams.
 *
 * Data is written as a row of frames of up to half a megabyte, each with its checksum, which every reader of zstd takes for one. So it is
 * held frame by frame on the way back, and damage to it is told by the frame. Frames of other writers are held whole.
 *
 * @module
 */
import { type Bytes, concat } from "../../core/bytes.ts";
import { type Compressor, cutShort, ownBytes } from "./compressor.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/** How much one frame holds, in bytes. */
const FRAME = 2 ** 19;
/** The largest frame of others that is taken, in bytes: compressed, and as it is. */
const LARGEST = { compressed: 2 ** 28, plain: 2 ** 30 };

/** What makes frames of parts, or parts of frames: each when it is asked for, since few bytes may become very many. */
interface FrameCoder {
  /** Takes bytes and gives what is ready. To be gone through before the next call. */
  push(bytes: Bytes): Iterable<Bytes>;
  /** Gives the rest. */
  end(): Iterable<Bytes>;
}

/**
 * A compressor for zstd.
 *
 * @param level How hard to try, from 1 to 22. Default: 3.
 * @returns The compressor.
 */
export async function openZstd(level: number | undefined): Promise<Compressor> {
  const { constants, zstdCompressSync, zstdDecompressSync } = await import("node:zlib");
  const params = {
    [constants.ZSTD_c_checksumFlag]: 1,
    ...(level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level }),
  };
  const encoder = (): FrameCoder =>
    new FrameEncoder((part) => ownBytes(zstdCompressSync(part, { chunkSize: FRAME, params })));
  const decoder = (): FrameCoder =>
    new FrameDecoder((frame) =>
      ownBytes(zstdDecompressSync(frame, { chunkSize: FRAME, maxOutputLength: LARGEST.plain }))
    );
  // The platform's streams of zstd are not used: damaged data ends the process there.
  const whole = (coder: FrameCoder, bytes: Bytes): Promise<Bytes> =>
    Promise.try(() => concat([...coder.push(bytes), ...coder.end()]));
  return {
    compress: (bytes) => whole(encoder(), bytes),
    decompress: (bytes) => whole(decoder(), bytes),
    compressStream: (source, signal) => through(source, encoder(), signal, (error) => error),
    decompressStream: (source, signal, damaged) => through(source, decoder(), signal, damaged),
  };
}

class FrameEncoder implements FrameCoder {
  #held: Bytes[] = [];
  #size = 0;
  #any = false;

  constructor(readonly compress: (part: Bytes) => Bytes) {}

  *push(bytes: Bytes): Generator<Bytes, void, void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + FRAME - this.#size);
      this.#held.push(part);
      this.#size += part.length;
      at += part.length;
      if (this.#size === FRAME) yield this.#frame();
    }
  }

  end(): Bytes[] {
    return this.#size > 0 || !this.#any ? [this.#frame()] : [];
  }

  #frame(): Bytes {
    const part = concat(this.#held);
    this.#held = [];
    this.#size = 0;
    this.#any = true;
    return this.compress(part);
  }
}

class FrameDecoder implements FrameCoder {
  #held: Bytes[] = [];
  #size = 0;
  readonly #frames = new ZstdFrames();

  constructor(readonly decompress: (frame: Bytes) => Bytes) {}

  *push(bytes: Bytes): Generator<Bytes, void, void> {
    let from = 0;
    for (const end of this.#frames.push(bytes)) {
      const part = this.decompress(concat([...this.#held, bytes.subarray(from, end)]));
      this.#held = [];
      this.#size = 0;
      from = end;
      if (part.length > 0) yield part;
    }
    if (from < bytes.length) this.#held.push(bytes.subarray(from));
    this.#size += bytes.length - from;
    if (this.#size > LARGEST.compressed) throw new Error(`a frame of more than ${LARGEST.compressed} bytes`);
  }

  end(): Bytes[] {
    if (this.#frames.whole) return [];
    throw cutShort();
  }
}

/** Passes a stream through a coder. */
function through(
  source: ReadableStream<Bytes>,
  coder: FrameCoder,
  signal: AbortSignal | undefined,
  damaged: (error: unknown) => unknown,
): ReadableStream<Bytes> {
  const reader = source.getReader();
  let ready: Iterator<Bytes> = [][Symbol.iterator]();
  let over = false;
  /** What the coder gives; its error is one of the data. */
  const taken = <T>(call: () => T): Promise<T> =>
    Promise.try(call).catch((error) => leave(reader, damaged(error)));
  return new ReadableStream<Bytes>({
    async pull(controller) {
      for (;;) {
        if (signal?.aborted) await leave(reader, signal.reason);
        const { done, value } = await taken(() => ready.next());
        if (!done) return controller.enqueue(value);
        if (over) return controller.close();
        const read = await reader.read();
        over = read.done;
        ready = await taken(() => (read.done ? coder.end() : coder.push(read.value))[Symbol.iterator]());
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

async function leave(reader: ReadableStreamDefaultReader<Bytes>, error: unknown): Promise<never> {
  await reader.cancel(error).catch(() => {});
  throw error;
}

/**
 * Cutting a stream into the parts of an upload.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";

/** The smallest part that S3 takes, except for the last, in bytes. */
export const SMALLEST_PART = 5 * 2 ** 20;

/** How many parts have the same size before the size doubles: with ten thousand parts in all, an upload has no limit but S3's own. */
const SAME_SIZE = 1000;

/**
 * The size of a part.
 *
 * @param first The size of the first part, in bytes.
 * @param number Which part, from 1.
 * @returns Its size, in bytes.
 */
export function sizeOfPart(first: number, number: number): number {
  return Math.min(first * 2 ** Math.floor((number - 1) / SAME_SIZE), 5 * 2 ** 30);
}

/** Memory for parts, used again when a part has been sent. */
export class PartBuffers {
  #free: Bytes[] = [];

  /** A buffer of a size. */
  take(size: number): Bytes {
    const buffer = this.#free.pop();
    return buffer?.length === size ? buffer : new Uint8Array(size);
  }

  /** Gives a buffer back. */
  give(buffer: Bytes): void {
    this.#free.push(buffer);
  }
}

/** Cuts chunks into parts. */
export class PartFiller {
  readonly #chunks: AsyncIterator<Bytes, void, void>;
  #rest: Bytes | undefined;

  /** @param chunks The content. */
  constructor(chunks: AsyncIterator<Bytes, void, void>) {
    this.#chunks = chunks;
  }

  /**
   * Fills a part from the content.
   *
   * @param most How large it gets at most, in bytes.
   * @param buffers Where its memory comes from, once it is large.
   * @returns The part, or less when the content has ended; the whole memory of it.
   */
  async fill(most: number, buffers: PartBuffers): Promise<{ readonly part: Bytes; readonly buffer: Bytes }> {
    // Small at first: most streams are.
    let buffer: Bytes = new Uint8Array(Math.min(most, 2 ** 16));
    let size = 0;
    while (size < most) {
      const chunk = this.#rest ?? await this.#next();
      if (chunk === undefined) break;
      const fits = Math.min(chunk.length, most - size);
      if (size + fits > buffer.length) {
        const larger = size + fits > most / 8 ? buffers.take(most) : new Uint8Array((size + fits) * 2);
        larger.set(buffer.subarray(0, size));
        buffer = larger;
      }
      buffer.set(fits === chunk.length ? chunk : chunk.subarray(0, fits), size);
      this.#rest = fits === chunk.length ? undefined : chunk.subarray(fits);
      size += fits;
    }
    return { part: buffer.subarray(0, size), buffer };
  }

  /** Leaves the content: its source is cancelled. */
  async leave(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<Bytes | undefined> {
    const { done, value } = await this.#chunks.next();
    return done ? undefined : value;
  }
}

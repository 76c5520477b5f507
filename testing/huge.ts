/**
 * A value that is larger than the memory of a process should become: sparse, so that it costs little to make and to check.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Bytes } from "../core/bytes.ts";

/** How far apart the bytes are that are not zero. */
const SPARSE = 2 ** 20;

/** By how much memory may grow while a huge value passes, as a part of it; what waits to be collected counts. */
const MEMORY = 0.7;

/** The memory of this test file, in bytes: others that run beside it in the same process, with huge values too, are not counted. */
function memory(): number {
  const { heapTotal, external } = Deno.memoryUsage();
  return heapTotal + external;
}

/** A value that is zero but for one byte in each MiB, which tells where it is. Memory is looked at while it passes. */
export class HugeValue {
  /** In bytes. */
  readonly size: number;
  readonly #before = memory();
  #peak = 0;

  /** @param size In bytes. */
  constructor(size: number) {
    this.size = size;
  }

  /** The value. */
  stream(): ReadableStream<Bytes> {
    let at = 0;
    return new ReadableStream<Bytes>({
      pull: (controller) => {
        if (at >= this.size) return controller.close();
        const chunk = new Uint8Array(Math.min(SPARSE, this.size - at));
        chunk[0] = (at / SPARSE) % 251;
        at += chunk.length;
        this.#look();
        controller.enqueue(chunk);
      },
    }, { highWaterMark: 0 });
  }

  /**
   * Sees that a stream is this value.
   *
   * @param stream What has come back.
   */
  async check(stream: ReadableStream<Bytes>): Promise<void> {
    let read = 0;
    for await (const chunk of stream) {
      const start = Math.ceil(read / SPARSE) * SPARSE;
      if (start < read + chunk.length) {
        assert.equal(chunk[start - read], (start / SPARSE) % 251, `the byte at ${start} is another one`);
      }
      read += chunk.length;
      this.#look();
    }
    assert.equal(read, this.size);
  }

  /** Sees that memory has not grown with the value. */
  heldLittle(): void {
    const grown = this.#peak - this.#before;
    assert(grown < MEMORY * this.size, `memory grew by ${Math.round(grown / 2 ** 20)} MiB`);
  }

  #look(): void {
    this.#peak = Math.max(this.#peak, memory());
  }
}

/**
 * Reads a stream as it is or decompressed, by its first bytes.
 *
 * @module
 */
import { type Bytes, concat } from "../../core/bytes.ts";
import { type Compression, openCompressor } from "./compression.ts";

/** What data in a format begins with. */
const MAGIC: readonly (readonly [format: Compression, bytes: readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** A stream, and the error that its source failed with: not to be taken for damage to the data. */
export interface Expanded {
  /** The data, decompressed. */
  readonly stream: ReadableStream<Bytes>;
  /** What the source failed with. */
  trouble(): { readonly reason: unknown } | undefined;
}

/**
 * Decompresses a stream that is compressed.
 *
 * @param source Plain, gzip or zstd data.
 * @param signal Ends the stream with its reason.
 * @param damaged Gives the error for data that is damaged or cut short.
 * @returns The data.
 */
export async function expand(
  source: ReadableStream<Bytes>,
  signal: AbortSignal | undefined,
  damaged: (error: unknown) => unknown,
): Promise<Expanded> {
  const reader = source.getReader();
  let trouble: { readonly reason: unknown } | undefined;
  const read = async (): Promise<ReadableStreamReadResult<Bytes>> => {
    try {
      return await reader.read();
    } catch (reason) {
      trouble = { reason };
      throw reason;
    }
  };
  let head: Bytes = new Uint8Array();
  while (head.length < 4) {
    const { done, value } = await read();
    if (done) break;
    head = concat([head, value]);
  }
  const plain = new ReadableStream<Bytes>({
    async pull(controller) {
      if (head.length > 0) {
        controller.enqueue(head);
        head = new Uint8Array();
        return;
      }
      const { done, value } = await read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  const [format] = MAGIC.find(([, bytes]) => bytes.every((byte, i) => head[i] === byte)) ?? [];
  const coder = format && await openCompressor(format);
  return { stream: coder ? coder.decompressStream(plain, signal, damaged) : plain, trouble: () => trouble };
}

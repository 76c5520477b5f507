/**
 * Files as streams, both ways, with back-pressure.
 *
 * @module
 */
import { type Bytes, concat } from "../core/bytes.ts";
import { writeWhole } from "../core/files.ts";
import type { ReadOptions } from "./driver.ts";
import { chunksOf } from "./stream_chunks.ts";

/** How much is read at a time, in bytes. */
const READ_SIZE = 2 ** 18;

/** How much is gathered before it is written, in bytes: a call has a price, and small chunks pay it together. */
const WRITE_SIZE = 2 ** 19;

/**
 * An open file as a stream; the stream closes it, however it ends.
 *
 * @param file The file, open for reading.
 * @param size How long it is, in bytes.
 * @param options Which bytes are wanted, and what ends the stream.
 * @param cutShort The error when the file ends before `end`. Default: the stream ends there.
 * @returns The bytes.
 */
export function fileStream(
  file: Deno.FsFile,
  size: number,
  options: ReadOptions = {},
  cutShort?: () => unknown,
): ReadableStream<Bytes> {
  const { signal, start = 0, end = Infinity } = options;
  let left = end - start;
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    file.close();
    signal?.removeEventListener("abort", onAbort);
  };
  let stream!: ReadableStreamDefaultController<Bytes>;
  const onAbort = (): void => {
    close();
    stream.error(signal!.reason);
  };
  return new ReadableStream<Bytes>({
    async start(controller) {
      stream = controller;
      signal?.addEventListener("abort", onAbort);
      if (start > 0) await file.seek(start, Deno.SeekMode.Start);
    },
    async pull(controller) {
      try {
        const wanted = Math.min(READ_SIZE, left, Math.max(size - start, 1));
        const buffer = new Uint8Array(Math.max(wanted, 0));
        const count = wanted > 0 ? await file.read(buffer) : null;
        if (!open) return;
        if (count === null) {
          close();
          return cutShort && left > 0 ? controller.error(cutShort()) : controller.close();
        }
        left -= count;
        controller.enqueue(count === buffer.length ? buffer : buffer.subarray(0, count));
      } catch (error) {
        // A read that was under way when the signal closed the file fails for that reason only.
        if (!open) return;
        close();
        controller.error(error);
      }
    },
    cancel: close,
  }, { highWaterMark: 0 });
}

/**
 * Writes a stream into an open file, to its end, and closes the file. The stream is cancelled when the signal is aborted and when
 * writing fails.
 *
 * @param file The file, open for writing.
 * @param stream What to write.
 * @param signal Ends it; its reason is then thrown.
 */
export async function writeStream(
  file: Deno.FsFile,
  stream: ReadableStream<Bytes>,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    // Not piped into `file.writable`: that says nothing when the last write fails, as on a disk that is full.
    await writeChunks(file, chunksOf(stream, signal));
  } finally {
    closeFile(file);
  }
}

/** Closes a file that may be closed already. */
export function closeFile(file: Deno.FsFile): void {
  try {
    file.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/**
 * Writes chunks into an open file. While one batch is written the next is gathered.
 *
 * @param file The file, open for writing.
 * @param chunks What to write.
 */
export async function writeChunks(file: Deno.FsFile, chunks: AsyncIterable<Bytes>): Promise<void> {
  let batch: Bytes[] = [];
  let length = 0;
  let writing: Promise<void> | undefined;
  const flush = async (): Promise<void> => {
    await writing;
    const bytes = concat(batch);
    batch = [];
    length = 0;
    writing = writeWhole(file, bytes);
    // Looked at before the next batch; must not count as unhandled until then.
    writing.catch(() => {});
  };
  try {
    for await (const chunk of chunks) {
      if (chunk.length === 0) continue;
      batch.push(chunk);
      length += chunk.length;
      if (length >= WRITE_SIZE) await flush();
    }
    if (length > 0) await flush();
  } finally {
    // The file is closed after this: nothing may still write into it.
    await writing;
  }
}

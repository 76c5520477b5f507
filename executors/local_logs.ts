/**
 * Reading what a run writes, while it writes.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";

/** How much is read at a time, in bytes. */
const CHUNK = 64 * 1024;

/** How often a file that did not grow is looked at again, in milliseconds: at first, and at the most. */
const SOON = 50;
const LATE = 400;

/** What `followFile` needs to know. */
export interface FollowOptions {
  /** Whether the writer still writes. Asked before the read that finds nothing, so that its last words are not lost. */
  readonly writing: () => Promise<boolean>;
  /** Ends with the writer, early; may be missing. */
  readonly ended?: Promise<void> | undefined;
  /** When to stop. */
  readonly signal?: AbortSignal | undefined;
}

function pause(ms: number, options: FollowOptions): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    options.signal?.addEventListener("abort", done, { once: true });
    options.ended?.then(done);
  });
}

/**
 * A file as a stream, to its end, or on until its writer has ended. Holds one chunk.
 *
 * @param path Which file. One that is not there yet is empty.
 * @param follow How to go on at its end; nothing: end there.
 * @returns The bytes.
 */
export function followFile(path: string, follow: FollowOptions | undefined): ReadableStream<Bytes> {
  let file: Deno.FsFile | undefined;
  let wait = SOON;
  const read = async (): Promise<Bytes | undefined> => {
    file ??= await Deno.open(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    });
    const buffer = new Uint8Array(CHUNK);
    const n = await file?.read(buffer);
    return n ? buffer.subarray(0, n) : undefined;
  };
  const close = (): void => {
    file?.close();
    file = undefined;
  };
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        while (true) {
          follow?.signal?.throwIfAborted();
          const writing = await follow?.writing() ?? false;
          const chunk = await read();
          if (chunk) {
            wait = SOON;
            return controller.enqueue(chunk);
          }
          if (!writing) {
            close();
            return controller.close();
          }
          await pause(wait, follow!);
          wait = Math.min(wait * 2, LATE);
        }
      } catch (error) {
        close();
        throw error;
      }
    },
    cancel: close,
  }, { highWaterMark: 0 });
}

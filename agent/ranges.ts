/**
 * Ranges of values: which bytes a request wants, and how they are had from a store that gives all or nothing.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";

/** Which bytes: the first, and the one after the last. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the header `Range`.
 *
 * @param header The header.
 * @param size How long the value is, in bytes.
 * @returns Which bytes; `unsatisfiable` when there are none of them; nothing when it asks for all, for more than one range, or for no bytes.
 */
export function parseRange(header: string | undefined, size: number): Range | "unsatisfiable" | undefined {
  const match = header === undefined ? undefined : /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim());
  if (!match) return undefined;
  const [, first, last] = match as unknown as [string, string, string];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}

/** Reads the header `Content-Range` of an upload: `bytes 100-199/1000`, the total may be `*`. */
export function parseContentRange(
  header: string,
): { readonly start: number; readonly end: number; readonly total: number | undefined } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header.trim());
  if (!match) return undefined;
  const [start, last] = [Number(match[1]), Number(match[2])];
  const total = match[3] === "*" ? undefined : Number(match[3]);
  if (last < start || (total !== undefined && last >= total)) return undefined;
  return { start, end: last + 1, total };
}

/**
 * Passes on some of the bytes of a stream, and cancels it after the last.
 *
 * @param stream All bytes.
 * @param range Which are wanted.
 * @returns Those.
 */
export function slice(stream: ReadableStream<Bytes>, { start, end }: Range): ReadableStream<Bytes> {
  const reader = stream.getReader();
  let at = 0;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        const [from, to] = [Math.max(start - at, 0), Math.min(end - at, value.length)];
        at += value.length;
        if (from < to) controller.enqueue(value.subarray(from, to));
        if (at >= end) {
          await reader.cancel();
          return controller.close();
        }
        if (from < to) return;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

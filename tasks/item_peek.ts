/**
 * Looking whether there is anything in a value, without losing what was looked at.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import type { TreeEntry } from "../repositories/driver.ts";

/** A value of which it is known whether there is anything in it. */
export interface Peeked {
  /** Whether it has no bytes, or no entries. */
  readonly empty: boolean;
  /** The value: what was taken from a stream is in it again. */
  readonly value: unknown;
  /** Lets go of where the value comes from, when nobody is going to read it to its end. */
  readonly drop?: (reason: unknown) => void;
}

/**
 * Looks into the value of a blob or of a tree.
 *
 * @param value A text, bytes, a stream of them, what opens one any number of times, or entries.
 * @param signal When to stop waiting for its first part.
 * @returns Whether it is empty, and the value.
 */
export async function peeked(value: unknown, signal?: AbortSignal): Promise<Peeked> {
  if (typeof value === "string" || value instanceof Uint8Array) return { empty: value.length === 0, value };
  if (typeof value === "function") {
    const content: unknown = await value();
    if (!(content instanceof ReadableStream)) return { ...await peeked(content, signal), value };
    const { empty, value: rest } = await intoStream(content, signal);
    await (rest as ReadableStream<Bytes>).cancel();
    return { empty, value };
  }
  if (value instanceof ReadableStream) return await intoStream(value, signal);
  const entries = value as Partial<AsyncIterable<TreeEntry>> & Partial<Iterable<TreeEntry>>;
  if (!entries?.[Symbol.asyncIterator] && !entries?.[Symbol.iterator]) return { empty: false, value };
  return await intoEntries(entries as AsyncIterable<TreeEntry>);
}

async function intoStream(stream: ReadableStream<Bytes>, signal: AbortSignal | undefined): Promise<Peeked> {
  const reader = stream.getReader();
  const drop = (reason: unknown): void => void reader.cancel(reason).catch(() => {});
  const onAbort = (): void => drop(signal!.reason);
  signal?.addEventListener("abort", onAbort);
  let first: ReadableStreamReadResult<Bytes>;
  try {
    if (signal?.aborted) onAbort();
    first = await reader.read();
    while (!first.done && first.value.length === 0) first = await reader.read();
    // A stream that was cancelled looks as if there were nothing in it.
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  let head = first.value;
  const value = new ReadableStream<Bytes>({
    async pull(controller) {
      const next = head;
      head = undefined;
      if (next !== undefined) return controller.enqueue(next);
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  return { empty: first.done, value, drop };
}

async function intoEntries(entries: AsyncIterable<TreeEntry> | Iterable<TreeEntry>): Promise<Peeked> {
  const iterator = Symbol.asyncIterator in entries
    ? entries[Symbol.asyncIterator]()
    : entries[Symbol.iterator]();
  const first = await iterator.next();
  const close = async (): Promise<void> => void await iterator.return?.();
  const value = async function* (): AsyncGenerator<TreeEntry> {
    try {
      for (let next = first; !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await close();
    }
  };
  return { empty: first.done === true, value: value(), drop: () => void close().catch(() => {}) };
}

/**
 * Values taken in up to a size: what is not larger is then in hand whole, and what is larger flows on from its beginning.
 *
 * @module
 */
import { type Bytes, concat, encodeText } from "../../core/bytes.ts";
import type { TreeEntry } from "../driver.ts";
import { guardedStream } from "../guarded_stream.ts";
import { chunksOf, eachOf } from "../stream_chunks.ts";
import { measured } from "../tree_check.ts";

/** Waited for when a value has flowed by, before its end is told. */
export type BeforeEnd = () => Promise<void>;

/** A value that was taken in up to a size. */
export type TakenAhead<Whole, Flowing> =
  /** It was not larger. */
  | { readonly whole: Whole }
  /** It is larger: gives all of it, once. */
  | {
    flow(beforeEnd: BeforeEnd): Flowing;
    /** Lets go of the source, whether or not it was read. */
    leave(reason: unknown): Promise<void>;
  };

/**
 * Takes in a stream up to a size.
 *
 * @param content The stream; it is cancelled when this fails.
 * @param limit The size, in bytes.
 * @param signal Ends it with its reason.
 * @returns The bytes, or the stream from its beginning, with what was held of it.
 */
export async function takeBlobAhead(
  content: ReadableStream<Bytes>,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<TakenAhead<Bytes, ReadableStream<Bytes>>> {
  const left = new AbortController();
  const chunks = chunksOf(content, signal ? AbortSignal.any([signal, left.signal]) : left.signal);
  const held: Bytes[] = [];
  let size = 0;
  while (size <= limit) {
    const { done, value } = await chunks.next();
    if (done) return { whole: concat(held) };
    held.push(value);
    size += value.length;
  }
  const leave = async (reason: unknown): Promise<void> => {
    left.abort(reason);
    await chunks.return().catch(() => {});
  };
  const flow = (beforeEnd: BeforeEnd): ReadableStream<Bytes> =>
    new ReadableStream<Bytes>({
      async pull(controller) {
        const early = held.shift();
        if (early) return controller.enqueue(early);
        const { done, value } = await chunks.next();
        if (!done) return controller.enqueue(value);
        await beforeEnd();
        controller.close();
      },
      cancel: leave,
    }, { highWaterMark: 0 });
  return { flow, leave };
}

/**
 * Takes in a tree up to a size: the lengths of its files, paths and link targets together.
 *
 * @param entries The tree; it is left when this fails.
 * @param limit The size, in bytes.
 * @param signal Ends it with its reason.
 * @returns The entries, which can be gone through more than once, or the tree from its beginning.
 */
export async function takeTreeAhead(
  entries: AsyncIterable<TreeEntry>,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<TakenAhead<readonly TreeEntry[], AsyncIterable<TreeEntry>>> {
  const source = eachOf(entries, signal);
  const leave = async (): Promise<void> => void await source.return();
  const held: TreeEntry[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value: entry } = await source.next();
      if (done) return { whole: held };
      size += sizeOf(entry);
      if (size > limit) return { flow: (beforeEnd) => flowOn(held, entry, source, beforeEnd), leave };
      held.push(entry.kind === "file" ? await hold(entry, signal) : entry);
    }
  } catch (error) {
    await leave();
    throw error;
  }
}

function sizeOf(entry: TreeEntry): number {
  const name = encodeText(entry.path).length;
  if (entry.kind === "file") return name + entry.size;
  return entry.kind === "symlink" ? name + encodeText(entry.target).length : name;
}

/** A file whose content is in memory. */
async function hold(
  entry: TreeEntry & { kind: "file" },
  signal: AbortSignal | undefined,
): Promise<TreeEntry> {
  const bytes = concat(await Array.fromAsync(measured(entry, signal)));
  return { ...entry, open: () => Promise.resolve(guardedStream(bytes)) };
}

async function* flowOn(
  held: readonly TreeEntry[],
  entry: TreeEntry,
  source: AsyncGenerator<TreeEntry, void, void>,
  beforeEnd: BeforeEnd,
): AsyncGenerator<TreeEntry, void, void> {
  try {
    yield* held;
    yield entry;
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
    await beforeEnd();
  } finally {
    await source.return();
  }
}

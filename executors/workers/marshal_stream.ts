/**
 * Streams and iterables, used from afar by calls. Some calls of a stream are under way at once, so that it is not slowed by each answer;
 * iterables are asked for one value at a time, since what makes them may wait for the last one to be used.
 *
 * @module
 */
import { type Bytes, concat } from "../../core/bytes.ts";

/** How many pieces of a stream are under way at once. */
const AHEAD = 8;

/** The longest piece of a stream that is sent at once, in bytes. */
const PIECE = 1 << 18;

/** How long more of a stream is waited for before a shorter piece is sent, in milliseconds. */
const MOMENT = 1;

/** A stream to read, as calls. */
export interface RemoteSource {
  /** The next piece; nothing at the end. */
  next(): Promise<Bytes | undefined>;
  /** The reader leaves. */
  cancel(reason: unknown): Promise<void>;
}

/** A stream to write, as calls. */
export interface RemoteSink {
  /** Writes a piece. */
  write(piece: Bytes): Promise<void>;
  /** Ends it. */
  close(): Promise<void>;
  /** Gives it up. */
  abort(reason: unknown): Promise<void>;
}

/** Something to iterate, as calls. */
export interface RemoteIterator {
  /** The next value. */
  next(): Promise<{ readonly done?: boolean | undefined; readonly value: unknown }>;
  /** The reader leaves. */
  return(): Promise<void>;
}

/**
 * A stream as calls.
 *
 * @param stream The stream; it is locked from now on.
 * @returns The calls.
 */
export function sourceOf(stream: ReadableStream<Bytes>): RemoteSource {
  const reader = stream.getReader();
  let rest: Bytes | undefined;
  let reading: ReturnType<typeof reader.read> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  /** What has come of the stream within a moment, up to the length of a piece: each piece has its price. */
  const gathered = async (): Promise<Bytes | undefined> => {
    const chunks: Bytes[] = [];
    let size = 0;
    while (size < PIECE) {
      reading ??= reader.read();
      const read = size === 0 ? await reading : await within(reading, MOMENT);
      if (read === undefined) break;
      // Whoever asks next is told of the end once more.
      if (read.done) return size === 0 ? undefined : concat(chunks);
      reading = undefined;
      chunks.push(read.value);
      size += read.value.length;
    }
    return concat(chunks);
  };
  const piece = async (): Promise<Bytes | undefined> => {
    if (!rest?.length) rest = await gathered();
    const part = rest?.subarray(0, PIECE);
    rest = rest?.subarray(PIECE);
    return part;
  };
  return {
    next: () => {
      const next = last.then(piece);
      last = next.catch(() => {});
      return next;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

/** What a promise gives, or nothing when it takes longer. */
function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, undefined);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * The stream that the other side reads.
 *
 * @param source The calls.
 * @returns The stream.
 */
export function remoteReadable(source: RemoteSource): ReadableStream<Bytes> {
  const ahead: Promise<Bytes | undefined>[] = [];
  return new ReadableStream<Bytes>({
    async pull(controller) {
      while (ahead.length < AHEAD) {
        const next = source.next();
        next.catch(() => {});
        ahead.push(next);
      }
      const piece = await ahead.shift()!;
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
    cancel: (reason) => source.cancel(reason),
  }, { highWaterMark: 0 });
}

/**
 * A stream to write, as calls.
 *
 * @param stream The stream; it is locked from now on.
 * @returns The calls.
 */
export function sinkOf(stream: WritableStream<Bytes>): RemoteSink {
  const writer = stream.getWriter();
  writer.closed.catch(() => {});
  return {
    write: (piece) => writer.write(piece),
    close: () => writer.close(),
    abort: (reason) => writer.abort(reason),
  };
}

/**
 * The stream that the other side writes into.
 *
 * @param opening The calls, once they are there.
 * @returns The stream, at once.
 */
export function remoteWritable(opening: Promise<RemoteSink>): WritableStream<Bytes> {
  opening.catch(() => {});
  const underWay: Promise<void>[] = [];
  return new WritableStream<Bytes>({
    async write(piece) {
      const sink = await opening;
      const written = sink.write(piece);
      written.catch(() => {});
      underWay.push(written);
      if (underWay.length >= AHEAD) await underWay.shift();
    },
    async close() {
      await Promise.all(underWay);
      await (await opening).close();
    },
    async abort(reason) {
      await (await opening).abort(reason);
    },
  });
}

/**
 * What can be iterated, as a call that begins to.
 *
 * @param value Anything.
 * @returns The call; nothing when it cannot be iterated.
 */
export function iterated(value: object): (() => RemoteIterator) | undefined {
  const both = value as Partial<AsyncIterable<unknown> & Iterable<unknown>>;
  if (!both[Symbol.asyncIterator] && !both[Symbol.iterator]) return undefined;
  return () => {
    const iterator = both[Symbol.asyncIterator]?.() ?? both[Symbol.iterator]!();
    return {
      async next() {
        const { done, value } = await iterator.next();
        return { done, value };
      },
      async return() {
        await iterator.return?.();
      },
    };
  };
}

/**
 * What the other side iterates.
 *
 * @param begin The call that begins to.
 * @returns The iterable. Each `for await` over it begins anew, where what it is made from can.
 */
export function remoteIterable(begin: () => Promise<RemoteIterator>): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]: () => {
      const begun = begin();
      begun.catch(() => {});
      return {
        async next() {
          const { done, value } = await (await begun).next();
          return done ? { done: true, value: undefined } : { done: false, value };
        },
        async return() {
          await (await begun).return();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

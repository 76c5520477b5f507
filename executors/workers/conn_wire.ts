/**
 * A line of messages over a connection: each is two lengths, JSON, and the bytes that belong to it.
 *
 * @module
 */
import { type Bytes, concat, decodeText, encodeText } from "../../core/bytes.ts";
import type { Received, Wire } from "./protocol.ts";

/** How much is read at once, in bytes. */
const READ = 1 << 20;

/** Pieces below this size are joined before they are written, in bytes. */
const JOIN = 1 << 16;

/** The longest message, in bytes, its own bytes aside: more is no message of ours. */
const LONGEST = 1 << 30;

/** A message line over a connection. */
export class ConnWire<In, Out> implements Wire<In, Out> {
  readonly received: AsyncIterable<Received<In>>;
  /** Resolves when all that came was taken, and no more will come. */
  readonly drained: Promise<void>;
  readonly #drain: () => void;
  readonly #conn: Promise<Deno.Conn | undefined>;
  #queue: Uint8Array[] = [];
  #writing: Promise<void> | undefined;
  #gone = false;

  /** @param conn The connection, once it is there; nothing when it never is. It is closed with the line. */
  constructor(conn: Promise<Deno.Conn | undefined>) {
    this.#conn = conn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.drained = promise;
    this.#drain = resolve;
    this.received = this.#readAll();
  }

  send(message: Out, parts: readonly Uint8Array[] = []): void {
    if (this.#gone) return;
    const lengths = parts.map((part) => part.length);
    const head = encodeText(JSON.stringify([message, lengths]));
    const frame = new Uint8Array(8);
    const view = new DataView(frame.buffer);
    view.setUint32(0, head.length);
    view.setUint32(4, lengths.reduce((sum, length) => sum + length, 0));
    this.#queue.push(frame, head, ...parts.filter((part) => part.length > 0));
    this.#writing ??= this.#write();
  }

  async flushed(): Promise<void> {
    await this.#writing;
  }

  close(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#queue = [];
    void this.#conn.then((conn) => conn?.close());
  }

  async #write(): Promise<void> {
    // What is sent in one turn goes out together.
    const conn = await this.#conn;
    try {
      while (this.#queue.length > 0) {
        const queue = this.#queue;
        this.#queue = [];
        for (const piece of joined(queue)) {
          for (let at = 0; at < piece.length;) at += await conn!.write(piece.subarray(at));
        }
      }
    } catch {
      // The reading side hears of it, and says so.
      this.#queue = [];
    }
    this.#writing = undefined;
  }

  async *#readAll(): AsyncGenerator<Received<In>, void, void> {
    try {
      yield* this.#read();
    } finally {
      this.#drain();
    }
  }

  async *#read(): AsyncGenerator<Received<In>, void, void> {
    const conn = await this.#conn;
    if (!conn) return;
    let buffer: Bytes = new Uint8Array(READ);
    let [begin, end] = [0, 0];
    /** Has at least so many bytes in the buffer; `false` at the end of the line. */
    const fill = async (wanted: number): Promise<boolean> => {
      if (buffer.length - begin < wanted) {
        const larger = new Uint8Array(Math.max(wanted, READ));
        larger.set(buffer.subarray(begin, end));
        [buffer, begin, end] = [larger, 0, end - begin];
      }
      while (end - begin < wanted) {
        const count = await conn.read(buffer.subarray(end)).catch(() => null);
        if (count === null || this.#gone) return false;
        end += count;
      }
      return true;
    };
    while (await fill(8)) {
      const view = new DataView(buffer.buffer, begin, 8);
      const [head, body] = [view.getUint32(0), view.getUint32(4)];
      if (head > LONGEST || !await fill(8 + head + body)) return;
      const text = decodeText(buffer.subarray(begin + 8, begin + 8 + head));
      const [message, lengths] = JSON.parse(text) as [In, number[]];
      let at = begin + 8 + head;
      const parts = lengths.map((length) => buffer.slice(at, at += length));
      begin = at;
      yield { message, parts };
    }
  }
}

/** Small pieces joined, so that a message is one write. */
function* joined(pieces: readonly Uint8Array[]): Generator<Uint8Array, void, void> {
  let small: Uint8Array[] = [];
  let size = 0;
  for (const piece of pieces) {
    if (size + piece.length > JOIN && size > 0) {
      yield concat(small);
      [small, size] = [[], 0];
    }
    if (piece.length > JOIN) yield piece;
    else {
      small.push(piece);
      size += piece.length;
    }
  }
  if (size > 0) yield concat(small);
}

/**
 * One conversation between two programs: each calls functions that the other has handed to it, and no others.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { type AnyFunction, decode, encode, type References } from "./marshal.ts";

/** What one side says to the other. */
export type PeerMessage =
  /** Calls function `f`; the answer goes by the number `i`. */
  | { readonly k: "call"; readonly i: number; readonly f: number; readonly a: unknown }
  /** The answer to call `i`. */
  | { readonly k: "return"; readonly i: number; readonly v: unknown }
  /** What call `i` has thrown. */
  | { readonly k: "throw"; readonly i: number; readonly v: unknown }
  /** Functions that are not needed any more. */
  | { readonly k: "drop"; readonly f: readonly number[] };

/** Sends a message with the bytes that belong to it. */
export type Send = (message: PeerMessage, parts: readonly Uint8Array[]) => void;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** One side of a conversation. */
export class Peer implements References {
  readonly #send: Send;
  readonly #ours = new Map<number, AnyFunction>();
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #over: { readonly reason: unknown } | undefined;
  #unused: number[] = [];
  /** Tells when nobody has a function of the other side any more. */
  readonly #registry = new FinalizationRegistry<number>((id) => {
    if (this.#unused.push(id) === 1) queueMicrotask(() => this.#drop());
  });

  /** @param send Sends to the other side. */
  constructor(send: Send) {
    this.#send = send;
  }

  give(fn: AnyFunction): number {
    const id = this.#next++;
    this.#ours.set(id, fn);
    return id;
  }

  take(id: number): (...args: readonly unknown[]) => Promise<unknown> {
    const call = (...args: readonly unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        if (this.#over) throw this.#over.reason;
        const parts: Uint8Array[] = [];
        const a = encode(args, this, parts);
        const i = this.#next++;
        this.#pending.set(i, { resolve, reject });
        this.#send({ k: "call", i, f: id, a }, parts);
      });
    this.#registry.register(call, id);
    return call;
  }

  /** What a value looks like on its way. */
  encode(value: unknown, parts: Uint8Array[]): unknown {
    return encode(value, this, parts);
  }

  /** What has come. */
  decode(value: unknown, parts: readonly Bytes[]): unknown {
    return decode(value, this, parts);
  }

  /** Takes what the other side says. */
  handle(message: PeerMessage, parts: readonly Bytes[]): void {
    if (this.#over) return;
    if (message.k === "call") return void this.#answer(message.i, message.f, message.a, parts);
    if (message.k === "drop") return message.f.forEach((id) => this.#ours.delete(id));
    const pending = this.#pending.get(message.i);
    this.#pending.delete(message.i);
    if (!pending) return;
    try {
      const value = decode(message.v, this, parts);
      if (message.k === "return") pending.resolve(value);
      else pending.reject(value);
    } catch (error) {
      pending.reject(error);
    }
  }

  /** Ends it: calls under way and later ones fail for this reason. */
  close(reason: unknown): void {
    if (this.#over) return;
    this.#over = { reason };
    this.#ours.clear();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }

  async #answer(i: number, f: number, a: unknown, parts: readonly Bytes[]): Promise<void> {
    const out: Uint8Array[] = [];
    let answer: PeerMessage;
    try {
      const fn = this.#ours.get(f);
      if (!fn) throw new TypeError("A function was called that was not handed over");
      const result = await fn(...decode(a, this, parts) as readonly unknown[]);
      answer = { k: "return", i, v: encode(result, this, out) };
    } catch (error) {
      out.length = 0;
      answer = { k: "throw", i, v: this.#thrown(error, out) };
    }
    if (!this.#over) this.#send(answer, out);
  }

  /** What was thrown, as it travels: whatever it is, the other side must hear of it. */
  #thrown(error: unknown, parts: Uint8Array[]): unknown {
    try {
      return encode(error, this, parts);
    } catch {
      parts.length = 0;
      return encode(new Error(Deno.inspect(error, { colors: false })), this, parts);
    }
  }

  #drop(): void {
    if (!this.#over) this.#send({ k: "drop", f: this.#unused }, []);
    this.#unused = [];
  }
}

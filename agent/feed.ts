/**
 * A feed: keys that come while an attempt runs, told to whoever asks, from wherever they have come to.
 *
 * @module
 */
import type { Key } from "../core/key.ts";

/** How many keys an answer holds. */
const MOST = 10_000;

/** What is told of a feed at one time. */
export interface FeedPage {
  /** Where to go on. */
  readonly cursor: string;
  /** What has come since the cursor that was asked for. */
  readonly keys: readonly Key[];
  /** Whether no more will come. */
  readonly ended: boolean;
}

/**
 * The keys of one link of one attempt. They are asked for once, and no faster than they are fetched, however many workers listen.
 */
export class Feed {
  readonly #source: (signal: AbortSignal) => AsyncIterable<Key>;
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<(error?: { readonly reason: unknown }) => void>();
  #epoch = "";
  #keys: Key[] = [];
  /** Up to which key somebody has asked. */
  #asked = 0;
  #ended = false;
  #wanted: (() => void) | undefined;

  /**
   * @param source Gives the keys.
   * @param signal Ends it.
   */
  constructor(source: (signal: AbortSignal) => AsyncIterable<Key>, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wanted?.(), { once: true });
  }

  /**
   * What has come since a cursor; waits when nothing has.
   *
   * @param after The cursor. Any that is not one of this feed stands for its beginning.
   * @param waitMs How long to wait, in milliseconds.
   * @param signal Ends the waiting.
   * @returns The keys.
   */
  async page(after: string, waitMs: number, signal: AbortSignal): Promise<FeedPage> {
    if (this.#epoch === "") this.#begin();
    const [epoch, index] = after.split("-");
    const at = epoch === this.#epoch && Number(index) <= this.#keys.length ? Number(index) : 0;
    this.#ask(at);
    if (at === this.#keys.length && !this.#ended) await this.#news(waitMs, signal);
    const keys = this.#keys.slice(at, at + MOST);
    const next = at + keys.length;
    return {
      cursor: `${this.#epoch}-${next}`,
      keys,
      ended: this.#ended && next === this.#keys.length,
    };
  }

  #begin(): void {
    this.#epoch = crypto.randomUUID().slice(0, 8);
    this.#keys = [];
    this.#asked = 0;
    this.#ended = false;
    void this.#pump().catch((reason) => {
      // Who asks next begins anew.
      this.#epoch = "";
      this.#tell({ reason });
    });
  }

  async #pump(): Promise<void> {
    for await (const key of this.#source(this.#signal)) {
      this.#signal.throwIfAborted();
      this.#keys.push(key);
      this.#tell();
      while (this.#keys.length >= this.#asked + MOST) {
        await new Promise<void>((resolve) => this.#wanted = resolve);
        this.#signal.throwIfAborted();
      }
    }
    this.#ended = true;
    this.#tell();
  }

  #ask(at: number): void {
    this.#asked = Math.max(this.#asked, at);
    this.#wanted?.();
  }

  #tell(error?: { readonly reason: unknown }): void {
    for (const listener of [...this.#listeners]) listener(error);
  }

  /** Waits for a key, the end, or the time. */
  #news(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: { readonly reason: unknown }): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#listeners.delete(settle);
        if (error) reject(error.reason);
        else resolve();
      };
      const onAbort = (): void => settle({ reason: signal.reason });
      const timer = setTimeout(() => settle(), waitMs);
      this.#listeners.add(settle);
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

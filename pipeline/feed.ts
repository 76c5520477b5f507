/**
 * The items of one streaming input for one job, as they come.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { KeyFeed } from "../tasks/runner.ts";
import { KeySet } from "./key_set.ts";
import type { KeySpace } from "./key_space.ts";
import type { LiveSet } from "./observed.ts";

/** What a feed tells. */
export interface FeedHost {
  /** Everything that is there was given, and the reader waits for more. */
  readonly onWait: () => void;
  /** The reader has left, or was given the end. */
  readonly onClose: () => void;
}

/** The items of one streaming input for one job: those that are there, then those that come, each once, until it is ended. */
export class Feed implements KeyFeed {
  readonly #keys: KeySpace;
  readonly #items: LiveSet;
  readonly #host: FeedHost;
  readonly #given = new KeySet();
  /** What was there at the beginning, as far as it was not looked at. */
  #first: Iterator<number> | undefined;
  /** Items that have come since, by number; those before the head were looked at. */
  #offered: number[] = [];
  #head = 0;
  #waiting: PromiseWithResolvers<IteratorResult<Key, void>> | undefined;
  #closed = false;
  #error: { readonly reason: unknown } | undefined;

  /**
   * @param keys Knows the keys of numbers.
   * @param items What there is.
   * @param first What is there for the job at the beginning.
   * @param host Told when the reader waits, and when it has left.
   */
  constructor(keys: KeySpace, items: LiveSet, first: Iterable<number>, host: FeedHost) {
    this.#keys = keys;
    this.#items = items;
    this.#host = host;
    this.#first = first[Symbol.iterator]();
  }

  /** Whether everything that is there was given and the reader waits for more. */
  get waiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Says that an item for the job has come. */
  offer(item: number): void {
    if (this.#closed || this.#given.has(item) || !this.#items.set.has(item)) return;
    if (!this.#waiting) return void this.#offered.push(item);
    this.#given.add(item);
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve({ done: false, value: this.#keys.key(item) });
  }

  /** No more come: the reader gets what is there, then the end or an error. */
  close(error?: { readonly reason: unknown }): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#host.onClose();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (error) waiting?.reject(error.reason);
    else waiting?.resolve({ done: true, value: undefined });
  }

  /** The next item, or the end. */
  next(): Promise<IteratorResult<Key, void>> {
    if (this.#error) return Promise.reject(this.#error.reason);
    const [key] = this.ready(1);
    if (key !== undefined) return Promise.resolve({ done: false, value: key });
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    this.#waiting ??= Promise.withResolvers();
    const { promise } = this.#waiting;
    this.#host.onWait();
    return promise;
  }

  /** Items that are there, and were not given yet. */
  ready(atMost: number): readonly Key[] {
    const found: Key[] = [];
    if (this.#error) return found;
    while (found.length < atMost) {
      const item = this.#look();
      if (item === undefined) break;
      if (this.#items.set.has(item) && this.#given.add(item)) found.push(this.#keys.key(item));
    }
    return found;
  }

  /** The reader leaves. */
  return(): Promise<IteratorResult<Key, void>> {
    this.close();
    this.#first = undefined;
    this.#offered = [];
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The next item to look at; nothing when all were. */
  #look(): number | undefined {
    const first = this.#first?.next();
    if (first && !first.done) return first.value;
    this.#first = undefined;
    if (this.#head < this.#offered.length) return this.#offered[this.#head++];
    this.#offered = [];
    this.#head = 0;
    return undefined;
  }

  /** @returns Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

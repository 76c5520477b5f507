/**
 * A feed: keys that come while an attempt runs, told to whoever asks, from wherever they have come to.
 *
 * @module
 */
import { systemClock, unless, within } from "../core/clock.ts";
import type { Key } from "../core/key.ts";
import type { KeyFeed } from "../tasks/runner.ts";

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
 * The keys of one link of one attempt. They are asked for when a worker asks, and not before: who works on what it has does not wait for more, and
 * that is what tells when a stream may end.
 */
export class Feed {
  readonly #source: (signal: AbortSignal) => KeyFeed;
  readonly #signal: AbortSignal;
  #feed: KeyFeed | undefined;
  #epoch = "";
  #keys: Key[] = [];
  #ended = false;
  /** What is waited for, by all who wait. */
  #coming: Promise<void> | undefined;

  /**
   * @param source Gives the keys.
   * @param signal Ends it.
   */
  constructor(source: (signal: AbortSignal) => KeyFeed, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
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
    const feed = this.#feed ??= this.#begin();
    const [epoch, index] = after.split("-");
    const at = epoch === this.#epoch && Number(index) <= this.#keys.length ? Number(index) : 0;
    if (at === this.#keys.length && !this.#ended) {
      const coming = this.#coming ??= this.#more(feed);
      const over = (): void => {
        if (this.#coming === coming) this.#coming = undefined;
      };
      coming.then(over, over);
      await within(systemClock, waitMs, signal, (over) => unless(over, coming));
    }
    const keys = this.#keys.slice(at, at + MOST);
    const next = at + keys.length;
    return {
      cursor: `${this.#epoch}-${next}`,
      keys,
      ended: this.#ended && next === this.#keys.length,
    };
  }

  #begin(): KeyFeed {
    this.#epoch = crypto.randomUUID().slice(0, 8);
    this.#keys = [];
    this.#ended = false;
    return this.#source(this.#signal);
  }

  async #more(feed: KeyFeed): Promise<void> {
    try {
      const there = feed.ready(MOST);
      if (there.length > 0) return void this.#keys.push(...there);
      const { done, value } = await feed.next();
      if (done) this.#ended = true;
      else this.#keys.push(value, ...feed.ready(MOST - 1));
    } catch (error) {
      // Who asks next begins anew.
      this.#feed = undefined;
      throw error;
    }
  }
}

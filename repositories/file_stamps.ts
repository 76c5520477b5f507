/**
 * Times of values, such that two values of one key never share one.
 *
 * @module
 */
import type { Key } from "../core/key.ts";

/** For how long two writes of one key could get the same time from the file system, in milliseconds. */
const TICK = 20;

/**
 * Remembers when keys were written a moment ago. File systems tell time in steps of some milliseconds and use inodes again at once, so
 * that without this a value could look like the one before the last.
 */
export class Stamps {
  readonly #recent = new Map<Key, number>();
  #latest = 0;

  /** When this key was written, if that was a moment ago; remembers that it is written now. */
  lately(key: Key): number | undefined {
    const now = Date.now();
    if (now > this.#latest + TICK) this.#recent.clear();
    const last = this.#recent.get(key);
    if (last === undefined) this.#remember(key, now);
    return last;
  }

  /** A time for this key, in milliseconds since 1970, that is later than the one before. */
  after(key: Key, before: number): number {
    const stamp = Math.max(Date.now(), before + 1, (this.#recent.get(key) ?? 0) + 1);
    this.#remember(key, stamp);
    return stamp;
  }

  #remember(key: Key, stamp: number): void {
    this.#recent.set(key, stamp);
    if (stamp > this.#latest) this.#latest = stamp;
  }
}

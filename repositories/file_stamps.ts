/**
 * Times of values, such that two values of one key never share one.
 *
 * @module
 */
import type { Key } from "../core/key.ts";

/** For how long two writes of one key could get the same time from the file system, in milliseconds. */
const TICK = 20;

/** A time that is earlier by this much was not taken by another write, in milliseconds: the clock was set back. */
const SET_BACK = 10_000;

/**
 * Remembers when keys were written a moment ago. File systems tell time in steps of some milliseconds and use inodes again at once, so
 * that without this a value could look like the one before the last.
 */
export class Stamps {
  /** Keys of this tick, and of the one before: however long the writing goes on, no more is remembered. */
  #recent = new Map<Key, number>();
  #before = new Map<Key, number>();
  #since = 0;
  #latest = 0;

  /**
   * When this key was written before, if that was a moment ago; remembers that it is written now.
   *
   * @param key Which.
   * @param began A time that is not later than what the file system has noted for the new value, but for a tick.
   */
  lately(key: Key, began: number): number | undefined {
    if (began > this.#since + TICK || began < this.#since - SET_BACK) this.#forget(began);
    const last = this.#last(key);
    if (last === undefined) this.#remember(key, Date.now());
    return last;
  }

  /** A time for this key, in milliseconds since 1970, that is later than the one before. */
  after(key: Key, before: number): number {
    const stamp = Math.max(Date.now(), before + 1, (this.#last(key) ?? 0) + 1);
    this.#remember(key, stamp);
    return stamp;
  }

  #last(key: Key): number | undefined {
    return this.#recent.get(key) ?? this.#before.get(key);
  }

  #remember(key: Key, stamp: number): void {
    this.#recent.set(key, stamp);
    if (stamp > this.#latest) this.#latest = stamp;
  }

  #forget(began: number): void {
    const old = this.#before;
    const since = began - TICK;
    this.#before = this.#latest < since ? new Map() : this.#recent;
    this.#recent = new Map();
    this.#since = began;
    if (this.#latest < since) return;
    // Keys that were written again and again have times that are yet to come, or have only just come.
    for (const [key, stamp] of old) {
      if (stamp >= since && !this.#before.has(key)) this.#before.set(key, stamp);
    }
  }
}

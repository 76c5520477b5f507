/**
 * Values kept in memory for a while, the last used of them.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import type { Key } from "../../core/key.ts";

/** How much a cache keeps, and for how long. */
export interface CacheLimits {
  /** How long, in milliseconds. */
  readonly maxAge: number;
  /** How many values. */
  readonly maxEntries: number;
  /** How many bytes of them. */
  readonly maxBytes: number;
  /** The largest value, in bytes. */
  readonly maxSize: number;
  /** By which clock values age. */
  readonly clock: Clock;
}

/** When a value was asked for: it is as old as that. */
export interface Asked {
  /** How often something was forgotten before: what was read before the last time may be old. */
  readonly changes: number;
  /** When, by the clock that never jumps. */
  readonly at: number;
}

/** The last used values. */
export class MemoryCache<V> {
  readonly #limits: CacheLimits;
  readonly #kept = new Map<Key, { readonly value: V; readonly size: number; readonly until: number }>();
  #changes = 0;
  #bytes = 0;

  /** @param limits How much it keeps, and for how long. */
  constructor(limits: CacheLimits) {
    this.#limits = limits;
  }

  /** The largest value that is kept, in bytes. */
  get maxSize(): number {
    return Math.min(this.#limits.maxSize, this.#limits.maxBytes);
  }

  /** Whether sizes matter. */
  get sized(): boolean {
    return this.maxSize < Infinity;
  }

  /** To be called before a value is asked for, and given to `put` with it. */
  asked(): Asked {
    return { changes: this.#changes, at: this.#limits.clock.monotonic() };
  }

  /** A value. */
  get(key: Key): { readonly value: V } | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    this.#drop(key);
    if (this.#limits.clock.monotonic() >= kept.until) return undefined;
    // The map is in the order of last use.
    this.#add(key, kept);
    return kept;
  }

  /** Keeps a value, unless something was forgotten since it was asked for. */
  put(key: Key, value: V, size: number, { changes, at }: Asked): void {
    const { maxAge, maxEntries, maxBytes } = this.#limits;
    if (changes !== this.#changes || size > this.maxSize) return;
    this.#drop(key);
    this.#add(key, { value, size, until: at + maxAge });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxEntries && this.#bytes <= maxBytes) break;
      this.#drop(oldest);
    }
  }

  /** Forgets one value, or all. */
  forget(key?: Key): void {
    this.#changes++;
    if (key !== undefined) return this.#drop(key);
    this.#kept.clear();
    this.#bytes = 0;
  }

  #add(key: Key, kept: { readonly value: V; readonly size: number; readonly until: number }): void {
    this.#kept.set(key, kept);
    this.#bytes += kept.size;
  }

  #drop(key: Key): void {
    this.#bytes -= this.#kept.get(key)?.size ?? 0;
    this.#kept.delete(key);
  }
}

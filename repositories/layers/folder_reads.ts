/**
 * Whether a value that is kept in a folder may be used, and how one that is read beneath gets there.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { KeyDriver, OperationOptions } from "../driver.ts";
import type { CacheEntry } from "./cache_entry.ts";
import type { Changes } from "./cached_folder.ts";
import { type Filling, type FolderCache, idOf } from "./folder_cache.ts";

/** What was known of a value before it was read. */
export interface Before {
  /** When it was asked for, in milliseconds since 1970. */
  readonly asked: number;
  /** Its version, where the store tells it. */
  readonly version: string | undefined;
  /** Whether it is to be kept, as far as can be told. */
  readonly fits: boolean;
}

/** Values of one driver in a folder. */
export class FolderReads {
  readonly #inner: KeyDriver;
  readonly #cache: FolderCache;
  readonly #changes: Changes;

  /**
   * @param inner The driver beneath.
   * @param cache Where they are kept.
   * @param changes When keys were changed in this process.
   */
  constructor(inner: KeyDriver, cache: FolderCache, changes: Changes) {
    this.#inner = inner;
    this.#cache = cache;
    this.#changes = changes;
  }

  /** A value that may be used, open. */
  async find(key: Key, signal: AbortSignal | undefined): Promise<CacheEntry | undefined> {
    const entry = await this.any(key, signal);
    if (!entry) return undefined;
    try {
      const asked = await this.#usableSince(key, entry, signal);
      if (asked !== undefined) {
        if (this.#cache.writable) await entry.note(this.#cache.limits.clock.now(), asked);
        return entry;
      }
    } catch (error) {
      entry.close();
      throw error;
    }
    entry.close();
    return undefined;
  }

  /** A value, however old it is, open. */
  any(key: Key, signal: AbortSignal | undefined): Promise<CacheEntry | undefined> {
    return this.#cache.find(idOf(this.#inner.identity, key), signal);
  }

  /** Looks at a value that is about to be read, to be kept. */
  async look(key: Key, options: OperationOptions | undefined): Promise<Before> {
    const asked = this.#changes.now();
    if (!this.#cache.writable) return { asked, version: undefined, fits: false };
    const info = await this.#info(key, options?.signal);
    const fits = !(info?.size !== undefined && info.size > this.#cache.limits.maxSize);
    return { asked, version: info?.version, fits };
  }

  /** Begins to keep a value; nothing when it is not to be kept. */
  async begin(key: Key, { fits }: Before): Promise<Filling | undefined> {
    return fits ? await this.#cache.begin(idOf(this.#inner.identity, key)) : undefined;
  }

  /** Keeps a value that was read to its end, unless it was changed meanwhile. Tells whether it is kept; throws nothing. */
  async keep(key: Key, filling: Filling, { asked, version }: Before): Promise<boolean> {
    if (filling.over) return false;
    const info = version === undefined ? undefined : await this.#info(key, undefined);
    if (this.#changes.last(key) < asked) {
      return await filling.keep(asked, info?.version === version ? version : undefined);
    }
    await filling.abandon();
    return false;
  }

  /** Whether a key was changed in this process at some time or since. */
  changedSince(key: Key, time: number): boolean {
    return this.#changes.last(key) >= time;
  }

  /** Since when a value is known to be what the store has, or nothing when it may not be used. */
  async #usableSince(
    key: Key,
    entry: CacheEntry,
    signal: AbortSignal | undefined,
  ): Promise<number | undefined> {
    const { clock, maxAge } = this.#cache.limits;
    const { asked, description: { version } } = entry;
    const now = clock.now();
    // What is from the future was written by another clock.
    if (this.changedSince(key, asked) || asked > now) return undefined;
    if (now - asked < maxAge) return asked;
    if (version === undefined || (await this.#info(key, signal))?.version !== version) return undefined;
    return this.changedSince(key, now) ? undefined : now;
  }

  /** What the store tells of a value; nothing when it cannot tell, which whoever reads the value finds out. */
  async #info(
    key: Key,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly size?: number | undefined; readonly version?: string | undefined } | undefined> {
    try {
      return await this.#inner.info?.(key, { signal });
    } catch {
      signal?.throwIfAborted();
      return undefined;
    }
  }
}

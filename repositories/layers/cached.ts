/**
 * The layer that keeps documents in memory.
 *
 * @module
 */
import { type Clock, systemClock } from "../../core/clock.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { DefinitionError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { MetadataDriver, OperationOptions, WriteOptions } from "../driver.ts";
import { besideUnder, wrapDriver } from "./wrap.ts";

/** How {@linkcode cached} does it. */
export interface CachedOptions {
  /** How long a document may be used without looking: what others write is seen after that at the latest. */
  readonly maxAge: Duration;
  /** How many documents to keep. Default: 10,000. */
  readonly maxEntries?: number | undefined;
  /** How many bytes of documents to keep, as the length of their JSON. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** By which clock documents age. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** A layer over documents that keeps some of them in memory. */
export interface CacheLayer {
  /** Puts the cache over a driver. */
  <T>(inner: MetadataDriver<T>): MetadataDriver<T>;
  /** Forgets one document, or all, in every driver that this layer was put over. */
  invalidate(key?: Key): void;
}

/**
 * Keeps documents that were read or found in memory, the last used of them, and gives copies. What is written and deleted through it is seen
 * at once; what others do after `maxAge` at the latest, or when a watch that runs through it tells.
 *
 * Only documents are kept. That there is none is never kept, nor anything about keys: listing, `has` and `info` always look, so that no key is
 * made up. Conditions are those beneath; beside it lies a cache of its own.
 *
 * @param options How long, and how many.
 * @returns The layer, with `invalidate`.
 * @throws {DefinitionError} When a limit is not a number from 1.
 */
export function cached(options: CachedOptions): CacheLayer {
  const { maxEntries = 10_000, maxBytes = Infinity, clock = systemClock } = options;
  const maxAge = parseDuration(options.maxAge, "maxAge");
  for (const [name, limit] of Object.entries({ maxEntries, maxBytes })) {
    if (limit >= 1) continue;
    throw new DefinitionError(`Cannot keep a cache of ${name} ${limit}; write a number from 1`);
  }
  const caches: Cache[] = [];
  const layer = <T>(inner: MetadataDriver<T>): MetadataDriver<T> => {
    const cache = new Cache(maxAge, maxEntries, maxBytes, clock);
    caches.push(cache);
    return cacheOver(inner, cache, layer);
  };
  return Object.assign(layer, {
    invalidate(key?: Key): void {
      for (const cache of caches) cache.forget(key);
    },
  });
}

function cacheOver<T>(
  inner: MetadataDriver<T>,
  cache: Cache,
  layer: <U>(inner: MetadataDriver<U>) => MetadataDriver<U>,
): MetadataDriver<T> {
  const get = async (key: Key, options?: OperationOptions): Promise<T | undefined> => {
    options?.signal?.throwIfAborted();
    const kept = cache.get(key);
    if (kept) return kept.value as T;
    const since = cache.changes;
    const value = await inner.get(key, options);
    if (value !== undefined) cache.put(key, value, since);
    return value;
  };
  const changing = async (key: Key, call: () => Promise<void>): Promise<void> => {
    // Before and after: nothing that was read in between may stay.
    cache.forget(key);
    try {
      await call();
    } finally {
      cache.forget(key);
    }
  };
  return wrapDriver(inner, undefined, {
    get,
    getMany: inner.getMany && (async (keys: readonly Key[], options?: OperationOptions) => {
      options?.signal?.throwIfAborted();
      const found = new Map<Key, T>();
      const missing = keys.filter((key) => {
        const kept = cache.get(key);
        if (kept) found.set(key, kept.value as T);
        return !kept;
      });
      if (missing.length === 0) return found;
      const since = cache.changes;
      for (const [key, value] of await inner.getMany!(missing, options)) {
        cache.put(key, value, since);
        found.set(key, value);
      }
      return found;
    }),
    set: (key: Key, value: T, options?: WriteOptions) => changing(key, () => inner.set(key, value, options)),
    delete: (key: Key, options?: OperationOptions) => changing(key, () => inner.delete(key, options)),
    watch: inner.watch && (async function* (options: OperationOptions) {
      for await (const change of inner.watch!(options)) {
        cache.forget(change === "rescan" ? undefined : change.key);
        yield change;
      }
    }),
    beside: besideUnder(inner, layer),
  });
}

/** The last used documents. */
class Cache {
  /** How often something was forgotten: what was read before the last time may be old. */
  changes = 0;
  readonly #kept = new Map<Key, { readonly value: unknown; readonly size: number; readonly until: number }>();
  #bytes = 0;

  constructor(
    readonly maxAge: number,
    readonly maxEntries: number,
    readonly maxBytes: number,
    readonly clock: Clock,
  ) {}

  /** A copy of a document. */
  get(key: Key): { readonly value: unknown } | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    this.#kept.delete(key);
    if (this.clock.monotonic() >= kept.until) {
      this.#bytes -= kept.size;
      return undefined;
    }
    // The map is in the order of last use.
    this.#kept.set(key, kept);
    return { value: structuredClone(kept.value) };
  }

  /** Keeps a copy of a document that was asked for when `changes` was `since`. */
  put(key: Key, value: unknown, since: number): void {
    if (since !== this.changes) return;
    const size = this.maxBytes === Infinity ? 0 : sizeOf(value);
    if (size > this.maxBytes) return;
    this.#drop(key);
    this.#kept.set(key, { value: structuredClone(value), size, until: this.clock.monotonic() + this.maxAge });
    this.#bytes += size;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.maxEntries && this.#bytes <= this.maxBytes) break;
      this.#drop(oldest);
    }
  }

  /** Forgets one document, or all. */
  forget(key?: Key): void {
    this.changes++;
    if (key !== undefined) return this.#drop(key);
    this.#kept.clear();
    this.#bytes = 0;
  }

  #drop(key: Key): void {
    this.#bytes -= this.#kept.get(key)?.size ?? 0;
    this.#kept.delete(key);
  }
}

/** How much a document takes, about; too much where that cannot be told. */
function sizeOf(value: unknown): number {
  try {
    return JSON.stringify(value)?.length ?? 0;
  } catch {
    return Infinity;
  }
}

/**
 * The layer that keeps values nearer: in memory, or in a folder of this machine.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { DefinitionError } from "../../core/errors.ts";
import type { Files } from "../../core/files.ts";
import type { Key } from "../../core/key.ts";
import type { BlobDriver, FilesystemDriver, KeyDriver, MetadataDriver, OperationOptions } from "../driver.ts";
import { cacheInFolder } from "./cached_folder.ts";
import { blobsInMemory, documentsInMemory } from "./cached_memory.ts";
import { type CacheLimits, MemoryCache } from "./memory_cache.ts";
import { besideUnder, type Methods, wrapDriver } from "./wrap.ts";

/** How {@linkcode cached} does it, in memory and in a folder. */
export interface CacheOptions {
  /** How long a value may be used without looking: what others write is seen after that at the latest. */
  readonly maxAge: Duration;
  /** How many values to keep. Default: 10,000. */
  readonly maxEntries?: number | undefined;
  /**
   * How many bytes to keep, of documents as the length of their JSON. Default: 64 MiB of blobs in memory, 1 GiB in a folder, no limit for
   * documents.
   */
  readonly maxBytes?: number | undefined;
  /**
   * The largest value to keep, in bytes; larger ones pass through. Default: 1 MiB of blobs in memory, a quarter of `maxBytes` in a
   * folder, no limit for documents.
   */
  readonly maxSize?: number | undefined;
  /** By which clock values age. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** How {@linkcode cached} does it in memory. */
export interface CachedOptions extends CacheOptions {
  /** Nothing: values are kept in memory. */
  readonly folder?: undefined;
}

/** How {@linkcode cached} does it in a folder. */
export interface CachedFolderOptions extends CacheOptions {
  /** Where values are kept; a relative path is taken from the current directory as it is now. Several caches and processes may share one. */
  readonly folder: string | URL;
  /** Told once when values cannot be kept there; they are read all the same. Default: the console is warned. */
  readonly onTrouble?: ((error: Error) => void) | undefined;
  /** The file system. Default: that of this machine. */
  readonly files?: Files | undefined;
}

/** What every cache can do. */
export interface Invalidation {
  /** Forgets one value, or all, in every driver that this layer was put over in this process. */
  invalidate(key?: Key): void;
}

/** A layer over documents or blobs that keeps some of them in memory. */
export interface CacheLayer extends Invalidation {
  /** Puts the cache over a driver. */
  <D extends MetadataDriver | BlobDriver>(inner: D): D;
}

/** A layer over blobs or trees of files that keeps some of them in a folder. */
export interface FolderCacheLayer extends Invalidation {
  /** Puts the cache over a driver. */
  <D extends BlobDriver | FilesystemDriver>(inner: D): D;
}

/**
 * Keeps values that were read or found, the last used of them: documents and blobs in memory, or blobs and trees of files in a folder
 * of this machine. What is written and deleted through it is seen at once; what others do after `maxAge` at the latest, or when a watch
 * that runs through it tells. A value is as old as the moment it was asked for.
 *
 * Only values are kept. That there is none is never kept, nor anything about keys: listing, `has` and `info` always look, so that no key is
 * made up. Conditions are those beneath; beside it lies a cache of its own. A stream is kept while it is read, when it was read to
 * its end; parts of values come from what is kept, and keep nothing.
 *
 * A folder outlives the process, and may be shared. After `maxAge` a value is used on when the store beneath says that it has the same version
 * still. What lies there is checked by its digest before a process first uses it. A tree is taken in whole when it, or a file in it, is first
 * read. Nothing is written there before `prepare`, which a run of a pipeline calls: who only looks uses what is there.
 *
 * @param options How long, how many, and where.
 * @returns The layer, with `invalidate`.
 * @throws {DefinitionError} When a limit is not a number from 1.
 * @example Blobs in memory
 * ```ts
 * import { cached, MemoryBlobRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const slow = new MemoryBlobRepository("slow");
 * const cache = cached({ maxAge: "1m" });
 * const books = slow.with(cache);
 * await slow.put("emma", "first");
 * assert.equal(await books.text("emma"), "first");
 * await slow.put("emma", "second"); // By somebody else.
 * assert.equal(await books.text("emma"), "first");
 * cache.invalidate("emma");
 * assert.equal(await books.text("emma"), "second");
 * ```
 */
export function cached(options: CachedFolderOptions): FolderCacheLayer;
/** In memory: see the first form. */
export function cached(options: CachedOptions): CacheLayer;
export function cached(options: CachedOptions | CachedFolderOptions): CacheLayer | FolderCacheLayer {
  parseDuration(options.maxAge, "maxAge");
  for (const name of ["maxEntries", "maxBytes", "maxSize"] as const) {
    const limit = options[name] ?? 1;
    if (limit >= 1) continue;
    throw new DefinitionError(`Cannot keep a cache of ${name} ${limit}; write a number from 1`);
  }
  const made: Cached[] = [];
  const { folder, maxBytes = 2 ** 30 } = options;
  const over = folder === undefined
    ? cacheInMemory(options)
    : cacheInFolder(options, limitsOf(options, { maxBytes, maxSize: Math.max(1, maxBytes / 4) }));
  const layer = <D extends KeyDriver>(inner: D): D => {
    const one = over(inner);
    made.push(one);
    return forgetting(inner, one, layer);
  };
  return Object.assign(layer, {
    invalidate: (key?: Key) => made.forEach((one) => one.forget(key)),
  }) as unknown as CacheLayer | FolderCacheLayer;
}

/** What a cache does to one driver. */
export interface Cached {
  /** The methods that differ. */
  readonly methods: Methods;
  /** Forgets one value, or all, in this process. */
  forget(key?: Key): void;
  /** Removes a value, so that other processes read it anew as well. Throws nothing. */
  remove?(key: Key): Promise<void>;
}

function limitsOf(
  options: CacheOptions,
  defaults: { readonly maxBytes: number; readonly maxSize: number },
): CacheLimits {
  const { maxEntries = 10_000, maxBytes = defaults.maxBytes, clock = systemClock } = options;
  const { maxSize = Math.min(defaults.maxSize, maxBytes) } = options;
  return { maxAge: parseDuration(options.maxAge, "maxAge"), maxEntries, maxBytes, maxSize, clock };
}

function cacheInMemory(options: CachedOptions): (inner: KeyDriver) => Cached {
  return (inner) => {
    if ("get" in inner) {
      const cache = new MemoryCache<unknown>(limitsOf(options, { maxBytes: Infinity, maxSize: Infinity }));
      const methods = documentsInMemory(inner as MetadataDriver, cache);
      return { methods: methods as Methods, forget: (key) => cache.forget(key) };
    }
    if (!("read" in inner)) {
      throw new DefinitionError(
        `Cannot keep ${inner.name} in memory, since its values are trees of files; give cached() a folder`,
      );
    }
    const cache = new MemoryCache<Bytes>(limitsOf(options, { maxBytes: 2 ** 26, maxSize: 2 ** 20 }));
    const methods = blobsInMemory(inner as BlobDriver, cache);
    return { methods: methods as Methods, forget: (key) => cache.forget(key) };
  };
}

/** A driver with other reads, which forgets what is changed through it. */
function forgetting<D extends KeyDriver>(inner: D, one: Cached, layer: (inner: D) => D): D {
  return wrapDriver(inner, async (call, proceed) => {
    const changes = (call.purpose === "write" && call.method !== "staging") || call.purpose === "delete";
    if (!changes) return await proceed();
    // Before and after: nothing that was read in between may stay.
    one.forget(call.key);
    try {
      return await proceed();
    } finally {
      one.forget(call.key);
      await one.remove?.(call.key);
    }
  }, {
    ...one.methods,
    watch: inner.watch && (async function* (options: OperationOptions) {
      for await (const change of inner.watch!(options)) {
        one.forget(change === "rescan" ? undefined : change.key);
        yield change;
      }
    }),
    beside: besideUnder(inner, layer),
  });
}

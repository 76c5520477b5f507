/**
 * What `cached` does to blobs and trees of files that it keeps in a folder: loads what it needs when it is first read.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { DefinitionError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { BlobDriver, FilesystemDriver, KeyDriver, OperationOptions, PrepareOptions } from "../driver.ts";
import { Folder } from "../file_folder.ts";
import type { Cached, CachedFolderOptions } from "./cached.ts";
import type { FolderCache } from "./folder_cache.ts";
import type { CacheLimits } from "./memory_cache.ts";

/** After how many keys the times of their changes become one time for all. */
const MANY = 10_000;

/** When keys were changed or forgotten in this process: what was asked for before is not used any more. */
export class Changes {
  readonly #clock: Clock;
  readonly #at = new Map<Key, number>();
  #all = -Infinity;
  #now = -Infinity;

  /** @param clock By which clock. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What time it is. It does not go back, whatever the clock does: a change is later than all that was asked for before. */
  now(): number {
    return this.#now = Math.max(this.#now, this.#clock.now());
  }

  /** Notes that a key, or any, is changed now. */
  note(key?: Key): void {
    const now = this.now();
    if (key !== undefined) this.#at.set(key, now);
    if (key !== undefined && this.#at.size <= MANY) return;
    this.#all = now;
    this.#at.clear();
  }

  /** When a key was last changed. */
  last(key: Key): number {
    return Math.max(this.#all, this.#at.get(key) ?? -Infinity);
  }
}

/**
 * Keeps values in a folder.
 *
 * @param options Where.
 * @param limits How many, and for how long.
 * @returns What to do to each driver.
 */
export function cacheInFolder(
  options: CachedFolderOptions,
  limits: CacheLimits,
): (inner: KeyDriver) => Cached {
  const { files, onTrouble = (error) => console.warn(error.message) } = options;
  const folder = new Folder("file", options.folder, { files, caseInsensitive: false });
  let opening: Promise<FolderCache> | undefined;
  const open = (): Promise<FolderCache> =>
    opening ??= import("./folder_cache.ts").then(({ FolderCache }) =>
      new FolderCache(folder, limits, onTrouble)
    );
  return (inner) => {
    const changes = new Changes(limits.clock);
    return {
      methods: {
        ...reads(inner, open, changes),
        async prepare(opts?: PrepareOptions) {
          opts?.signal?.throwIfAborted();
          await inner.prepare?.(opts);
          await (await open()).prepare(opts);
        },
      },
      forget: (key) => changes.note(key),
      remove: async (key) => await (await open()).remove(inner.identity, key),
    };
  };
}

function reads(
  inner: KeyDriver,
  open: () => Promise<FolderCache>,
  changes: Changes,
): Partial<BlobDriver> | Partial<FilesystemDriver> {
  /** What is done by a module that is loaded with the first read. */
  const later = <M>(load: (cache: FolderCache) => Promise<M>): (opts?: OperationOptions) => Promise<M> => {
    let loading: Promise<M> | undefined;
    return async (opts) => {
      opts?.signal?.throwIfAborted();
      return await (loading ??= open().then(load));
    };
  };
  if ("entries" in inner) {
    const trees = later(async (cache) => {
      const { treesInFolder } = await import("./folder_trees.ts");
      return treesInFolder(inner as FilesystemDriver, cache, changes);
    });
    return {
      entries: async (key, opts) => await (await trees(opts)).entries(key, opts),
      open: async (key, path, opts) => await (await trees(opts)).open(key, path, opts),
    };
  }
  if (!("read" in inner)) {
    throw new DefinitionError(
      `Cannot keep ${inner.name} in a folder, since its values are documents; keep them in memory, or put cached() over the blobs beneath`,
    );
  }
  const blobs = later(async (cache) => {
    const { blobsInFolder } = await import("./folder_blobs.ts");
    return blobsInFolder(inner as BlobDriver, cache, changes);
  });
  return {
    read: async (key, opts) => await (await blobs(opts)).read(key, opts),
    readBytes: async (key, opts) => await (await blobs(opts)).readBytes(key, opts),
  };
}

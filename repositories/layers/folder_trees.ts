/**
 * The reads of trees of files that are kept in a folder, as tar archives.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import type { FilesystemDriver, OperationOptions, TreeEntry } from "../driver.ts";
import { KeyTurns } from "../key_turns.ts";
import { chunksOf } from "../stream_chunks.ts";
import { resolveInTree, treeParts } from "../tree.ts";
import type { CacheEntry } from "./cache_entry.ts";
import type { Changes } from "./cached_folder.ts";
import type { Filling, FolderCache } from "./folder_cache.ts";
import { FolderReads } from "./folder_reads.ts";
import { expand, TarEntries, writeTar } from "./tar.ts";

/** How many trees are remembered as too large. */
const MANY = 1_000;

/**
 * The reads of trees. A tree is taken in whole, once for all who read it at that time, and then read from where it is kept.
 *
 * @param inner The driver beneath.
 * @param cache Where they are kept.
 * @param changes When keys were changed in this process.
 * @returns The methods.
 */
export function treesInFolder(
  inner: FilesystemDriver,
  cache: FolderCache,
  changes: Changes,
): Required<Pick<FilesystemDriver, "entries" | "open">> {
  const kept = new KeptTrees(inner, cache, changes);
  return {
    async entries(key, options) {
      const entry = await kept.get(key, options);
      return entry ? await kept.unpack(key, entry, options) : await inner.entries(key, options);
    },
    async open(key, path, options) {
      treeParts(path); // Refused before anything is opened.
      const entry = await kept.get(key, options);
      if (entry) return await resolveInTree(await kept.unpack(key, entry, options), path);
      if (inner.open) return await inner.open(key, path, options);
      return await resolveInTree(await inner.entries(key, options), path);
    },
  };
}

/** Trees of one driver in a folder. */
class KeptTrees {
  readonly #turns = new KeyTurns();
  readonly #reads: FolderReads;
  /** When trees were found to be too large. */
  readonly #large = new Map<Key, number>();

  constructor(readonly inner: FilesystemDriver, readonly cache: FolderCache, changes: Changes) {
    this.#reads = new FolderReads(inner, cache, changes);
  }

  /** The archive of a tree, taken in when it is not there; nothing when the tree is to be read beneath. */
  async get(key: Key, options: OperationOptions | undefined): Promise<CacheEntry | undefined> {
    const signal = options?.signal;
    const found = await this.#reads.find(key, signal);
    if (found || !this.cache.writable || this.#isLarge(key)) return found;
    const release = await this.#turns.take(key, signal);
    try {
      return await this.#reads.find(key, signal) ?? await this.#takeIn(key, options);
    } finally {
      release();
    }
  }

  /** The tree in an archive. */
  async unpack(
    key: Key,
    entry: CacheEntry,
    options: OperationOptions | undefined,
  ): Promise<AsyncIterable<TreeEntry>> {
    const signal = options?.signal;
    const as = (error: unknown): unknown => error;
    const again = async (path: string): Promise<ReadableStream<Bytes>> => {
      const other = await this.#reads.any(key, signal);
      // It may have had to leave the cache meanwhile.
      const entries = other ? await this.unpack(key, other, options) : await this.inner.entries(key, options);
      for await (const member of entries ?? []) {
        if (member.kind === "file" && member.path === path) return await member.open();
      }
      throw new Error(`${JSON.stringify(path)} of "${key}" is no longer there; read the tree again`);
    };
    const archive = entry.stream(key, this.inner.name, { signal });
    return new TarEntries(await expand(archive, signal, as), as, again, signal);
  }

  async #takeIn(key: Key, options: OperationOptions | undefined): Promise<CacheEntry | undefined> {
    const signal = options?.signal;
    const before = await this.#reads.look(key, options);
    const filling = await this.#reads.begin(key, before);
    if (!filling) return undefined;
    try {
      const entries = await this.inner.entries(key, options);
      if (!entries) return undefined;
      await writeTar(entries, signal, (archive) => pour(archive, filling, signal));
      if (await this.#reads.keep(key, filling, before)) return await this.#reads.any(key, signal);
    } catch {
      signal?.throwIfAborted();
      // Read beneath: it is too large or cannot be kept, or something is wrong with it, which is told to whoever comes to that part.
      if (filling.over) this.#large.set(key, before.asked);
      if (this.#large.size > MANY) this.#large.clear();
    } finally {
      await filling.abandon();
    }
    return undefined;
  }

  #isLarge(key: Key): boolean {
    const { clock, maxAge } = this.cache.limits;
    const since = this.#large.get(key);
    if (since === undefined) return false;
    if (clock.now() - since < maxAge && !this.#reads.changedSince(key, since)) return true;
    this.#large.delete(key);
    return false;
  }
}

/** Puts an archive into the cache; stops when that has given up. */
async function pour(
  archive: ReadableStream<Bytes>,
  filling: Filling,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const chunk of chunksOf(archive, signal)) {
    await filling.add(chunk);
    if (filling.over) throw new Error("The cache does not take it");
  }
}

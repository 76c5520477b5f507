/**
 * Trees of files in the memory of this process.
 *
 * @module
 */
import { type Bytes, concat } from "../core/bytes.ts";
import type { FilesystemDriver, OperationOptions, TreeEntry } from "./driver.ts";
import { FilesystemRepository } from "./filesystem.ts";
import { guardedStream } from "./guarded_stream.ts";
import { memoised, memoryKeys, MemoryStore } from "./memory_store.ts";
import { eachOf } from "./stream_chunks.ts";
import { impliedDirectory, measured, TreeCheck } from "./tree_check.ts";

type Tree = readonly TreeEntry[];

/**
 * A store of trees of files in memory.
 *
 * @param name What errors and graphs call it.
 * @returns The driver.
 */
export function memoryFilesystemDriver(name = "memory"): FilesystemDriver {
  const store = new MemoryStore<Tree>();
  return {
    ...memoryKeys(store, name, sizeOf, false),
    entries(key, options) {
      if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
      const tree = store.get(key);
      return Promise.resolve(tree && handOut(tree, options));
    },
    async write(key, entries, options) {
      options?.signal?.throwIfAborted();
      store.set(key, await takeIn(entries, options), options, name);
    },
    beside: memoised((sibling) => memoryFilesystemDriver(`${name}/_${sibling}`)),
  };
}

function sizeOf(tree: Tree): number {
  return tree.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), 0);
}

async function* handOut(
  tree: Tree,
  options: OperationOptions | undefined,
): AsyncGenerator<TreeEntry, void, void> {
  for (const entry of tree) {
    options?.signal?.throwIfAborted();
    yield entry;
  }
}

/** Reads a tree to its end; parents come before what is in them. */
async function takeIn(
  entries: AsyncIterable<TreeEntry>,
  options: OperationOptions | undefined,
): Promise<Tree> {
  const check = new TreeCheck();
  const taken = new Map<string, TreeEntry>();
  for await (const entry of eachOf(entries, options?.signal)) {
    const { path, parents } = check.admit(entry);
    for (const parent of parents) taken.set(parent, impliedDirectory(parent));
    taken.set(path, entry.kind === "file" ? await keep(entry, path, options?.signal) : { ...entry, path });
  }
  // Parents sort before what is in them because a path is longer than its parent's and begins with it.
  return [...taken.entries()].sort(([a], [b]) => a < b ? -1 : 1).map(([, entry]) => entry);
}

async function keep(
  entry: TreeEntry & { kind: "file" },
  path: string,
  signal?: AbortSignal,
): Promise<TreeEntry> {
  const chunks: Bytes[] = [];
  for await (const chunk of measured(entry, signal)) chunks.push(chunk.slice());
  const bytes = concat(chunks);
  return { ...entry, path, open: () => Promise.resolve(guardedStream(bytes)) };
}

/** A repository of trees of files in the memory of this process. */
export class MemoryFilesystemRepository extends FilesystemRepository {
  /**
   * Makes an empty one.
   *
   * @param name What errors and graphs call it.
   */
  constructor(name = "memory") {
    super(memoryFilesystemDriver(name));
  }
}

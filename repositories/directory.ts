/**
 * A folder of folders as a repository: one tree of files per key.
 *
 * @module
 */
import { isKey, type Key } from "../core/key.ts";
import { TreeReader } from "./directory_read.ts";
import { DirectorySwap, discardTree } from "./directory_swap.ts";
import { writeTree } from "./directory_write.ts";
import type { FilesystemDriver, OperationOptions, TreeEntry, WriteOptions } from "./driver.ts";
import { Folder, type FolderOptions, versionOf } from "./file_folder.ts";
import { syncPath } from "./file_sync.ts";
import { watchFolder } from "./file_watch.ts";
import { FilesystemRepository } from "./filesystem.ts";
import { memoised } from "./memory_store.ts";

/** Options of a repository of directories. */
export interface DirectoryOptions extends FolderOptions {}

/**
 * A store of trees of files in a folder: the value of `moby-dick` is the directory `<dir>/moby-dick<extension>/`.
 *
 * A tree is written under a name that can never be a key, and takes the place of the old one when it is whole. For a moment between two
 * renames the old tree lies under another name; the driver knows that one too, but whoever goes by `path` alone sees nothing there.
 * The version of a tree changes when it is replaced, not when somebody else changes a file in it.
 *
 * @param dir The folder; a relative one is taken from the current directory as it is now.
 * @param options What names end in, and how lasting a write is.
 * @returns The driver.
 */
export function directoryDriver(dir: string | URL, options: DirectoryOptions = {}): FilesystemDriver {
  const folder = new Folder("directory", dir, options);
  const swap = new DirectorySwap(folder);
  const find = async (key: Key, options?: OperationOptions): Promise<Deno.FileInfo | undefined> => {
    options?.signal?.throwIfAborted();
    return (await swap.locate(key))?.info;
  };
  const reader = async (key: Key, options?: OperationOptions): Promise<TreeReader | undefined> => {
    options?.signal?.throwIfAborted();
    const located = await swap.locate(key);
    return located && new TreeReader(folder, swap, key, located, options);
  };
  return {
    name: folder.name,
    identity: folder.identity,
    supports: {
      writable: true,
      consistentListing: true,
      reach: "machine",
      durable: true,
      conditional: true,
      ranges: false,
    },
    keys: (options) => keys(folder, options),
    has: async (key, options) => await find(key, options) !== undefined,
    async delete(key, options) {
      options?.signal?.throwIfAborted();
      await swap.delete(key, options?.signal);
    },
    async info(key, options) {
      const info = await find(key, options);
      return info && { modified: info.mtime?.getTime(), version: versionOf(info) };
    },
    async prepare(options) {
      if (await folder.prepare(options)) await swap.healAll();
    },
    watch: (options) => watchFolder(folder, async (key) => await find(key) !== undefined, options.signal),
    entries: async (key, options) => (await reader(key, options))?.entries(),
    open: async (key, path, options) => await (await reader(key, options))?.open(path),
    write: (key, entries, options) => write(folder, swap, key, entries, options),
    beside: memoised((name) => directoryDriver(`${folder.shown}/_${name}`, options)),
    path: (key) => folder.path(key),
    staging: () => folder.within(async () => (await folder.files.stat(folder.dir), folder.temp("stage"))),
    adopt: (key, path, options) => adopt(folder, swap, key, path, options),
  };
}

async function* keys(
  folder: Folder,
  options: OperationOptions | undefined,
): AsyncGenerator<readonly string[], void, void> {
  const old = new Set<Key>();
  options?.signal?.throwIfAborted();
  for (const { name } of await folder.members()) {
    const key = DirectorySwap.keyOfOld(name, folder.extension);
    if (key !== undefined && isKey(key)) old.add(key);
  }
  if (old.size === 0) return yield* folder.keys(options);
  for await (const page of folder.keys(options)) {
    for (const key of page) old.delete(key);
    yield page;
  }
  if (old.size > 0) yield [...old];
}

async function write(
  folder: Folder,
  swap: DirectorySwap,
  key: Key,
  entries: AsyncIterable<TreeEntry>,
  options: WriteOptions | undefined,
): Promise<void> {
  options?.signal?.throwIfAborted();
  await folder.cases.check(key + folder.extension, key, folder.name);
  if (options?.ifAbsent && await swap.locate(key)) throw folder.taken(key);
  const temp = folder.temp();
  await folder.within(() => folder.files.mkdir(temp));
  try {
    await writeTree(folder, temp, entries, options);
    options?.signal?.throwIfAborted();
    await swap.replace(key, temp, options);
  } catch (error) {
    await discardTree(folder, temp);
    throw error;
  }
}

async function adopt(
  folder: Folder,
  swap: DirectorySwap,
  key: Key,
  path: string,
  options: WriteOptions | undefined,
): Promise<void> {
  options?.signal?.throwIfAborted();
  folder.checkStaged(key, path);
  if (!(await folder.files.lstat(path)).isDirectory) throw new TypeError(`${path} is no directory`);
  if (folder.fsync) await syncTree(folder, path);
  await swap.replace(key, path, options);
}

async function syncTree(folder: Folder, path: string): Promise<void> {
  for (const entry of await folder.files.readDir(path)) {
    const inside = `${path}/${entry.name}`;
    if (entry.isDirectory) await syncTree(folder, inside);
    else if (entry.isFile) await syncPath(folder.files, inside);
  }
  await syncPath(folder.files, path);
}

/**
 * A repository of trees of files in a folder: the value of `moby-dick` is the directory `<dir>/moby-dick<extension>/`.
 *
 * @example One file of a tree
 * ```ts
 * import { DirectoryRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const dir = await Deno.makeTempDir();
 * await Deno.mkdir(`${dir}/moby-dick`);
 * await Deno.writeTextFile(`${dir}/moby-dick/chapter-1.txt`, "Call me Ishmael.");
 * const books = new DirectoryRepository(dir);
 * const chapter = await books.open("moby-dick", "chapter-1.txt");
 * assert.equal(await new Response(chapter).text(), "Call me Ishmael.");
 * await Deno.remove(dir, { recursive: true });
 * ```
 */
export class DirectoryRepository extends FilesystemRepository {
  /**
   * Opens a folder; it is made when it is first written or prepared.
   *
   * @param dir The folder; a relative one is taken from the current directory as it is now.
   * @param options What names end in, and how lasting a write is.
   */
  constructor(dir: string | URL, options: DirectoryOptions = {}) {
    super(directoryDriver(dir, options));
  }
}

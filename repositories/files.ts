/**
 * A folder of files as a repository: one file per key.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import type { Key } from "../core/key.ts";
import { BlobRepository } from "./blob.ts";
import type { BlobDriver, OperationOptions, ReadOptions } from "./driver.ts";
import { Folder, type FolderOptions, versionOf } from "./file_folder.ts";
import { fileStream } from "./file_stream.ts";
import { watchFolder } from "./file_watch.ts";
import { FileWriter } from "./file_write.ts";
import { memoised } from "./memory_store.ts";

/** Options of a repository of files. */
export interface FileOptions extends FolderOptions {}

/** Up to this size a value is read by one call that blocks, in bytes. */
const SMALL = 2 ** 16;

/**
 * A store of byte streams in a folder: the value of `moby-dick` is the file `<dir>/moby-dick<extension>`.
 *
 * A value is written under a name that can never be a key and renamed when it is whole. `ifAbsent` holds between processes, by a hard
 * link. `ifVersion` holds among all who write with it, by a locked file; a plain write or delete that comes in between is not seen.
 *
 * @param dir The folder; a relative one is taken from the current directory as it is now.
 * @param options What names end in, and how lasting a write is.
 * @returns The driver.
 */
export function fileDriver(dir: string | URL, options: FileOptions = {}): BlobDriver {
  const folder = new Folder("file", dir, options);
  const writer = new FileWriter(folder);
  const present = async (key: Key, options?: OperationOptions): Promise<boolean> =>
    await folder.find(key, options) !== undefined && !folder.unfinished.has(key + folder.extension);
  return {
    name: folder.name,
    identity: folder.identity,
    supports: {
      writable: true,
      consistentListing: true,
      reach: "machine",
      durable: true,
      conditional: true,
      ranges: true,
    },
    keys: (options) => folder.keys(options),
    has: present,
    async delete(key, options) {
      if (await folder.find(key, options) === undefined) return;
      await removeFile(folder, key);
      await folder.settle();
    },
    async info(key, options) {
      const info = await folder.find(key, options);
      return info && { size: info.size, modified: info.mtime?.getTime(), version: versionOf(info) };
    },
    prepare: async (options) => void await folder.prepare(options),
    watch: (options) => watchFolder(folder, present, options.signal),
    read: (key, options) => openFile(folder, key, options),
    readBytes: (key, options) => readFile(folder, key, options),
    write: (key, content, options) => writer.write(key, content, options),
    beside: memoised((name) => fileDriver(`${folder.shown}/_${name}`, options)),
    path: (key) => folder.path(key),
    staging: () => folder.within(async () => (await folder.files.stat(folder.dir), folder.temp("stage"))),
    adopt: (key, path, options) => writer.adopt(key, path, options),
  };
}

async function removeFile(folder: Folder, key: Key): Promise<void> {
  try {
    await folder.files.remove(folder.path(key));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function openFile(
  folder: Folder,
  key: Key,
  options: ReadOptions | undefined,
): Promise<ReadableStream<Bytes> | undefined> {
  if (await folder.find(key, options) === undefined) return undefined;
  let file: Deno.FsFile;
  try {
    file = await folder.files.open(folder.path(key), { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    options?.signal?.throwIfAborted();
    return fileStream(file, (await file.stat()).size, options);
  } catch (error) {
    file.close();
    throw error;
  }
}

async function readFile(
  folder: Folder,
  key: Key,
  options: OperationOptions | undefined,
): Promise<Bytes | undefined> {
  const info = await folder.find(key, options);
  if (info === undefined) return undefined;
  try {
    const path = folder.path(key);
    const bytes = await (info.size <= SMALL ? folder.files.readSmall(path) : folder.files.readFile(path));
    options?.signal?.throwIfAborted();
    return bytes;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * A repository of byte streams in a folder: the value of `moby-dick` is the file `<dir>/moby-dick<extension>`.
 *
 * @example Files and keys
 * ```ts
 * import { FileRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const dir = await Deno.makeTempDir();
 * const reports = new FileRepository(dir, { extension: ".txt" });
 * await reports.put("moby-dick", "a whale");
 * assert.equal(await Deno.readTextFile(`${dir}/moby-dick.txt`), "a whale");
 * await Deno.remove(dir, { recursive: true });
 * ```
 */
export class FileRepository extends BlobRepository {
  /**
   * Opens a folder; it is made when it is first written or prepared.
   *
   * @param dir The folder; a relative one is taken from the current directory as it is now.
   * @param options What names end in, and how lasting a write is.
   */
  constructor(dir: string | URL, options: FileOptions = {}) {
    super(fileDriver(dir, options));
  }
}

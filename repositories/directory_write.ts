/**
 * Writes a tree of files into a folder of its own.
 *
 * @module
 */
import { concat } from "../core/bytes.ts";
import type { OperationOptions, TreeEntry } from "./driver.ts";
import type { Folder } from "./file_folder.ts";
import { writeChunks } from "./file_stream.ts";
import { syncPath } from "./file_sync.ts";
import { eachOf } from "./stream_chunks.ts";
import { measured, TreeCheck } from "./tree_check.ts";

/** Up to this size a file is written by one call that blocks, in bytes. */
const SMALL = 2 ** 16;

/** Bits of a mode that are kept: permissions, and no set-uid or set-gid, which an archive from elsewhere has no business to set. */
const MODE = 0o1777;

/**
 * Writes a tree into a new folder. Nothing is followed: each parent was made by us, in this call.
 *
 * @param folder Where values lie.
 * @param root The new folder.
 * @param entries The tree, in any order.
 * @param options When to stop.
 */
export async function writeTree(
  folder: Folder,
  root: string,
  entries: AsyncIterable<TreeEntry>,
  options: OperationOptions | undefined,
): Promise<void> {
  const { files } = folder;
  const check = new TreeCheck();
  const made = new Set<string>();
  const modes = new Map<string, number>();
  for await (const entry of eachOf(entries, options?.signal)) {
    const { path, parents } = check.admit(entry);
    for (const parent of parents) {
      await files.mkdir(`${root}/${parent}`);
      made.add(parent);
    }
    const place = `${root}/${path}`;
    if (entry.kind === "symlink") await files.symlink(entry.target, place);
    else if (entry.kind === "directory") {
      if (!made.has(path)) await files.mkdir(place);
      made.add(path);
      modes.set(place, entry.mode);
    } else await writeFile(folder, place, entry, options);
  }
  if (folder.fsync) { for (const path of [...made].reverse()) await syncPath(files, `${root}/${path}`); }
  // Last, and from the inside out: a folder that may not be written could not be filled.
  const inward = [...modes].sort(([a], [b]) => b.length - a.length);
  for (const [place, mode] of inward) await files.chmod(place, mode & MODE);
  if (folder.fsync) await syncPath(files, root);
}

async function writeFile(
  folder: Folder,
  place: string,
  entry: TreeEntry & { kind: "file" },
  options: OperationOptions | undefined,
): Promise<void> {
  const { files, fsync } = folder;
  const chunks = measured(entry, options?.signal);
  if (entry.size <= SMALL && !fsync) await files.writeNew(place, concat(await Array.fromAsync(chunks)));
  else {
    const file = await files.open(place, { write: true, createNew: true });
    try {
      await writeChunks(file, chunks);
      if (fsync) await file.sync();
    } finally {
      file.close();
    }
  }
  await files.chmod(place, entry.mode & MODE);
}

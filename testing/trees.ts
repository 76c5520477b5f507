/**
 * Trees of files for tests: made from a few words, and described in a few.
 *
 * @module
 */
import { decodeText, encodeText, readAll, toStream } from "../core/bytes.ts";
import type { FilesystemDriver, TreeEntry } from "../repositories/driver.ts";
import { resolveInTree } from "../repositories/tree.ts";

/**
 * A file of a tree.
 *
 * @param path Where in the tree.
 * @param text What it holds.
 * @param mode Its mode bits.
 * @returns The entry.
 */
export function file(path: string, text: string, mode = 0o644): TreeEntry & { kind: "file" } {
  const bytes = encodeText(text);
  return { kind: "file", path, mode, size: bytes.length, open: () => Promise.resolve(toStream(bytes)) };
}

/**
 * A folder of a tree.
 *
 * @param path Where in the tree.
 * @param mode Its mode bits.
 * @returns The entry.
 */
export function directory(path: string, mode = 0o755): TreeEntry & { kind: "directory" } {
  return { kind: "directory", path, mode };
}

/**
 * A symbolic link of a tree.
 *
 * @param path Where in the tree.
 * @param target What it points to, as written.
 * @returns The entry.
 */
export function link(path: string, target: string): TreeEntry & { kind: "symlink" } {
  return { kind: "symlink", path, target };
}

/**
 * Entries as a driver wants them.
 *
 * @param entries The entries, in the order in which they are handed out.
 * @returns The tree.
 */
export async function* tree(entries: Iterable<TreeEntry>): AsyncGenerator<TreeEntry, void, void> {
  yield* entries;
}

/**
 * A tree in words, by path in order: `directory 755`, `file 644 text`, `symlink -> target`.
 *
 * @param entries The tree.
 * @returns What each path is.
 * @throws {Error} When there is no tree.
 */
export async function describeTree(
  entries: AsyncIterable<TreeEntry> | undefined,
): Promise<Record<string, string>> {
  if (!entries) throw new Error("there is no tree");
  const found: [string, string][] = [];
  for await (const entry of entries) {
    if (entry.kind === "symlink") found.push([entry.path, `symlink -> ${entry.target}`]);
    else if (entry.kind === "directory") found.push([entry.path, `directory ${entry.mode.toString(8)}`]);
    else {
      const text = decodeText(await readAll(await entry.open()));
      found.push([entry.path, `file ${entry.mode.toString(8)} ${text}`]);
    }
  }
  return Object.fromEntries(found.sort(([a], [b]) => a < b ? -1 : 1));
}

/**
 * One member of a tree as text, the way a repository reads it.
 *
 * @param driver Of which driver.
 * @param key Of which tree.
 * @param path Of which member.
 * @returns Its text, or nothing.
 */
export async function readMember(
  driver: FilesystemDriver,
  key: string,
  path: string,
): Promise<string | undefined> {
  const stream = driver.open
    ? await driver.open(key, path)
    : await resolveInTree(await driver.entries(key), path);
  return stream && decodeText(await readAll(stream));
}

/**
 * Paths inside trees of files: what is allowed, and how links are followed without leaving the tree.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import { RepositoryError } from "../core/errors.ts";
import type { TreeEntry } from "./driver.ts";

/** How many links in a row are followed. */
const MAX_LINKS = 40;

/**
 * The parts of a path inside a tree.
 *
 * @param path A relative path with `/`.
 * @returns Its parts, without `.` and empty ones.
 * @throws {RepositoryError} With code `invalid-value` when it is absolute, holds a NUL, or has a `..` part: nothing climbs out of a tree.
 */
export function treeParts(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (path.startsWith("/") || path.includes("\0") || parts.includes("..")) {
    throw new RepositoryError(
      "invalid-value",
      `Cannot use the path ${JSON.stringify(path)}: it would leave its tree`,
    );
  }
  return parts;
}

/** Resolves `target`, met at `from`, to parts inside the tree: an absolute target starts at the root of the tree and `..` stops there. */
function follow(from: readonly string[], target: string, rest: readonly string[]): string[] {
  const parts = target.startsWith("/") ? [] : from.slice(0, -1);
  for (const part of [...target.split("/"), ...rest]) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts;
}

/**
 * Finds a file in a tree by going through it, following links inside the tree.
 *
 * @param entries The tree; nothing stands for a tree that is not there.
 * @param path Of which file.
 * @returns Its content, or nothing.
 */
export async function resolveInTree(
  entries: AsyncIterable<TreeEntry> | undefined,
  path: string,
): Promise<ReadableStream<Bytes> | undefined> {
  if (entries === undefined) return undefined;
  let wanted = treeParts(path);
  const links = new Map<string, string>();
  const files = new Map<string, TreeEntry & { kind: "file" }>();
  for await (const entry of entries) {
    if (entry.kind === "symlink") links.set(treeParts(entry.path).join("/"), entry.target);
    if (entry.kind !== "file") continue;
    const name = treeParts(entry.path).join("/");
    if (links.size === 0 && name === wanted.join("/")) return await entry.open();
    files.set(name, entry);
  }
  for (let hops = 0; hops <= MAX_LINKS; hops++) {
    const at = wanted.findIndex((_, i) => links.has(wanted.slice(0, i + 1).join("/")));
    if (at === -1) return await files.get(wanted.join("/"))?.open();
    const from = wanted.slice(0, at + 1);
    wanted = follow(from, links.get(from.join("/"))!, wanted.slice(at + 1));
  }
  throw new RepositoryError(
    "invalid-value",
    `Cannot read ${JSON.stringify(path)}: more than ${MAX_LINKS} links in a row`,
  );
}

/**
 * Trees of files, read and written where a run finds them.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { fileSink } from "../../core/files.ts";
import type { TreeEntry } from "../../repositories/driver.ts";

/**
 * The members of a tree, parents before what is in them, in the order of their names.
 *
 * @param root Where it lies.
 * @param within The path of a folder in it, with a slash at the end.
 * @returns The members.
 */
export async function* treeEntries(root: string, within = ""): AsyncGenerator<TreeEntry, void, void> {
  const names = await Array.fromAsync(Deno.readDir(`${root}/${within}`), ({ name }) => name);
  for (const name of names.sort()) {
    const path = `${within}${name}`;
    const whole = `${root}/${path}`;
    const { isDirectory, isSymlink, mode, size } = await Deno.lstat(whole);
    if (isSymlink) yield { kind: "symlink", path, target: await Deno.readLink(whole) };
    else if (isDirectory) {
      yield { kind: "directory", path, mode: (mode ?? 0o755) & 0o7777 };
      yield* treeEntries(root, `${path}/`);
    } else {
      const open = async () => (await Deno.open(whole)).readable;
      yield { kind: "file", path, mode: (mode ?? 0o644) & 0o7777, size, open };
    }
  }
}

/**
 * Writes a tree in place of what is there.
 *
 * @param root Where.
 * @param entries Its members, parents before what is in them.
 */
export async function writeTree(
  root: string,
  entries: AsyncIterable<TreeEntry> | Iterable<TreeEntry>,
): Promise<void> {
  await Deno.mkdir(root, { recursive: true });
  for await (const { name } of Deno.readDir(root)) await Deno.remove(`${root}/${name}`, { recursive: true });
  for await (const entry of entries) {
    const path = `${root}/${entry.path}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (entry.kind === "directory") await Deno.mkdir(path, { recursive: true, mode: entry.mode });
    else if (entry.kind === "symlink") await Deno.symlink(entry.target, path);
    else await writeFile(path, await entry.open(), entry.mode);
  }
}

/**
 * Writes a file, over what is there.
 *
 * @param path Its path.
 * @param stream What it shall hold.
 * @param mode Its mode, when it is new.
 */
export async function writeFile(path: string, stream: ReadableStream<Bytes>, mode?: number): Promise<void> {
  const options = { write: true, create: true, truncate: true, ...(mode !== undefined && { mode }) };
  await stream.pipeTo(fileSink(await Deno.open(path, options)));
}

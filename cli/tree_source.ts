/**
 * Trees of files from folders and archives.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import { UsageError } from "../core/errors.ts";
import type { BlobDriver, TreeEntry } from "../repositories/driver.ts";
import { packed } from "../repositories/layers/packed.ts";

/**
 * A folder as a tree.
 *
 * @param folder The folder.
 * @returns Its entries, parents before what is in them. Links are kept as links.
 */
export async function* folderEntries(folder: string): AsyncGenerator<TreeEntry, void, void> {
  const pending = [""];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const here = at === "" ? folder : `${folder}/${at}`;
    for (const { name } of [...Deno.readDirSync(here)].sort((a, b) => a.name < b.name ? -1 : 1)) {
      const path = at === "" ? name : `${at}/${name}`;
      const full = `${folder}/${path}`;
      const info = await Deno.lstat(full);
      const mode = (info.mode ?? 0o644) & 0o777;
      if (info.isSymlink) yield { kind: "symlink", path, target: await Deno.readLink(full) };
      else if (info.isDirectory) {
        yield { kind: "directory", path, mode };
        pending.push(path);
      } else if (info.isFile) {
        yield {
          kind: "file",
          path,
          mode,
          size: info.size,
          open: async () => (await Deno.open(full)).readable,
        };
      } else {throw new UsageError(
          `Cannot read ${full}: it is neither a file, a folder nor a link; leave it out`,
        );}
    }
  }
}

/**
 * An archive as a tree: tar, plain or compressed with gzip or zstd.
 *
 * @param archive Its bytes.
 * @param name What errors call it.
 * @returns Its entries.
 */
export async function tarEntries(
  archive: ReadableStream<Bytes>,
  name: string,
): Promise<AsyncIterable<TreeEntry>> {
  const unsupported = (): never => {
    throw new UsageError(`Cannot write to ${name}`);
  };
  const single: BlobDriver = {
    name,
    identity: name,
    supports: {
      writable: false,
      consistentListing: true,
      reach: "process",
      durable: false,
      conditional: false,
      ranges: false,
    },
    async *keys() {},
    has: () => Promise.resolve(true),
    read: () => Promise.resolve(archive),
    delete: unsupported,
    write: unsupported,
  };
  const entries = await packed()(single).entries("archive");
  if (entries) return entries;
  throw new UsageError(`Cannot read ${name}: it is empty`);
}

/**
 * The layer that keeps trees of files as tar archives in a store of blobs.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { isDatataskError, RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { capabilitiesOver } from "../capabilities.ts";
import type { BlobDriver, FilesystemDriver, OperationOptions, TreeEntry, WriteOptions } from "../driver.ts";
import { resolveInTree, treeParts } from "../tree.ts";
import { checkLevel, damagedBlob } from "./compressed.ts";
import { type Compression, openCompressor } from "./compression.ts";
import type { TarEntries } from "./tar_entries.ts";
import { keyFunctions, unsizedInfo } from "./wrap.ts";

/** How {@linkcode packed} does it. */
export interface PackedOptions {
  /** How archives are compressed when they are written. Default: not at all. Archives of every kind are read. */
  readonly compression?: Compression | undefined;
  /** How hard to try: 1 to 9 for gzip, 1 to 22 for zstd. Default: the format's own. */
  readonly level?: number | undefined;
}

/**
 * Keeps trees of files as tar archives, one blob each, that `tar` reads and writes: plain, gzip and zstd archives are read alike. Files,
 * modes, empty folders and symbolic links are kept; owners and times are not, so that equal trees make equal archives. Hard links
 * to members of the archive are read as files; devices, names that climb out, members below a link or file, and members that come
 * twice are refused. An archive that is damaged or cut short is an error that names the key.
 *
 * Keys, deletes, conditions and `watch` are those of the blobs; what is beside is packed too. Nothing holds a whole archive or file in memory.
 *
 * @param options How archives are compressed.
 * @returns A function that makes a driver of trees of a driver of blobs.
 * @throws {DefinitionError} When the format has no such level.
 */
export function packed(options: PackedOptions = {}): (blobs: BlobDriver) => FilesystemDriver {
  const { compression, level } = options;
  if (compression) checkLevel(compression, level);
  let loading: Promise<typeof import("./tar.ts")> | undefined;
  const tar = (): Promise<typeof import("./tar.ts")> => loading ??= import("./tar.ts");
  return function pack(blobs: BlobDriver): FilesystemDriver {
    const name = `${blobs.name} (tar)`;
    const entriesOf = async (key: Key, opts?: OperationOptions): Promise<TarEntries | undefined> => {
      opts?.signal?.throwIfAborted();
      const stream = await blobs.read(key, opts);
      if (!stream) return undefined;
      const { expand, TarEntries } = await tar();
      const again = async (path: string): Promise<ReadableStream<Bytes>> => {
        for await (const entry of await entriesOf(key, opts) ?? []) {
          if (entry.kind === "file" && entry.path === path) return await entry.open();
        }
        throw damagedBlob(name, key, "tar", new Error(`${JSON.stringify(path)} is gone`));
      };
      const explain = (error: unknown): unknown => explainTar(name, key, error);
      return new TarEntries(await expand(stream, opts?.signal, explain), explain, again, opts?.signal);
    };
    return {
      ...keyFunctions(blobs),
      ...unsizedInfo(blobs),
      name,
      identity: `tar(${blobs.identity})`,
      supports: capabilitiesOver(blobs, { ranges: false }),
      derived: { by: "same", parts: [blobs], over: ([part]) => pack(part as BlobDriver) },
      entries: entriesOf,
      async open(key: Key, path: string, opts?: OperationOptions) {
        treeParts(path); // Refused before the archive is opened.
        return await resolveInTree(await entriesOf(key, opts), path);
      },
      async write(key: Key, entries: AsyncIterable<TreeEntry>, opts?: WriteOptions) {
        opts?.signal?.throwIfAborted();
        const coder = compression && await openCompressor(compression, level);
        const { writeTar } = await tar();
        await writeTar(
          entries,
          opts?.signal,
          (archive) => blobs.write(key, coder ? coder.compressStream(archive, opts?.signal) : archive, opts),
        );
      },
      ...(blobs.beside && { beside: (other: string) => pack(blobs.beside!(other)) }),
    };
  };
}

/** What an error met in an archive means to its reader. */
function explainTar(subject: string, key: Key, error: unknown): unknown {
  if (!isDatataskError(error)) return damagedBlob(subject, key, "tar", error);
  if (error.code !== "invalid-value" || error.context.key !== undefined) return error;
  return new RepositoryError(
    "invalid-value",
    `Cannot read "${key}" of ${subject}: its archive is refused: ${error.message}; write it again`,
    { operation: "read", subject, key, cause: error },
  );
}

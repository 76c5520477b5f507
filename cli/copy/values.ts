/**
 * Copying one value between two repositories of a kind, and its digest: of the bytes of a blob, of what a document says, of what a tree
 * holds. Equal values have equal digests wherever they lie.
 *
 * @module
 */
import { encodeText } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import type { BlobRepository } from "../../repositories/blob.ts";
import type { TreeEntry, WriteOptions } from "../../repositories/driver.ts";
import type { FilesystemRepository } from "../../repositories/filesystem.ts";
import type { MetadataRepository } from "../../repositories/metadata.ts";
import type { Repository } from "../../repositories/repository.ts";
import { encodeDocument } from "../backup/document.ts";
import { type Digest, type Digesting, digesting, digestOf } from "../backup/digesting.ts";

/** Reads and copies values of one kind. */
export interface Values {
  /**
   * Copies a value.
   *
   * @returns The digest of what was read.
   */
  copy(key: Key, options: WriteOptions & { readonly signal: AbortSignal }): Promise<Digest>;
  /** The digest of a value in the repository that is copied from. */
  digestFrom(key: Key, signal: AbortSignal): Promise<Digest>;
  /** The digest of a value in the repository that is copied to. */
  digestTo(key: Key, signal: AbortSignal): Promise<Digest>;
}

/**
 * Reads and copies values of the kind that two repositories hold.
 *
 * @param from Where values come from.
 * @param to Where they go: a repository of the same kind.
 * @returns How.
 */
export function valuesOf(from: Repository, to: Repository): Values {
  if (from.kind === "blob") return blobValues(from as BlobRepository, to as BlobRepository);
  if (from.kind === "metadata") return documentValues(from as MetadataRepository, to as MetadataRepository);
  return treeValues(from as FilesystemRepository, to as FilesystemRepository);
}

/** Values that are byte streams. */
function blobValues(from: BlobRepository, to: BlobRepository): Values {
  const digest = async (repository: BlobRepository, key: Key, signal: AbortSignal): Promise<Digest> =>
    await digestOf(await repository.open(key, { signal }), signal);
  return {
    async copy(key, options) {
      const passing = await digesting(await from.open(key, { signal: options.signal }));
      await to.put(key, passing.stream, options);
      return passing.end();
    },
    digestFrom: (key, signal) => digest(from, key, signal),
    digestTo: (key, signal) => digest(to, key, signal),
  };
}

/** Values that are documents. The order of their fields does not count. */
function documentValues(from: MetadataRepository, to: MetadataRepository): Values {
  const digest = async (document: unknown, signal: AbortSignal): Promise<Digest> =>
    await digestOf(encodeDocument(inOrder(document)), signal);
  return {
    async copy(key, options) {
      const document = await from.get(key, { signal: options.signal });
      const told = await digest(document, options.signal);
      await to.set(key, document, options);
      return told;
    },
    digestFrom: async (key, signal) => await digest(await from.get(key, { signal }), signal),
    digestTo: async (key, signal) => await digest(await to.get(key, { signal }), signal),
  };
}

/** The same document with the fields of plain objects in the order of their names. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== "object" || value === null) return value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, one]) => [name, inOrder(one)]),
  );
}

/** Values that are trees of files. The order of their entries does not count. */
function treeValues(from: FilesystemRepository, to: FilesystemRepository): Values {
  const digest = async (repository: FilesystemRepository, key: Key, signal: AbortSignal): Promise<Digest> => {
    const lines = new TreeLines();
    for await (const entry of lines.tap(await repository.entries(key, { signal }))) {
      if (entry.kind !== "file") continue;
      for await (const _ of await entry.open()) signal.throwIfAborted();
    }
    return await lines.end(signal);
  };
  return {
    async copy(key, options) {
      const lines = new TreeLines();
      await to.put(key, lines.tap(await from.entries(key, { signal: options.signal })), options);
      return await lines.end(options.signal);
    },
    digestFrom: (key, signal) => digest(from, key, signal),
    digestTo: (key, signal) => digest(to, key, signal),
  };
}

/** What a tree holds, a line for each entry, gathered while it passes. */
class TreeLines {
  readonly #lines = new Map<string, () => string>();
  #size = 0;

  async *tap(entries: AsyncIterable<TreeEntry>): AsyncGenerator<TreeEntry, void, void> {
    for await (const entry of entries) {
      const { kind, path } = entry;
      if (kind === "file") {
        let last: Digesting | undefined;
        this.#lines.set(path, () => JSON.stringify([path, kind, entry.mode, last?.end().sha256]));
        this.#size += entry.size;
        yield { ...entry, open: async () => (last = await digesting(await entry.open())).stream };
        continue;
      }
      this.#lines.set(
        path,
        () => JSON.stringify([path, kind, kind === "symlink" ? entry.target : entry.mode]),
      );
      yield entry;
    }
  }

  async end(signal: AbortSignal): Promise<Digest> {
    const lines = [...this.#lines].sort(([a], [b]) => a < b ? -1 : 1).map(([, line]) => line());
    const { sha256 } = await digestOf(encodeText(lines.join("\n")), signal);
    return { sha256, size: this.#size };
  }
}

/**
 * Repositories of trees of files.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import type { Key } from "../core/key.ts";
import { NotFoundError } from "../core/errors.ts";
import type {
  FilesystemDriver,
  KeyLayer,
  Layer,
  OperationOptions,
  TreeEntry,
  WriteOptions,
} from "./driver.ts";
import { Repository } from "./repository.ts";
import { resolveInTree, treeParts } from "./tree.ts";

/** A repository whose values are trees of files, folders and symbolic links. */
export class FilesystemRepository extends Repository<FilesystemDriver> {
  /** What kind of value it holds. */
  override readonly kind = "filesystem" as const;

  /**
   * The tree, parents before what is in them.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @returns The entries, as they arrive.
   * @throws {NotFoundError} When there is none.
   */
  async entries(key: Key, options?: OperationOptions): Promise<AsyncIterable<TreeEntry>> {
    const entries = await this.perform(
      "read",
      key,
      options,
      async () => (await this.admits(key, options)) ? await this.driver.entries(key, options) : undefined,
    );
    if (entries === undefined) throw this.missing("read", key);
    return entries;
  }

  /**
   * One file of a tree. Links inside the tree are followed; none leads out of it.
   *
   * @param key Of which key.
   * @param path Of which file, relative to the tree.
   * @param options When to stop.
   * @returns Its content.
   * @throws {NotFoundError} When there is no such tree or file.
   */
  async open(key: Key, path: string, options?: OperationOptions): Promise<ReadableStream<Bytes>> {
    const stream = await this.perform("read", key, options, async () => {
      if (!await this.admits(key, options)) return undefined;
      treeParts(path); // Before anything is open: a path that climbs is refused.
      if (this.driver.open) return await this.driver.open(key, path, options);
      return await resolveInTree(await this.driver.entries(key, options), path);
    });
    if (stream !== undefined) return stream;
    throw new NotFoundError(
      `Cannot read ${JSON.stringify(path)} in "${key}" of ${this.name}: there is no such file`,
      {
        operation: "read",
        subject: this.name,
        key,
      },
    );
  }

  /**
   * Puts a tree in place of the old one: whole, or not at all.
   *
   * @param key Of which key.
   * @param entries The entries, in any order; missing parents are made.
   * @param options When to stop, and on which condition to write.
   * @throws {RepositoryError} When the key is invalid, when the condition does not hold (`already-exists`, `conflict`), or when it cannot be written.
   */
  put(
    key: Key,
    entries: AsyncIterable<TreeEntry> | Iterable<TreeEntry>,
    options?: WriteOptions,
  ): Promise<void> {
    return this.perform("write", key, options, async () => {
      await this.checkAdmitted("write", key, options);
      await this.driver.write(key, checked(entries), options);
    });
  }

  /**
   * This repository under a layer.
   *
   * @param layer What to put over it.
   * @returns A new repository; this one is unchanged.
   */
  with(layer: Layer<FilesystemDriver> | KeyLayer): FilesystemRepository {
    return new FilesystemRepository(layer(this.driver));
  }
}

/** The entries of a tree; a text, or whatever else nobody checked the type of, is refused. */
async function* checked(
  entries: AsyncIterable<TreeEntry> | Iterable<TreeEntry>,
): AsyncGenerator<TreeEntry, void, void> {
  const refused = (found: unknown): Error =>
    new TypeError(
      `a tree is written as entries { kind, path, ... }, and ${
        found === null ? "null" : `a ${typeof found}`
      } is none`,
    );
  const items: unknown = entries;
  if (typeof items !== "object" || items === null) throw refused(items);
  for await (const entry of entries) {
    if (typeof (entry as TreeEntry | null)?.path !== "string") throw refused(entry);
    yield entry;
  }
}

/**
 * Links to many values, as a body sees them.
 *
 * @module
 */
import type { Bytes, Content } from "../core/bytes.ts";
import type { Key } from "../core/key.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { OperationOptions, TreeEntry } from "../repositories/driver.ts";
import type { FilesystemRepository } from "../repositories/filesystem.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Repository } from "../repositories/repository.ts";
import { type BoundInput, type Guard, guardedBy } from "./bound.ts";
import type { ItemKeys } from "./link.ts";
import type { Draft } from "./many.ts";

/** A repository of which any key may be read. */
export interface BoundLookup {
  /** Whether there is a value. */
  has(key: Key): Promise<boolean>;
  /** All keys. */
  keys(): AsyncIterable<Key>;
}

/** Blobs of which any may be read. */
export interface BoundBlobLookup extends BoundLookup {
  /** A whole value, as text in UTF-8. */
  text(key: Key): Promise<string>;
  /** A whole value. */
  bytes(key: Key): Promise<Bytes>;
  /** A whole value, or nothing. */
  find(key: Key): Promise<Bytes | undefined>;
  /** A value as a stream. */
  open(key: Key): Promise<ReadableStream<Bytes>>;
}

/** Documents of which any may be read. */
export interface BoundDocumentLookup<T> extends BoundLookup {
  /** A document. */
  get(key: Key): Promise<T>;
  /** A document, or nothing. */
  find(key: Key): Promise<T | undefined>;
}

/** Trees of which any may be read. */
export interface BoundTreeLookup extends BoundLookup {
  /** A tree, parents before what is in them. */
  entries(key: Key): Promise<AsyncIterable<TreeEntry>>;
  /** One file of a tree. */
  open(key: Key, path: string): Promise<ReadableStream<Bytes>>;
}

/** What a repository becomes for a body that may read any key of it. */
export type Lookup<R extends Repository> = R extends BlobRepository ? BoundBlobLookup
  : R extends MetadataRepository<infer T> ? BoundDocumentLookup<T>
  : R extends FilesystemRepository ? BoundTreeLookup
  : BoundLookup;

/** An item of a streaming input: bound to its key, with the values that cokeyed repositories have under it. */
export type StreamItem<R extends Repository, C> =
  & BoundInput<R>
  & { readonly [N in keyof C]: C[N] extends Repository ? BoundInput<C[N]> : never };

/** A streaming input: its items as they come, to the last. Each `for await` over it begins anew. */
export type BoundStream<R extends Repository, C> = AsyncIterable<StreamItem<R, C>>;

/** A value on its way into a repository. */
export type ItemValue<R> = R extends BlobRepository ? string | Content
  : R extends MetadataRepository<infer T> ? T
  : R extends FilesystemRepository ? AsyncIterable<TreeEntry> | Iterable<TreeEntry>
  : never;

/** Values that go under the key of an item. Of those that have automatic values, a part is enough. */
export type CokeyedValues<C, A extends PropertyKey> =
  & object
  & {
    readonly [N in keyof C]?: N extends A ? Draft<C[N]> : ItemValue<C[N]>;
  };

/** A streaming output whose items are called by name. */
export interface BoundItems<V, B, K = Key> {
  /**
   * Publishes an item, at once. Under the same name again it replaces the item.
   *
   * @param name What it is called, within the job.
   * @param value Its value.
   * @param cokeyed What goes under the same key. It is there before the item is.
   * @returns Its key; nothing when it was empty and the link drops such items.
   */
  write(name: string, value: V, cokeyed?: B): Promise<K>;
}

/** A streaming output whose items are called by what they hold. */
export interface BoundContents<V, B, K = Key> {
  /**
   * Publishes an item, at once.
   *
   * @param value Its value.
   * @param cokeyed What goes under the same key. It is there before the item is.
   * @returns Its key: the SHA-256 of the value, in hex; nothing when it was empty and the link drops such items.
   */
  write(value: V, cokeyed?: B): Promise<K>;
}

/** What a repository becomes for a body that publishes many values into it. */
export type Items<
  R extends Repository,
  C,
  N extends ItemKeys,
  A extends PropertyKey,
  O,
  E extends boolean = false,
> = N extends "content" ? BoundContents<
    [O] extends [undefined] ? ItemValue<R> : Draft<R>,
    CokeyedValues<C, A>,
    [E] extends [false] ? Key : Key | undefined
  >
  : BoundItems<
    [O] extends [undefined] ? ItemValue<R> : Draft<R>,
    CokeyedValues<C, A>,
    [E] extends [false] ? Key : Key | undefined
  >;

/**
 * A repository to be read by any key.
 *
 * @param repository Which.
 * @param guard Asked before each call.
 * @returns What the body gets.
 */
export function bindLookup(repository: Repository, guard: Guard): BoundLookup {
  const options: OperationOptions = { signal: guard.signal };
  const guarded = guardedBy(guard);
  const base: BoundLookup = {
    has: (key) => guarded(() => repository.has(key, options)),
    keys: () => {
      guard.check();
      return repository.keys(options);
    },
  };
  switch (repository.kind) {
    case "blob": {
      const blobs = repository as BlobRepository;
      const bound: BoundBlobLookup = {
        ...base,
        text: (key) => guarded(() => blobs.text(key, options)),
        bytes: (key) => guarded(() => blobs.bytes(key, options)),
        find: (key) => guarded(() => blobs.find(key, options)),
        open: (key) => guarded(() => blobs.open(key, options)),
      };
      return bound;
    }
    case "metadata": {
      const documents = repository as MetadataRepository;
      const bound: BoundDocumentLookup<unknown> = {
        ...base,
        get: (key) => guarded(() => documents.get(key, options)),
        find: (key) => guarded(() => documents.find(key, options)),
      };
      return bound;
    }
    case "filesystem": {
      const trees = repository as FilesystemRepository;
      const bound: BoundTreeLookup = {
        ...base,
        entries: (key) => guarded(() => trees.entries(key, options)),
        open: (key, path) => guarded(() => trees.open(key, path, options)),
      };
      return bound;
    }
    default:
      return base;
  }
}

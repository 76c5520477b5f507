/**
 * One item of a repository, by itself.
 *
 * @module
 */
import type { Bytes, Content } from "../../core/bytes.ts";
import { checkKey, type Key } from "../../core/key.ts";
import type { BlobRepository } from "../blob.ts";
import type { OperationOptions, ReadOptions, TreeEntry, ValueInfo, WriteOptions } from "../driver.ts";
import type { FilesystemRepository } from "../filesystem.ts";
import type { MetadataRepository } from "../metadata.ts";
import type { AnyRepository } from "./view.ts";

/** One item of a repository of any kind. */
export interface Item<R extends AnyRepository = AnyRepository> {
  /** Of which repository. */
  readonly repository: R;
  /** Under which key. */
  readonly key: Key;
  /** Whether it is there. */
  has(options?: OperationOptions): Promise<boolean>;
  /** What is known of it without reading it. */
  info(options?: OperationOptions): Promise<ValueInfo | undefined>;
  /** Removes it. */
  delete(options?: OperationOptions): Promise<void>;
}

/** One blob. */
export interface BlobItem extends Item<BlobRepository> {
  /** See {@linkcode BlobRepository.open}. */
  open(options?: ReadOptions): Promise<ReadableStream<Bytes>>;
  /** See {@linkcode BlobRepository.find}. */
  find(options?: OperationOptions): Promise<Bytes | undefined>;
  /** See {@linkcode BlobRepository.bytes}. */
  bytes(options?: OperationOptions): Promise<Bytes>;
  /** See {@linkcode BlobRepository.text}. */
  text(options?: OperationOptions): Promise<string>;
  /** See {@linkcode BlobRepository.put}. */
  put(value: string | Content, options?: WriteOptions): Promise<void>;
  /** See {@linkcode BlobRepository.create}. */
  create(options?: WriteOptions): WritableStream<Bytes>;
}

/** One document. */
export interface MetadataItem<T> extends Item<MetadataRepository<T>> {
  /** See {@linkcode MetadataRepository.find}. */
  find(options?: OperationOptions): Promise<T | undefined>;
  /** See {@linkcode MetadataRepository.get}. */
  get(options?: OperationOptions): Promise<T>;
  /** See {@linkcode MetadataRepository.set}. */
  set(value: T, options?: WriteOptions): Promise<void>;
}

/** One tree of files. */
export interface FilesystemItem extends Item<FilesystemRepository> {
  /** See {@linkcode FilesystemRepository.entries}. */
  entries(options?: OperationOptions): Promise<AsyncIterable<TreeEntry>>;
  /** See {@linkcode FilesystemRepository.open}. */
  open(path: string, options?: OperationOptions): Promise<ReadableStream<Bytes>>;
  /** See {@linkcode FilesystemRepository.put}. */
  put(entries: AsyncIterable<TreeEntry> | Iterable<TreeEntry>, options?: WriteOptions): Promise<void>;
}

/** The methods of an item, by the kind of its repository: those of the repository whose first argument is a key. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  keys: [],
  blob: ["open", "find", "bytes", "text", "put", "create"],
  metadata: ["find", "get", "set"],
  filesystem: ["entries", "open", "put"],
};

/**
 * One item of a repository: the methods of the repository with the key filled in, deleting included. It is no repository: it lists nothing,
 * and has no `watch`.
 *
 * @param repository Of which repository.
 * @param key Under which key.
 * @returns The item.
 * @throws {RepositoryError} With code `invalid-key`.
 */
export function fixed(repository: BlobRepository, key: Key): BlobItem;
/** One document: see the first form. */
export function fixed<T>(repository: MetadataRepository<T>, key: Key): MetadataItem<T>;
/** One tree of files: see the first form. */
export function fixed(repository: FilesystemRepository, key: Key): FilesystemItem;
/** One item of any kind: see the first form. */
export function fixed(repository: AnyRepository, key: Key): Item;
export function fixed(repository: AnyRepository, key: Key): Item {
  checkKey(key, "fix", repository.name);
  const methods = repository as unknown as Record<string, (key: Key, ...rest: unknown[]) => unknown>;
  const item: Record<string, unknown> = { repository, key };
  for (const name of ["has", "info", "delete", ...METHODS[repository.kind]!]) {
    item[name] = (...rest: unknown[]) => methods[name]!.call(repository, key, ...rest);
  }
  return item as unknown as Item;
}

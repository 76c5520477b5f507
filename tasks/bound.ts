/**
 * Links as a body sees them: each bound to the job, and typed by its repository.
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
import type { BoundStream, Items, Lookup } from "./bound_many.ts";
import type { Direction, Link, Links } from "./link.ts";
import type { ItemsLink } from "./many.ts";

/** A repository bound to one key. */
export interface BoundKey {
  /** The key. */
  readonly key: Key;
  /** Whether there is a value. */
  exists(): Promise<boolean>;
}

/** A blob to read. */
export interface BoundBlobInput extends BoundKey {
  /** The whole value, as text in UTF-8. */
  text(): Promise<string>;
  /** The whole value. */
  bytes(): Promise<Bytes>;
  /** The value as a stream. */
  stream(): Promise<ReadableStream<Bytes>>;
}

/** A blob to write. It can be read too. */
export interface BoundBlobOutput extends BoundBlobInput {
  /** Puts a value there; it appears whole, or not at all. */
  write(value: string | Content): Promise<void>;
  /** A stream to write into; the value appears when it is closed. */
  create(): WritableStream<Bytes>;
}

/** A document to read. */
export interface BoundDocumentInput<T> extends BoundKey {
  /** The document. */
  get(): Promise<T>;
  /** The document, or nothing. */
  find(): Promise<T | undefined>;
}

/** A document to write. It can be read too. */
export interface BoundDocumentOutput<T> extends BoundDocumentInput<T> {
  /** Puts the document there, in one step. */
  write(value: T): Promise<void>;
}

/** A tree of files to read. */
export interface BoundTreeInput extends BoundKey {
  /** The tree, parents before what is in them. */
  entries(): Promise<AsyncIterable<TreeEntry>>;
  /** One file of the tree. */
  open(path: string): Promise<ReadableStream<Bytes>>;
}

/** A tree of files to write. It can be read too. */
export interface BoundTreeOutput extends BoundTreeInput {
  /** Puts a tree there: whole, or not at all. */
  write(entries: AsyncIterable<TreeEntry> | Iterable<TreeEntry>): Promise<void>;
}

/** What a repository becomes, bound to a job: to be read. */
export type BoundInput<R extends Repository> = R extends BlobRepository ? BoundBlobInput
  : R extends MetadataRepository<infer T> ? BoundDocumentInput<T>
  : R extends FilesystemRepository ? BoundTreeInput
  : BoundKey;

/** What a repository becomes, bound to a job: to be written. */
export type BoundOutput<R extends Repository> = R extends BlobRepository ? BoundBlobOutput
  : R extends MetadataRepository<infer T> ? BoundDocumentOutput<T>
  : R extends FilesystemRepository ? BoundTreeOutput
  : BoundKey;

/** What a link becomes for a body. */
export type BoundLink<K extends Link> = K extends
  ItemsLink<infer R, infer C, infer N, infer A, infer O, infer E> ? Items<R, C, N, A, O, E>
  : K extends Link<infer R, infer D, infer V, infer C> ? V extends "lookup" ? Lookup<R>
    : V extends "stream" ? BoundStream<R, C>
    : V extends "key" ? Key
    : V extends "value" ? (R extends MetadataRepository<infer T> ? T : never)
    : V extends "none" ? never
    : D extends "in" ? BoundInput<R>
    : BoundOutput<R> & { readonly [N in keyof C]: BoundOutput<C[N]> }
  : never;

/** What the links of a task become for a body. */
export type Bound<L extends Links> = { readonly [N in keyof L]: BoundLink<L[N]> };

/** What a bound link asks before each call: throws when the attempt is over, so that a late one publishes nothing. */
export interface Guard {
  /** Passed to each operation. */
  readonly signal: AbortSignal;
  /** Throws when the attempt is over. */
  check(): void;
}

/**
 * Makes calls only while an attempt goes on.
 *
 * @param guard Asked before each call.
 * @returns A function that makes a call, or is rejected with what the guard throws.
 */
export function guardedBy(guard: Guard): <T>(call: () => Promise<T>) => Promise<T> {
  return (call) => {
    try {
      guard.check();
      return call();
    } catch (error) {
      return Promise.reject(error);
    }
  };
}

/**
 * Binds a repository to one key.
 *
 * @param repository Which.
 * @param key To which key.
 * @param direction Which way data may flow.
 * @param guard Asked before each call.
 * @returns The bound repository.
 */
export function bind(repository: Repository, key: Key, direction: Direction, guard: Guard): BoundKey {
  const options: OperationOptions = { signal: guard.signal };
  const guarded = guardedBy(guard);
  const base = { key, exists: () => guarded(() => repository.has(key, options)) };
  const writable = direction !== "in";
  switch (repository.kind) {
    case "blob": {
      const blobs = repository as BlobRepository;
      return {
        ...base,
        text: () => guarded(() => blobs.text(key, options)),
        bytes: () => guarded(() => blobs.bytes(key, options)),
        stream: () => guarded(() => blobs.open(key, options)),
        ...(writable && {
          write: (value: string | Content) => guarded(() => blobs.put(key, value, options)),
          create: () => {
            guard.check();
            return blobs.create(key, options);
          },
        }),
      } as BoundBlobInput;
    }
    case "metadata": {
      const documents = repository as MetadataRepository;
      return {
        ...base,
        get: () => guarded(() => documents.get(key, options)),
        find: () => guarded(() => documents.find(key, options)),
        ...(writable && { write: (value: unknown) => guarded(() => documents.set(key, value, options)) }),
      } as BoundDocumentInput<unknown>;
    }
    case "filesystem": {
      const trees = repository as FilesystemRepository;
      return {
        ...base,
        entries: () => guarded(() => trees.entries(key, options)),
        open: (path: string) => guarded(() => trees.open(key, path, options)),
        ...(writable && {
          write: (entries: AsyncIterable<TreeEntry> | Iterable<TreeEntry>) =>
            guarded(() => trees.put(key, entries, options)),
        }),
      } as BoundTreeInput;
    }
    default:
      return base;
  }
}

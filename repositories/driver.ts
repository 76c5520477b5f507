/**
 * The contract of whoever stores values: a driver is a record of functions, one kind of record per kind of value.
 *
 * Whoever adds a store writes a driver and nothing else. Key checks, errors with context, abort before the call and "missing" are
 * done once, in the classes of `repository.ts`. What is written here as a duty has a case of the same words in `testing/`.
 *
 * Rules for all drivers:
 * - A driver is a plain record of closures: a copy `{ ...driver }` works as well.
 * - A missing value is `undefined`. Everything else that goes wrong is thrown as the client throws it; `classify` tells what it means.
 * - Nothing but `keys()` lists, and what it yields may hold names that are no keys: they are skipped above, with one warning.
 * - Every operation stops soon after its signal is aborted and throws the signal's reason.
 *
 * @module
 */
import type { Bytes, Content } from "../core/bytes.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { Key } from "../core/key.ts";

/** Options that every operation takes. */
export interface OperationOptions {
  /** Ends the operation early; it then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of listing. */
export interface ListingOptions extends OperationOptions {
  /**
   * Told of each key of which it cannot be known whether it is there, since the value that would say so is damaged. The listing then goes on, and what
   * it says of this key does not count. Default: the listing fails. Only views that read values in order to list can tell.
   */
  readonly onUnreadable?: ((key: Key, error: unknown) => void) | undefined;
}

/** Options of operations that write. */
export interface WriteOptions extends OperationOptions {
  /** Write only when there is no value: otherwise throw with code `already-exists`. Needs `supports.conditional`. */
  readonly ifAbsent?: boolean | undefined;
  /** Write only over the value of this version (see {@linkcode ValueInfo.version}): otherwise throw with code `conflict`. */
  readonly ifVersion?: string | undefined;
}

/** Options of making ready. */
export interface PrepareOptions extends OperationOptions {
  /** Whether to look for what dead processes have left, which may cost a listing. Default: `true`. */
  readonly sweep?: boolean | undefined;
  /** Processes known to be dead, by the names that they give themselves in names of unfinished files. Default: none. */
  readonly dead?: ReadonlySet<string> | undefined;
  /** Whether values will be written. Where not, a store that may only be read is good enough. Default: `true`. */
  readonly write?: boolean | undefined;
}

/** Options of reading a blob. */
export interface ReadOptions extends OperationOptions {
  /** The first byte wanted. Default: 0. Needs `supports.ranges`. */
  readonly start?: number | undefined;
  /** The byte after the last one wanted. Default: the end. Needs `supports.ranges`. */
  readonly end?: number | undefined;
}

/** What a driver can do, for tests and callers to ask instead of its name. */
export interface Capabilities {
  /** Values can be written and deleted; otherwise both throw with code `unsupported`. */
  readonly writable: boolean;
  /** A finished write or delete is in the next listing. */
  readonly consistentListing: boolean;
  /** Who sees the same values: this process, processes of this machine, or other machines too. */
  readonly reach: "process" | "machine" | "network";
  /** Values outlive the process. */
  readonly durable: boolean;
  /** `ifAbsent` and `ifVersion` are honored, also between processes. */
  readonly conditional: boolean;
  /** `start` and `end` of a read are honored. */
  readonly ranges: boolean;
}

/** What is known of a value without reading it. */
export interface ValueInfo {
  /** In bytes, where it is known. */
  readonly size?: number | undefined;
  /** When it was last written, in milliseconds since 1970. */
  readonly modified?: number | undefined;
  /** Changes whenever the value does: an ETag, or what stands for one. */
  readonly version?: string | undefined;
}

/** What a watch tells: that a key came, went or got a new value, or (`rescan`) that something may have been missed. */
export type Change = { readonly key: Key; readonly present: boolean } | "rescan";

/**
 * How the keys of a derived driver follow from those beneath, so that a pipeline can keep them without listing.
 *
 * - `same`: the keys of the one part (a layer over the values).
 * - `and`, `or`: in all of the parts, in any of them. `except`: in the first and in none of the others.
 * - `pointwise`: whether a key is in depends on that same key in the parts; `has` tells.
 * - `opaque`: a change in a part can change any key; only a listing tells.
 */
export interface Derivation {
  /** How. */
  readonly by: "same" | "and" | "or" | "except" | "pointwise" | "opaque";
  /** From which drivers. */
  readonly parts: readonly KeyDriver[];
  /** The same made of other parts of the same kinds: how tests put memory beneath it. */
  readonly over?: ((parts: readonly KeyDriver[]) => KeyDriver) | undefined;
}

/** What every store can do: tell, list and delete keys. */
export interface KeyDriver {
  /** What errors and graphs call it: `files ./reports/*.txt`. No secrets. */
  readonly name: string;
  /**
   * Says which store this is, the same in every process and on every run: two drivers of one identity share their values.
   * A store in memory makes one up that is unique in its process.
   */
  readonly identity: string;
  /** What it can do. */
  readonly supports: Capabilities;
  /** Set by drivers that are made of others. */
  readonly derived?: Derivation | undefined;
  /** All keys, in pages, each key once, in no order. An absent store has none. */
  keys(options?: ListingOptions): AsyncIterable<readonly string[]>;
  /** Whether there is a value. Throws when that cannot be known: "not allowed" is not "absent". */
  has(key: Key, options?: OperationOptions): Promise<boolean>;
  /** Removes the value; does nothing when there is none. */
  delete(key: Key, options?: OperationOptions): Promise<void>;
  /** What is known of a value without reading it, or nothing when there is none. */
  info?(key: Key, options?: OperationOptions): Promise<ValueInfo | undefined>;
  /**
   * Makes the store when it is absent and sees that it can be used, once, when a pipeline opens; removes what dead processes have left there.
   * Safe to call twice.
   */
  prepare?(options?: PrepareOptions): Promise<void>;
  /** Changes as they happen, from the first `next()` on. Ends when the signal is aborted. May tell a change twice; tells `rescan` when unsure. */
  watch?(options: OperationOptions): AsyncIterable<Change>;
  /** Whether this driver has this key at all: set by layers that hide some, enforced above on every operation. */
  admits?(key: Key, options?: OperationOptions): boolean | Promise<boolean>;
  /** What an error of this store's client means. */
  classify?(error: unknown): ErrorCode | undefined;
}

/** A store of byte streams. */
export interface BlobDriver extends KeyDriver {
  /** The value as a stream, or nothing. Cancelling the stream gives back what it holds. */
  read(key: Key, options?: ReadOptions): Promise<ReadableStream<Bytes> | undefined>;
  /** The whole value at once, where that is quicker than a stream. */
  readBytes?(key: Key, options?: OperationOptions): Promise<Bytes | undefined>;
  /**
   * Takes the content to its end and then shows it, whole, in place of the old value. When the content fails, the signal is aborted or
   * the write fails, nothing of it is ever seen and the old value stays.
   */
  write(key: Key, content: Content, options?: WriteOptions): Promise<void>;
  /** A store of the same kind beside this one, for what belongs to it: `_failed`, `_attempts`, `_logs`. Its keys are not this one's. */
  beside?(name: string): BlobDriver;
  /** For stores of files on this machine: where the value lies, present or not. Reading there is allowed; writing is not. */
  path?(key: Key): string;
  /** For stores of files on this machine: a new path on the same disk, to be given to `adopt`. Its folder is there; the file is not. */
  staging?(key: Key): Promise<string>;
  /** Takes a finished file at a path from `staging` as the value, in one step. */
  adopt?(key: Key, path: string, options?: WriteOptions): Promise<void>;
}

/** A store of structured documents, read and written whole. */
export interface MetadataDriver<T = unknown> extends KeyDriver {
  /** The document, or nothing. The caller may change what it gets. */
  get(key: Key, options?: OperationOptions): Promise<T | undefined>;
  /** Many documents, where that is quicker than one at a time; those that are missing are left out. */
  getMany?(keys: readonly Key[], options?: OperationOptions): Promise<ReadonlyMap<Key, T>>;
  /** Puts the document in place of the old one, in one step. Refuses, before anything is written, a value that it could not give back. */
  set(key: Key, value: T, options?: WriteOptions): Promise<void>;
  /**
   * Puts many documents, each in one step, where that is quicker than one at a time. Refuses all of them, before anything is written, when one
   * could not be given back; when it fails later, some may be written and others not. Layers leave it away unless they know it.
   */
  setMany?(values: ReadonlyMap<Key, T>, options?: OperationOptions): Promise<void>;
  /** A store of the same kind beside this one, for what belongs to it. */
  beside?(name: string): MetadataDriver<T>;
}

/** One entry of a tree of files. Paths are relative, with `/`, and never climb: no empty, `.` or `..` parts. */
export type TreeEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | {
    readonly kind: "file";
    readonly path: string;
    readonly mode: number;
    /** In bytes. */
    readonly size: number;
    /** The content; may be called more than once where the source allows it, and before the next entry is asked for. */
    open(): Promise<ReadableStream<Bytes>>;
  };

/** A store of trees of files. */
export interface FilesystemDriver extends KeyDriver {
  /** The tree, parents before what is in them, or nothing. */
  entries(key: Key, options?: OperationOptions): Promise<AsyncIterable<TreeEntry> | undefined>;
  /** One member, where that is quicker than going through the tree; nothing when it (or the tree) is missing. Follows no link out of the tree. */
  open?(key: Key, path: string, options?: OperationOptions): Promise<ReadableStream<Bytes> | undefined>;
  /** Puts a tree in place of the old one: whole, or not at all. Refuses entries that would climb out. */
  write(key: Key, entries: AsyncIterable<TreeEntry>, options?: WriteOptions): Promise<void>;
  /** A store of the same kind beside this one, for what belongs to it. */
  beside?(name: string): FilesystemDriver;
  /** For trees on this machine: where the tree lies, present or not. Reading there is allowed; writing is not. */
  path?(key: Key): string;
  /**
   * For trees on this machine: a new path on the same disk, to be given to `adopt`. Its folder is there; the tree is not, so that whoever makes
   * it can take note of it before.
   */
  staging?(key: Key): Promise<string>;
  /** Takes a finished folder at a path from `staging` as the value, in one step. */
  adopt?(key: Key, path: string, options?: WriteOptions): Promise<void>;
}

/** Driver in, driver of the same kind out. */
export type Layer<D extends KeyDriver> = (inner: D) => D;

/** A layer that fits every kind of value. */
export type KeyLayer = <D extends KeyDriver>(inner: D) => D;

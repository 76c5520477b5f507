/**
 * The combinator of a store with another for the values that do not fit into it.
 *
 * @module
 */
import type { Bytes, Content } from "../../core/bytes.ts";
import { DefinitionError, describeError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { BlobRepository } from "../blob.ts";
import type {
  BlobDriver,
  FilesystemDriver,
  MetadataDriver,
  OperationOptions,
  ReadOptions,
  TreeEntry,
  WriteOptions,
} from "../driver.ts";
import { FilesystemRepository } from "../filesystem.ts";
import { MetadataRepository } from "../metadata.ts";
import { commonKind } from "./or.ts";
import { Pair, unlessMissing } from "./pair.ts";
import type { AnyRepository } from "./view.ts";

/** How {@linkcode fallback} decides about documents. */
export interface FallbackOptions<T> {
  /**
   * Which documents go to the second store without the first being asked. Default: none. Whatever this says, a document that the first refuses with
   * code `invalid-value` goes to the second.
   */
  readonly when?: ((value: T, key: Key) => boolean) | undefined;
}

/** How {@linkcode fallback} decides about blobs and trees of files. */
export interface FallbackSizeOptions {
  /**
   * The largest value that goes to the first store, in bytes: of a tree, the lengths of its files, paths and link targets together. As much of
   * each value that is being written is held in memory.
   */
  readonly maxBytes: number;
}

/**
 * Values in one store, and those that do not fit into it in another: small blobs in a database, large ones in a bucket. Where one goes is
 * decided by the value: by `maxBytes` for blobs and trees, by `when` for documents, and by the first store's refusal of it (code
 * `invalid-value`: too large, of the wrong kind). Any other error, such as an outage, is an error, and the value goes nowhere. A blob or tree
 * is taken in until it is whole or too large for the first; then it flows on to the second as it comes, at the pace of that store.
 *
 * The first store counts before the second; a key in both is listed once. A write is seen whole in one step: the second store is written
 * before the first is cleared, and cleared after the first is written, so that a crash in between shows the old value or the new one, and
 * the next write or delete clears what was left. Deleting removes a value from both, the second before. Writes of one key in one process
 * take turns; two processes must not write one key at the same time. Conditions are not supported, since two stores cannot be written in
 * one step. Where both can tell of changes, `watch` tells of them, with what `has` says then.
 *
 * @param first The store that counts before the other.
 * @param second Where values go that the first does not take.
 * @param options Which values do.
 * @returns A repository of both.
 * @throws {DefinitionError} When the two hold values of different kinds, or the size is no number of bytes.
 * @example Large values elsewhere
 * ```ts
 * import { fallback, MemoryBlobRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const [small, large] = [new MemoryBlobRepository("small"), new MemoryBlobRepository("large")];
 * const books = fallback(small, large, { maxBytes: 1_000 });
 * await books.put("haiku", "An old silent pond…");
 * await books.put("moby-dick", "Call me Ishmael. ".repeat(1_000));
 * assert.deepEqual([await small.has("haiku"), await large.has("moby-dick")], [true, true]);
 * assert.deepEqual((await Array.fromAsync(books)).sort(), ["haiku", "moby-dick"]);
 * ```
 */
export function fallback<T>(
  first: MetadataRepository<T>,
  second: MetadataRepository<T>,
  options?: FallbackOptions<T>,
): MetadataRepository<T>;
/** Blobs, by their size: see the first form. */
export function fallback(
  first: BlobRepository,
  second: BlobRepository,
  options: FallbackSizeOptions,
): BlobRepository;
/** Trees of files, by their size: see the first form. */
export function fallback(
  first: FilesystemRepository,
  second: FilesystemRepository,
  options: FallbackSizeOptions,
): FilesystemRepository;
export function fallback(
  first: AnyRepository,
  second: AnyRepository,
  options: Partial<FallbackSizeOptions> & FallbackOptions<unknown> = {},
): AnyRepository {
  const kind = commonKind([first, second]);
  const over = (one: AnyRepository, other: AnyRepository): AnyRepository =>
    fallback(one as BlobRepository, other as BlobRepository, options as FallbackSizeOptions);
  const pair = <R extends AnyRepository>(): Pair<R> => new Pair(first as R, second as R, over);
  if (kind === "metadata") return new MetadataRepository(documents(pair<MetadataRepository>(), options));
  if (kind === "keys") {
    const kinds = first.kind === second.kind
      ? "repositories of keys alone"
      : `${first.kind} and ${second.kind}`;
    throw new DefinitionError(
      `Cannot make fallback() of ${kinds}; give it two repositories of blobs, of documents or of trees`,
    );
  }
  const { maxBytes = NaN } = options;
  if (!(maxBytes >= 0 && maxBytes < Infinity)) {
    throw new DefinitionError(
      `Cannot make fallback() with maxBytes ${options.maxBytes}; write the size of the largest value for the first store, in bytes`,
    );
  }
  return kind === "blob"
    ? new BlobRepository(blobs(pair(), maxBytes))
    : new FilesystemRepository(trees(pair(), maxBytes));
}

function documents<T>(
  pair: Pair<MetadataRepository<T>>,
  { when }: FallbackOptions<T>,
): MetadataDriver<T> {
  const { first, second } = pair;
  return {
    ...pair.keyDriver<MetadataDriver<T>>(),
    get: (key, opts) => pair.find((part) => part.find(key, opts), opts),
    async getMany(keys: readonly Key[], opts?: OperationOptions) {
      opts?.signal?.throwIfAborted();
      const found = new Map(await first.getMany(keys, opts));
      const missing = keys.filter((key) => !found.has(key));
      if (missing.length > 0) {
        for (const [key, value] of await second.getMany(missing, opts)) found.set(key, value);
      }
      return found;
    },
    async set(key: Key, value: T, opts?: WriteOptions) {
      pair.refuseConditions(key, opts);
      const put = (part: MetadataRepository<T>) => () => part.set(key, value, opts);
      await pair.write(key, opts, isForSecond(value, key, when) ? undefined : put(first), put(second));
    },
  };
}

function isForSecond<T>(value: T, key: Key, when: FallbackOptions<T>["when"]): boolean {
  try {
    return when?.(value, key) ?? false;
  } catch (error) {
    throw new Error(`\`when\` of fallback() threw: ${describeError(error)}`, { cause: error });
  }
}

function blobs(pair: Pair<BlobRepository>, maxBytes: number): BlobDriver {
  const { first, second } = pair;
  return {
    ...pair.keyDriver<BlobDriver>(),
    read: (key, opts?: ReadOptions) => pair.find((part) => unlessMissing(part.open(key, opts)), opts),
    readBytes: (key, opts) => pair.find((part) => part.find(key, opts), opts),
    async write(key, content: Content, opts?: WriteOptions) {
      const put = (part: BlobRepository, bytes: Bytes) => () => part.put(key, bytes, opts);
      try {
        pair.refuseConditions(key, opts);
      } catch (error) {
        if (content instanceof ReadableStream && !content.locked) await content.cancel(error).catch(() => {});
        throw error;
      }
      if (content instanceof Uint8Array) {
        const fits = content.length <= maxBytes;
        return await pair.write(key, opts, fits ? put(first, content) : undefined, put(second, content));
      }
      const { takeBlobAhead } = await import("./taken_ahead.ts");
      const taken = await takeBlobAhead(content, maxBytes, opts?.signal);
      if ("whole" in taken) {
        return await pair.write(key, opts, put(first, taken.whole), put(second, taken.whole));
      }
      await pair.writeFlowing(key, opts, taken, (flowing) => second.put(key, flowing, opts));
    },
  };
}

function trees(pair: Pair<FilesystemRepository>, maxBytes: number): FilesystemDriver {
  const { first, second } = pair;
  return {
    ...pair.keyDriver<FilesystemDriver>(),
    entries: (key, opts) => pair.find((part) => unlessMissing(part.entries(key, opts)), opts),
    async open(key, path, opts) {
      for (const part of pair.inOrder) {
        const stream = await unlessMissing(part.open(key, path, opts));
        // A tree that does not have the file counts all the same.
        if (stream || await part.has(key, opts)) return stream;
      }
      return undefined;
    },
    async write(key, entries: AsyncIterable<TreeEntry>, opts?: WriteOptions) {
      pair.refuseConditions(key, opts);
      const { takeTreeAhead } = await import("./taken_ahead.ts");
      const taken = await takeTreeAhead(entries, maxBytes, opts?.signal);
      if ("whole" in taken) {
        const put = (part: FilesystemRepository) => () => part.put(key, taken.whole, opts);
        return await pair.write(key, opts, put(first), put(second));
      }
      await pair.writeFlowing(key, opts, taken, (flowing) => second.put(key, flowing, opts));
    },
  };
}

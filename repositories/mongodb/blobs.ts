/**
 * Byte streams in MongoDB, in GridFS, as a repository.
 *
 * @module
 */
import { type Bytes, type Content, toStream } from "../../core/bytes.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { isDatataskError, RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { ObjectId } from "../../deps/mongodb.ts";
import { BlobRepository } from "../blob.ts";
import type { BlobDriver, OperationOptions, ReadOptions, WriteOptions } from "../driver.ts";
import { memoised } from "../memory_store.ts";
import { chunksOf } from "../stream_chunks.ts";
import { classifyMongo, DUPLICATE, explainMongo } from "./errors.ts";
import { CHUNK, GridFiles, type Pointer, type Upload } from "./gridfs.ts";
import { listKeys, prepareCollections } from "./keys.ts";
import { outdated, taken } from "./metadata.ts";
import { type Entry, type MongoOptions, MongoPlace, type MongoSource, SUPPORTS } from "./place.ts";
import { watchCollection } from "./watch.ts";

/** Options of a repository of blobs in GridFS. `collection` is what GridFS calls the bucket. */
export interface MongoBlobOptions extends MongoOptions {}

/** What has not stirred for so long was left by a crash, in milliseconds. */
const STALE = 24 * 3_600_000;

/** How often a write is tried that others keep getting in the way of. */
const TRIES = 100;

/**
 * A store of byte streams in GridFS. A value is written as a new file and shown, whole, by one small document that says which file is the
 * value of the key; the old file goes afterwards. Other programs find the files by their name, which is the key.
 *
 * What a crash leaves is removed when a repository is prepared a day later, or by {@linkcode MongoBlobRepository.sweep}.
 *
 * @param source A client or a database: itself, or as a resource of a session.
 * @param options Which bucket.
 * @returns The driver.
 * @throws {DefinitionError} When no collection can have that name.
 */
export function mongoBlobDriver(source: MongoSource, options: MongoBlobOptions): BlobDriver {
  return blobDriverOf(new MongoPlace(source, options, "gridfs"));
}

function blobDriverOf(place: MongoPlace): BlobDriver {
  const files = new GridFiles(place);
  const pointer = (
    operation: string,
    key: Key,
    options: OperationOptions | undefined,
  ): Promise<Pointer | undefined> => place.attempt(operation, key, options, () => files.pointer(key));
  return {
    name: place.name,
    identity: place.identity,
    supports: { ...SUPPORTS, ranges: true },
    keys: (options) => listKeys(place, ".keys", options),
    has: async (key, options) => await pointer("look up", key, options) !== undefined,
    async info(key, options) {
      const found = await pointer("look up", key, options);
      return found && { size: found.length, modified: found.modified.getTime(), version: found.version };
    },
    async prepare(options) {
      await prepareCollections(place, [".keys", ".files", ".chunks", ".uploads"], options);
      await place.attempt("prepare", undefined, options, () => files.prepare());
      if (options?.sweep ?? true) await files.sweep(Date.now() - STALE, options);
    },
    watch: (options) => watchCollection(() => files.keys, options.signal, "version"),
    async read(key, options) {
      const found = await pointer("read", key, options);
      return found && openFile(place, files, key, found, options);
    },
    async write(key, content, options) {
      const stream = toStream(content);
      try {
        await write(place, files, key, stream, options);
      } catch (error) {
        if (!stream.locked) await stream.cancel(error).catch(() => {});
        throw error;
      }
    },
    delete: (key, options) => remove(place, files, key, options),
    beside: memoised((name) => {
      const { options, source } = place;
      return mongoBlobDriver(source, { ...options, collection: `${options.collection}._${name}` });
    }),
    classify: classifyMongo,
  };
}

async function write(
  place: MongoPlace,
  files: GridFiles,
  key: Key,
  stream: Exclude<Content, Bytes>,
  options: WriteOptions | undefined,
): Promise<void> {
  const upload: Upload = { file: new ObjectId(), key, length: 0 };
  await place.attempt("write", key, options, async () => {
    if (options?.ifAbsent || options?.ifVersion !== undefined) {
      check(place.name, key, await files.pointer(key), options);
    }
    await files.note(upload.file, key);
  });
  let old: ObjectId | undefined;
  try {
    await files.take(upload, chunksOf(stream, options?.signal), options);
    old = await place.attempt("write", key, options, (again) => show(place, files, upload, options, again));
  } catch (error) {
    // Whether a write took effect whose connection broke is not known: its note tells it later.
    if (!isDatataskError(error, "unavailable")) await files.discard(upload.file).catch(() => {});
    throw error;
  }
  // The value is there. What is left to do is found by its note when it fails.
  await files.forget(upload.file).catch(() => {});
  if (old) await files.discard(old).catch(() => {});
}

/** Points the key to the new file, on the condition that it still points to what was seen. Tells what it pointed to. */
async function show(
  place: MongoPlace,
  files: GridFiles,
  upload: Upload,
  options: WriteOptions | undefined,
  again: boolean,
): Promise<ObjectId | undefined> {
  const { file, key, length } = upload;
  const version = file.toHexString();
  const mine = { _id: key, file, version, length, chunkSize: CHUNK, modified: new Date() } as Entry;
  if (!await files.stillNoted(file)) throw swept(place.name, key);
  for (let tries = 0; tries < TRIES; tries++) {
    const old = await files.pointer(key);
    if (again && old?.version === version) return undefined;
    check(place.name, key, old, options);
    if (old) {
      await files.note(old.file, key);
      const { matchedCount } = await files.keys.replaceOne({ _id: key, version: old.version }, mine);
      if (matchedCount === 1) return old.file;
    } else {
      try {
        await files.keys.insertOne(mine);
        return undefined;
      } catch (error) {
        if ((error as { code?: unknown }).code !== DUPLICATE) throw error;
      }
    }
    options?.signal?.throwIfAborted();
  }
  throw outdated(place.name, key);
}

function check(subject: string, key: Key, old: Pointer | undefined, options: WriteOptions | undefined): void {
  if (options?.ifAbsent && old) throw taken(subject, key);
  if (options?.ifVersion !== undefined && old?.version !== options.ifVersion) throw outdated(subject, key);
}

async function remove(
  place: MongoPlace,
  files: GridFiles,
  key: Key,
  options: OperationOptions | undefined,
): Promise<void> {
  const gone: ObjectId[] = [];
  await place.attempt("delete", key, options, async () => {
    for (let tries = 0; tries < TRIES; tries++) {
      const old = await files.pointer(key);
      if (!old) return;
      await files.note(old.file, key);
      gone.push(old.file);
      const { deletedCount } = await files.keys.deleteOne({ _id: key, version: old.version });
      if (deletedCount === 1) return;
      gone.pop();
    }
    throw outdated(place.name, key);
  });
  for (const file of gone) await files.discard(file).catch(() => {});
}

function openFile(
  place: MongoPlace,
  files: GridFiles,
  key: Key,
  pointer: Pointer,
  options: ReadOptions | undefined,
): ReadableStream<Bytes> {
  const { start = 0, signal } = options ?? {};
  const end = Math.min(options?.end ?? pointer.length, pointer.length);
  const { chunkSize } = pointer;
  const last = Math.ceil(end / chunkSize) - 1;
  let n = Math.floor(start / chunkSize);
  let chunks: ReturnType<GridFiles["chunks"]> | undefined;
  const close = async (): Promise<void> => {
    signal?.removeEventListener("abort", abort);
    await chunks?.close().catch(() => {});
  };
  const abort = (): void => void chunks?.close().catch(() => {});
  signal?.addEventListener("abort", abort, { once: true });
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        signal?.throwIfAborted();
        if (start >= end || n > last) {
          await close();
          return controller.close();
        }
        chunks ??= files.chunks(pointer, n, last);
        const { done, value } = await chunks.next();
        signal?.throwIfAborted();
        const size = Math.min(chunkSize, pointer.length - n * chunkSize);
        if (done || value.n !== n || value.data.length !== size) throw replaced(place.name, key);
        controller.enqueue(
          value.data.subarray(Math.max(0, start - n * chunkSize), Math.min(size, end - n * chunkSize)),
        );
        n++;
      } catch (error) {
        await close();
        throw signal?.aborted ? signal.reason : explainMongo("read", place.name, key, error);
      }
    },
    cancel: close,
  }, { highWaterMark: 0 });
}

function replaced(subject: string, key: Key): RepositoryError {
  return new RepositoryError(
    "conflict",
    `Cannot read "${key}" of ${subject}: its value was replaced or deleted meanwhile; read it again`,
    { operation: "read", subject, key, retry: "later" },
  );
}

function swept(subject: string, key: Key): RepositoryError {
  return new RepositoryError(
    "conflict",
    `Cannot write "${key}" of ${subject}: it took so long that it was taken for broken and swept away; write it again`,
    { operation: "write", subject, key, retry: "later" },
  );
}

/** A repository of byte streams in MongoDB, in GridFS. */
export class MongoBlobRepository extends BlobRepository {
  readonly #place: MongoPlace;

  /**
   * Blobs of a bucket.
   *
   * @param source A client or a database: itself, or as a resource of a session.
   * @param options Which bucket.
   * @throws {DefinitionError} When no collection can have that name.
   */
  constructor(source: MongoSource, options: MongoBlobOptions) {
    const place = new MongoPlace(source, options, "gridfs");
    super(blobDriverOf(place));
    this.#place = place;
  }

  /**
   * Removes what writes and deletions have left that broke off.
   *
   * @param options When to stop, and for how long a write must not have stirred to be taken for broken. Default: `"24h"`.
   * @returns How many files are gone.
   */
  async sweep(
    options: OperationOptions & { readonly olderThan?: Duration | undefined } = {},
  ): Promise<number> {
    const age = options.olderThan === undefined ? STALE : parseDuration(options.olderThan, "olderThan");
    return await new GridFiles(this.#place).sweep(Date.now() - age, options);
  }
}

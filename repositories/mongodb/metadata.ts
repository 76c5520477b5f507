/**
 * Documents in a collection of MongoDB as a repository: the `_id` is the key.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { AnyBulkWriteOperation, Document } from "../../deps/mongodb.ts";
import type { MetadataDriver, OperationOptions, WriteOptions } from "../driver.ts";
import { memoised } from "../memory_store.ts";
import { MetadataRepository } from "../metadata.ts";
import { fromDocument, toDocument } from "./document.ts";
import { classifyMongo, DUPLICATE } from "./errors.ts";
import { listKeys, prepareCollections } from "./keys.ts";
import { type Entry, type MongoOptions, MongoPlace, type MongoSource, SUPPORTS } from "./place.ts";
import { FIELD, stampOf } from "./stamp.ts";
import { watchCollection } from "./watch.ts";

/** How many documents are asked for, or written, in one request. */
const MANY = 500;

/** How many such requests are under way at a time. */
const ABREAST = 4;

/** How often a write is tried that collides with another of the same new key. */
const TRIES = 5;

/**
 * A store of documents in a collection: the value of `moby-dick` is the document with that `_id`.
 *
 * The fields of a value are the fields of its document, beside one named `_datatask` with its version. A value that is no object, or that
 * has names which a document cannot have, lies under the field `value`. Documents that other programs have put there can be read; a value
 * that could not be given back as it is, or has more than 16 MiB, is refused with code `invalid-value`.
 *
 * @param source A client or a database: itself, or as a resource of a session.
 * @param options Which collection.
 * @returns The driver.
 * @throws {DefinitionError} When no collection can have that name.
 */
export function mongoMetadataDriver<T = unknown>(
  source: MongoSource,
  options: MongoOptions,
): MetadataDriver<T> {
  const place = new MongoPlace(source, options, "mongodb");
  const one = (key: Key, fields: Record<string, 1>): Promise<Entry | null> =>
    place.collection().findOne({ _id: key }, { projection: fields });
  return {
    name: place.name,
    identity: place.identity,
    supports: SUPPORTS,
    keys: (options) => listKeys(place, "", options),
    has: (key, options) =>
      place.attempt("look up", key, options, async () => await one(key, { _id: 1 }) !== null),
    delete: (key, options) =>
      place.attempt(
        "delete",
        key,
        options,
        async () => void await place.collection().deleteOne({ _id: key }),
      ),
    info: (key, options) =>
      place.attempt("look up", key, options, async () => {
        const found = await one(key, { [FIELD]: 1 });
        if (!found) return undefined;
        const stamp = stampOf(found);
        return { version: stamp?.version, modified: stamp?.modified };
      }),
    async prepare(opts) {
      await prepareCollections(place, [""], opts);
      await place.attempt("prepare", undefined, opts, async () => {
        for (const field of options.indexes ?? []) await place.collection().createIndex({ [field]: 1 });
      });
    },
    watch: (options) => watchCollection(() => place.collection(), options.signal),
    get: (key, options) =>
      place.attempt("read", key, options, async () => {
        const found = await place.collection().findOne({ _id: key });
        return found === null ? undefined : fromDocument(found) as T;
      }),
    getMany: (keys, options) => getMany<T>(place, keys, options),
    async set(key, value, options) {
      options?.signal?.throwIfAborted();
      await write(place, key, toDocument(key, value, place.name), options);
    },
    async setMany(values, options) {
      options?.signal?.throwIfAborted();
      const writes = [...values].map(([key, value]) => ({
        replaceOne: { filter: { _id: key }, replacement: toDocument(key, value, place.name), upsert: true },
      }));
      for (let at = 0; at < writes.length; at += MANY) {
        await writeMany(place, writes.slice(at, at + MANY), options);
      }
    },
    beside: memoised((name) =>
      mongoMetadataDriver<T>(source, { ...options, collection: `${options.collection}._${name}` })
    ),
    classify: classifyMongo,
  };
}

async function getMany<T>(
  place: MongoPlace,
  keys: readonly Key[],
  options: OperationOptions | undefined,
): Promise<ReadonlyMap<Key, T>> {
  options?.signal?.throwIfAborted();
  const found = new Map<Key, T>();
  let next = 0;
  // While one answer is read the server works on another.
  await Promise.all(Array.from({ length: Math.min(ABREAST, Math.ceil(keys.length / MANY)) }, async () => {
    while (next < keys.length) {
      const some = keys.slice(next, next += MANY);
      const read = (): Promise<Entry[]> =>
        place.collection().find({ _id: { $in: some } }, { batchSize: MANY }).toArray();
      for (const document of await place.attempt("read", undefined, options, read)) {
        found.set(document._id, fromDocument(document) as T);
      }
    }
  }));
  return found;
}

/** Puts a document in one step. Each write has a version of its own: whoever does it a second time sees whether the first took effect. */
async function write(
  place: MongoPlace,
  key: Key,
  document: Document,
  options: WriteOptions | undefined,
): Promise<void> {
  const { ifAbsent, ifVersion } = options ?? {};
  const mine = document[FIELD] as string;
  const collection = place.collection();
  const current = async (): Promise<string | null | undefined> => {
    const found = await collection.findOne({ _id: key }, { projection: { [FIELD]: 1 } });
    return found && stampOf(found)?.version;
  };
  await place.attempt("write", key, options, async (again) => {
    if (ifAbsent) {
      try {
        await collection.insertOne({ _id: key, ...document });
      } catch (error) {
        if ((error as { code?: unknown }).code !== DUPLICATE) throw error;
        if (!again || await current() !== mine) throw taken(place.name, key);
      }
    } else if (ifVersion !== undefined) {
      const { matchedCount } = await collection.replaceOne({ _id: key, [FIELD]: ifVersion }, document);
      if (matchedCount === 0 && !(again && await current() === mine)) throw outdated(place.name, key);
    } else await upsert(() => collection.replaceOne({ _id: key }, document, { upsert: true }));
  });
}

/** Puts many documents in one request, each in one step. Doing it again does no harm. */
async function writeMany(
  place: MongoPlace,
  writes: readonly AnyBulkWriteOperation<Entry>[],
  options: OperationOptions | undefined,
): Promise<void> {
  await place.attempt("write", undefined, options, async () => {
    await upsert(() => place.collection().bulkWrite(writes, { ordered: false }));
  });
}

/** Of two that make the same new document at once one may be told that it is there: it then writes over it. */
async function upsert(call: () => Promise<unknown>): Promise<void> {
  for (let tries = 1;; tries++) {
    try {
      return void await call();
    } catch (error) {
      if ((error as { code?: unknown }).code !== DUPLICATE || tries === TRIES) throw error;
    }
  }
}

/**
 * The error of a write with `ifAbsent` to a key that has a value.
 *
 * @param subject Of which repository.
 * @param key Of which key.
 * @returns The error.
 */
export function taken(subject: string, key: Key): RepositoryError {
  return new RepositoryError(
    "already-exists",
    `Cannot write "${key}" of ${subject}: there is a value already; delete it first, or write without ifAbsent`,
    { operation: "write", subject, key },
  );
}

/**
 * The error of a write with `ifVersion` to a value of another version.
 *
 * @param subject Of which repository.
 * @param key Of which key.
 * @returns The error.
 */
export function outdated(subject: string, key: Key): RepositoryError {
  return new RepositoryError(
    "conflict",
    `Cannot write "${key}" of ${subject}: its value is not of that version any more; read it again, and write what follows from it`,
    { operation: "write", subject, key },
  );
}

/** A repository of documents in a collection of MongoDB: the `_id` is the key. */
export class MongoMetadataRepository<T = unknown> extends MetadataRepository<T> {
  /**
   * Documents of a collection.
   *
   * @param source A client or a database: itself, or as a resource of a session.
   * @param options Which collection.
   * @throws {DefinitionError} When no collection can have that name.
   */
  constructor(source: MongoSource, options: MongoOptions) {
    super(mongoMetadataDriver<T>(source, options));
  }
}

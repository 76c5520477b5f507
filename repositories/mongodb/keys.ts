/**
 * What all repositories in MongoDB do alike: listing the keys of a collection, and seeing that one may use it.
 *
 * @module
 */
import type { OperationOptions } from "../driver.ts";
import { explainMongo } from "./errors.ts";
import type { Entry, MongoPlace } from "./place.ts";

/** How many keys are asked for at a time. */
const PAGE = 5_000;

/** The code of a collection that is there already. */
const THERE = 48;

/** No document has this key: keys are never empty. */
const NOBODY = "";

/**
 * The keys of a collection.
 *
 * @param place Where.
 * @param suffix Which collection, beside the place's own.
 * @param options When to stop.
 * @returns The keys, in pages. What is no text is told in a form that no key has.
 */
export async function* listKeys(
  place: MongoPlace,
  suffix: string,
  options: OperationOptions | undefined,
): AsyncGenerator<readonly string[], void, void> {
  const signal = options?.signal;
  signal?.throwIfAborted();
  const find = { projection: { _id: 1 as const }, batchSize: PAGE, ...(signal && { signal }) };
  try {
    await using cursor = place.collection(suffix).find({}, find);
    while (await cursor.hasNext()) {
      const page = cursor.readBufferedDocuments().map(textOf);
      if (page.length > 0) yield page;
      signal?.throwIfAborted();
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw explainMongo("list", place.name, undefined, error);
  }
}

function textOf({ _id }: Entry): string {
  return typeof _id === "string" ? _id : `(${JSON.stringify(_id)})`;
}

/**
 * Sees that the server is there, that one is let in, and that documents can be read, changed and deleted.
 *
 * @param place Where.
 * @param suffixes Which collections, beside the place's own; they are made when they are absent.
 * @param options When to stop.
 */
export async function prepareCollections(
  place: MongoPlace,
  suffixes: readonly string[],
  options: OperationOptions | undefined,
): Promise<void> {
  await place.attempt("prepare", undefined, options, async () => {
    await place.db.command({ ping: 1 });
    for (const suffix of suffixes) {
      const collection = place.collection(suffix);
      await collection.findOne({ _id: NOBODY }, { projection: { _id: 1 } });
      try {
        await place.db.createCollection(collection.collectionName);
      } catch (error) {
        if ((error as { code?: unknown }).code !== THERE) throw error;
      }
      await collection.updateOne({ _id: NOBODY }, { $set: { prepared: true } });
      await collection.deleteOne({ _id: NOBODY });
    }
  });
}

/**
 * Documents in a store of byte streams: any format over any store.
 *
 * @module
 */
import { type Bytes, readAll } from "../core/bytes.ts";
import type { Codec } from "../core/codec.ts";
import { isDatataskError, RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { capabilitiesOver } from "./capabilities.ts";
import type { BlobDriver, KeyDriver, MetadataDriver, OperationOptions } from "./driver.ts";
import { keyFunctions } from "./layers/wrap.ts";
import { memoised } from "./memory_store.ts";

/** How many documents are read at a time. */
const WIDTH = 16;

/**
 * A store of documents over a store of byte streams. Keys, deletes, conditions and `watch` are those of the byte streams.
 *
 * @param blobs Where the bytes are kept.
 * @param codec How a document becomes bytes and back.
 * @returns The driver.
 * @example Any format over any store
 * ```ts
 * import { encoded, json, memoryBlobDriver, MetadataRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const books = new MetadataRepository(encoded(memoryBlobDriver(), json));
 * await books.set("moby-dick", { pages: 635 });
 * assert.deepEqual(await books.get("moby-dick"), { pages: 635 });
 * ```
 */
export function encoded<T = unknown>(blobs: BlobDriver, codec: Codec<T>): MetadataDriver<T> {
  const name = `${codec.name} in ${blobs.name}`;
  const { beside } = blobs;
  const get = async (key: Key, options?: OperationOptions): Promise<T | undefined> => {
    const bytes = await (blobs.readBytes ? blobs.readBytes(key, options) : readStream(blobs, key, options));
    return bytes && decode(codec, bytes, key, name);
  };
  return {
    ...keyFunctions(blobs),
    name,
    identity: `${codec.name}:${blobs.identity}`,
    supports: capabilitiesOver(blobs, { ranges: false }),
    derived: {
      by: "same",
      parts: [blobs],
      over: ([part]) => encoded(part as BlobDriver, codec) as KeyDriver,
    },
    get,
    async getMany(keys, options) {
      options?.signal?.throwIfAborted();
      const found = new Map<Key, T>();
      let at = 0;
      await Promise.all(Array.from({ length: Math.min(WIDTH, keys.length) }, async () => {
        while (at < keys.length) {
          const key = keys[at++]!;
          const document = await get(key, options);
          if (document !== undefined) found.set(key, document);
        }
      }));
      return found;
    },
    async set(key, value, options) {
      options?.signal?.throwIfAborted();
      const bytes = encode(codec, value, key, name);
      await blobs.write(key, bytes instanceof Promise ? await bytes : bytes, options);
    },
    ...(beside && { beside: memoised((sibling) => encoded(beside(sibling), codec)) }),
  };
}

async function readStream(
  blobs: BlobDriver,
  key: Key,
  options?: OperationOptions,
): Promise<Bytes | undefined> {
  const stream = await blobs.read(key, options);
  return stream && await readAll(stream, options?.signal);
}

/** What a call gives, at once when it can; an error of its own, now or later, is told by `explain`. */
function attempted<R>(
  call: () => R | Promise<R>,
  explain: (error: unknown) => RepositoryError,
): R | Promise<R> {
  const refuse = (error: unknown): never => {
    throw isDatataskError(error) ? error : explain(error);
  };
  try {
    const result = call();
    return result instanceof Promise ? result.catch(refuse) : result;
  } catch (error) {
    return refuse(error);
  }
}

function encode<T>(codec: Codec<T>, value: T, key: Key, subject: string): Bytes | Promise<Bytes> {
  return attempted(
    () => codec.encode(value),
    (error) =>
      new RepositoryError("invalid-value", `Cannot write "${key}" of ${subject}: ${messageOf(error)}`, {
        operation: "write",
        subject,
        key,
        cause: error,
      }),
  );
}

function decode<T>(codec: Codec<T>, bytes: Bytes, key: Key, subject: string): T | Promise<T> {
  return attempted(() => codec.decode(bytes), (error) =>
    new RepositoryError(
      "invalid-value",
      `Cannot read "${key}" of ${subject}: it is no valid ${codec.name}: ${
        messageOf(error)
      }; correct or delete it`,
      { operation: "read", subject, key, cause: error },
    ));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

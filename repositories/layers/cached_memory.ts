/**
 * What `cached` does to documents and blobs that it keeps in memory.
 *
 * @module
 */
import { type Bytes, concat, readAll } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import type { BlobDriver, MetadataDriver, OperationOptions, ReadOptions } from "../driver.ts";
import { guardedStream } from "../guarded_stream.ts";
import { followed } from "./followed.ts";
import type { MemoryCache } from "./memory_cache.ts";

/**
 * The reads of documents.
 *
 * @param inner The driver beneath.
 * @param cache Where they are kept.
 * @returns The methods.
 */
export function documentsInMemory<T>(
  inner: MetadataDriver<T>,
  cache: MemoryCache<T>,
): Partial<MetadataDriver<T>> {
  const keep = (key: Key, value: T, asked: ReturnType<typeof cache.asked>): void =>
    cache.put(key, structuredClone(value), cache.sized ? lengthOf(value) : 0, asked);
  return {
    async get(key, options) {
      options?.signal?.throwIfAborted();
      const kept = cache.get(key);
      if (kept) return structuredClone(kept.value);
      const asked = cache.asked();
      const value = await inner.get(key, options);
      if (value !== undefined) keep(key, value, asked);
      return value;
    },
    ...(inner.getMany && {
      async getMany(keys: readonly Key[], options?: OperationOptions) {
        options?.signal?.throwIfAborted();
        const found = new Map<Key, T>();
        const missing = keys.filter((key) => {
          const kept = cache.get(key);
          if (kept) found.set(key, structuredClone(kept.value));
          return !kept;
        });
        if (missing.length === 0) return found;
        const asked = cache.asked();
        for (const [key, value] of await inner.getMany!(missing, options)) {
          keep(key, value, asked);
          found.set(key, value);
        }
        return found;
      },
    }),
  };
}

/**
 * The reads of blobs.
 *
 * @param inner The driver beneath.
 * @param cache Where they are kept.
 * @returns The methods.
 */
export function blobsInMemory(inner: BlobDriver, cache: MemoryCache<Bytes>): Partial<BlobDriver> {
  return {
    async read(key, options) {
      options?.signal?.throwIfAborted();
      const part = isPart(options);
      // Where parts cannot be read beneath, they cannot be read here either, whether or not the value is kept.
      const kept = part && !inner.supports.ranges ? undefined : cache.get(key);
      if (kept) return guardedStream(kept.value.subarray(options?.start, options?.end), options?.signal);
      const asked = cache.asked();
      const stream = await inner.read(key, options);
      if (!stream || part) return stream;
      let held: Bytes[] | undefined = [];
      let size = 0;
      return followed(stream, {
        chunk(bytes) {
          size += bytes.length;
          if (size > cache.maxSize) held = undefined;
          // A copy also of a buffer of Node, of which `slice` gives a view.
          held?.push(new Uint8Array(bytes));
        },
        end() {
          if (held) cache.put(key, concat(held), size, asked);
        },
        left: () => void (held = undefined),
      });
    },
    async readBytes(key, options) {
      options?.signal?.throwIfAborted();
      const kept = cache.get(key);
      if (kept) return kept.value.slice();
      const asked = cache.asked();
      const bytes = await readWhole(inner, key, options);
      if (bytes && bytes.length <= cache.maxSize) cache.put(key, new Uint8Array(bytes), bytes.length, asked);
      return bytes;
    },
  };
}

/**
 * Whether only a part of a value is wanted.
 *
 * @param options How it is read.
 * @returns Whether it is.
 */
export function isPart(options: ReadOptions | undefined): boolean {
  return options?.start !== undefined || options?.end !== undefined;
}

/**
 * A whole value of a driver, by the quicker way.
 *
 * @param inner The driver.
 * @param key Of which key.
 * @param options When to stop.
 * @returns Its bytes, or nothing.
 */
export async function readWhole(
  inner: BlobDriver,
  key: Key,
  options: OperationOptions | undefined,
): Promise<Bytes | undefined> {
  if (inner.readBytes) return await inner.readBytes(key, options);
  const stream = await inner.read(key, options);
  return stream && await readAll(stream, options?.signal);
}

/** How much a document takes, about; too much where that cannot be told. */
function lengthOf(value: unknown): number {
  try {
    return JSON.stringify(value)?.length ?? 0;
  } catch {
    return Infinity;
  }
}

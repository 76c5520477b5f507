/**
 * Repositories in the memory of this process: for tests, and for what need not outlive a run.
 *
 * @module
 */
import { type Bytes, concat, type Content } from "../core/bytes.ts";
import { BlobRepository } from "./blob.ts";
import type { BlobDriver, MetadataDriver, OperationOptions, WriteOptions } from "./driver.ts";
import { copyDocument } from "./memory_document.ts";
import { guardedStream } from "./guarded_stream.ts";
import { memoised, memoryKeys, MemoryStore } from "./memory_store.ts";
import { MetadataRepository } from "./metadata.ts";
import { chunksOf } from "./stream_chunks.ts";

/**
 * A store of byte streams in memory.
 *
 * @param name What errors and graphs call it.
 * @returns The driver.
 */
export function memoryBlobDriver(name = "memory"): BlobDriver {
  const store = new MemoryStore<Bytes>();
  return {
    ...memoryKeys(store, name, (bytes) => bytes.length, true),
    read(key, options) {
      if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
      const bytes = store.get(key);
      return Promise.resolve(
        bytes && guardedStream(bytes.subarray(options?.start ?? 0, options?.end), options?.signal),
      );
    },
    readBytes(key, options) {
      if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
      return Promise.resolve(store.get(key)?.slice());
    },
    async write(key, content, options) {
      options?.signal?.throwIfAborted();
      const bytes = content instanceof Uint8Array ? content.slice() : await drain(content, options);
      store.set(key, bytes, options, name);
    },
    beside: memoised((sibling) => memoryBlobDriver(`${name}/_${sibling}`)),
  };
}

/** Takes a stream to its end, and cancels it when the signal says so. */
async function drain(content: Exclude<Content, Bytes>, options?: OperationOptions): Promise<Bytes> {
  return concat(await Array.fromAsync(chunksOf(content, options?.signal), (chunk) => chunk.slice()));
}

/**
 * A store of documents in memory. What goes in and what comes out is a copy: plain data, and whatever else `structuredClone` keeps.
 *
 * @param name What errors and graphs call it.
 * @returns The driver.
 */
export function memoryMetadataDriver<T = unknown>(name = "memory"): MetadataDriver<T> {
  const store = new MemoryStore<T>();
  return {
    ...memoryKeys(store, name, undefined, false),
    get(key, options) {
      if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
      return Promise.resolve(copyDocument(store.get(key)));
    },
    getMany(keys, options) {
      if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
      const found = new Map<string, T>();
      for (const key of keys) if (store.has(key)) found.set(key, copyDocument(store.get(key)) as T);
      return Promise.resolve(found);
    },
    // Not async: a promise that is already there is what makes the scheduler's hundred thousand writes a second cheap.
    set(key: string, value: T, options?: WriteOptions): Promise<void> {
      if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
      try {
        store.set(key, copyDocument(value), options, name);
        return Promise.resolve();
      } catch (error) {
        return Promise.reject(error);
      }
    },
    beside: memoised((sibling) => memoryMetadataDriver<T>(`${name}/_${sibling}`)),
  };
}

/** A repository of byte streams in the memory of this process. */
export class MemoryBlobRepository extends BlobRepository {
  /**
   * Makes an empty one.
   *
   * @param name What errors and graphs call it.
   */
  constructor(name = "memory") {
    super(memoryBlobDriver(name));
  }
}

/**
 * A repository of documents in the memory of this process.
 *
 * @example What is read is a copy
 * ```ts
 * import { MemoryMetadataRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const books = new MemoryMetadataRepository<{ pages: number }>("books");
 * await books.set("moby-dick", { pages: 635 });
 * (await books.get("moby-dick")).pages = 0;
 * assert.deepEqual(await books.get("moby-dick"), { pages: 635 });
 * ```
 */
export class MemoryMetadataRepository<T = unknown> extends MetadataRepository<T> {
  /**
   * Makes an empty one.
   *
   * @param name What errors and graphs call it.
   */
  constructor(name = "memory") {
    super(memoryMetadataDriver<T>(name));
  }
}

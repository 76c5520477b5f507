/**
 * The reads of blobs that are kept in a folder.
 *
 * @module
 */
import { readAll } from "../../core/bytes.ts";
import type { BlobDriver } from "../driver.ts";
import { isPart, readWhole } from "./cached_memory.ts";
import type { Changes } from "./cached_folder.ts";
import type { FolderCache } from "./folder_cache.ts";
import { FolderReads } from "./folder_reads.ts";
import { followed } from "./followed.ts";

/**
 * The reads of blobs.
 *
 * @param inner The driver beneath.
 * @param cache Where they are kept.
 * @param changes When keys were changed in this process.
 * @returns The methods.
 */
export function blobsInFolder(
  inner: BlobDriver,
  cache: FolderCache,
  changes: Changes,
): Required<Pick<BlobDriver, "read" | "readBytes">> {
  const reads = new FolderReads(inner, cache, changes);
  return {
    async read(key, options) {
      const part = isPart(options);
      // Where parts cannot be read beneath, they cannot be read here either, whether or not the value is kept.
      if (part && !inner.supports.ranges) return await inner.read(key, options);
      const entry = await reads.find(key, options?.signal);
      if (entry) return entry.stream(key, inner.name, options);
      if (part) return await inner.read(key, options);
      const before = await reads.look(key, options);
      const stream = await inner.read(key, options);
      const filling = stream && await reads.begin(key, before);
      if (!filling) return stream;
      // Whoever aborts it may neither read on nor cancel it.
      const left = (): Promise<void> => {
        options?.signal?.removeEventListener("abort", left);
        return filling.abandon();
      };
      options?.signal?.addEventListener("abort", left);
      return followed(stream, {
        chunk: (bytes) => filling.add(bytes),
        async end() {
          await reads.keep(key, filling, before);
          await left();
        },
        left,
      });
    },
    async readBytes(key, options) {
      const entry = await reads.find(key, options?.signal);
      if (entry) {
        try {
          return await readAll(entry.stream(key, inner.name, { signal: options?.signal }));
        } catch (error) {
          options?.signal?.throwIfAborted();
          cache.trouble(error);
        }
      }
      const before = await reads.look(key, options);
      const bytes = await readWhole(inner, key, options);
      const filling = bytes && await reads.begin(key, before);
      if (!filling) return bytes;
      await filling.add(bytes);
      await reads.keep(key, filling, before);
      return bytes;
    },
  };
}

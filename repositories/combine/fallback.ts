/**
 * The combinator of a store of documents with another for those that it does not take.
 *
 * @module
 */
import { isDatataskError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { MetadataRepository } from "../metadata.ts";
import { MetadataRepository as Documents } from "../metadata.ts";
import type { KeyDriver, MetadataDriver, OperationOptions, WriteOptions } from "../driver.ts";
import { firstWith } from "./or.ts";
import { identitiesOf, keySet, namesOf, refusal, view } from "./view.ts";
import { watchParts } from "./watch_parts.ts";

/** How {@linkcode fallback} decides. */
export interface FallbackOptions<T> {
  /**
   * Which documents go to the second store without the first being asked. Default: none. Whatever this says, a document that the first refuses with
   * code `invalid-value` goes to the second.
   */
  readonly when?: ((value: T, key: Key) => boolean) | undefined;
}

/**
 * Documents in one store, and those that it cannot hold in another. Where one goes is decided by the document: by `when`, and by the
 * first store's refusal of it (code `invalid-value`: too large, of the wrong kind). Any other error, such as an outage, is an error, and
 * the document goes nowhere.
 *
 * The first store counts before the second, for one document and for many; a key in both is listed once. A write is seen whole in one step:
 * the second store is written before the first is cleared, and cleared after the first is written, so that a crash in between shows the old
 * document or the new one. Deleting removes it from both, the second before. Conditions are not supported, since two stores cannot be
 * written in one step. Where both can tell of changes, `watch` tells of them, with what `has` says then.
 *
 * @param first The store that counts before the other.
 * @param second Where documents go that the first does not take.
 * @param options Which documents do.
 * @returns A repository of both.
 */
export function fallback<T>(
  first: MetadataRepository<T>,
  second: MetadataRepository<T>,
  options: FallbackOptions<T> = {},
): MetadataRepository<T> {
  const parts = [first, second];
  const name = `fallback(${namesOf(parts)})`;
  // Asked again at the end: a document on its way from the second to the first may be missed in both.
  const locate = (key: Key, opts?: OperationOptions) => firstWith([first, second, first], key, opts);
  const { driver } = view<MetadataRepository<T>>("metadata", {
    name,
    identity: `fallback(${identitiesOf(parts)})`,
    by: "or",
    parts,
    over: ([one, other]) =>
      fallback(one as unknown as MetadataRepository<T>, other as unknown as MetadataRepository<T>, options),
    locate,
    writesTo: (key) => Promise.resolve({ repository: first, key }),
    watch: watchParts(parts, async (key, opts) => await locate(key, opts) !== undefined),
    async *keys(opts) {
      opts?.signal?.throwIfAborted();
      // The second holds the exceptions: it is the one to hold in memory.
      const left = await keySet(second, opts);
      for await (const page of first.pages(opts)) {
        for (const key of page) left.delete(key);
        yield page;
      }
      if (left.size > 0) yield [...left];
    },
  }) as MetadataRepository<T>;
  const { beside: one } = first.driver;
  const { beside: other } = second.driver;
  const whole: MetadataDriver<T> = {
    ...driver,
    async get(key, opts) {
      opts?.signal?.throwIfAborted();
      for (const part of [first, second, first]) {
        const value = await part.find(key, opts);
        if (value !== undefined) return value;
      }
      return undefined;
    },
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
      opts?.signal?.throwIfAborted();
      if (opts?.ifAbsent || opts?.ifVersion !== undefined) {
        throw refusal(
          { name },
          "write",
          key,
          "two stores are not written in one step; write without a condition",
        );
      }
      if (!options.when?.(value, key)) {
        const taken = await accepted(() => first.set(key, value, opts));
        if (taken) return await second.delete(key, opts);
      }
      await second.set(key, value, opts);
      await first.delete(key, opts);
    },
    async delete(key, opts) {
      await second.delete(key, opts);
      await first.delete(key, opts);
    },
    ...(one && other && {
      beside: (next: string) =>
        fallback(new Documents(one(next)), new Documents(other(next)), options).driver,
    }),
  };
  return new Documents(whole as MetadataDriver<T> & KeyDriver);
}

/** Whether a store took a document; anything but its refusal of the document is thrown. */
async function accepted(write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (isDatataskError(error, "invalid-value")) return false;
    throw error;
  }
}

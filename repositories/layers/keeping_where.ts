/**
 * The layer that keeps documents by what they say.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import { isKey, type Key } from "../../core/key.ts";
import type { Layer, ListingOptions, MetadataDriver, OperationOptions, WriteOptions } from "../driver.ts";
import type { ViewOptions } from "./keeping.ts";
import { codeOf, functionIdentity, mapChanges, wrapDriver } from "./wrap.ts";

/** How many documents are looked at together. */
const BATCH = 256;

/** How {@linkcode keepingWhere} does it. */
export interface KeepingWhereOptions extends ViewOptions {
  /**
   * Told of each document met in a listing that cannot be read as one: it is not in the view. Default: who lists is told, as a pipeline is, which
   * then holds the job back; else the console is warned.
   */
  readonly onUnreadable?: ((key: Key, error: unknown) => void) | undefined;
}

/**
 * Keeps the documents that pass a test. The others are not there: they are not listed, not had, not read, and deleting one does
 * nothing. A document that does not pass cannot be written; one that passes is put in place of whatever is there. What is beside is not
 * tested, since other documents lie there. Listing reads the documents, many at a time; one that cannot be read does not break it.
 * `watch` tells of every change, with whether there is now a document that passes.
 *
 * @param predicate Which documents to keep.
 * @param options How the view is called.
 * @returns The layer.
 */
export function keepingWhere<T>(
  predicate: (value: T, key: Key) => boolean | Promise<boolean>,
  options: KeepingWhereOptions = {},
): Layer<MetadataDriver<T>> {
  const id = functionIdentity(options.id);
  return function keep(inner: MetadataDriver<T>): MetadataDriver<T> {
    const name = options.name ?? `${inner.name} (filtered)`;
    const warn = options.onUnreadable ??
      ((key, error) =>
        console.warn(`Left "${key}" out of ${name}: ${error instanceof Error ? error.message : error}`));
    const passing = async (found: ReadonlyMap<Key, T>): Promise<ReadonlyMap<Key, T>> => {
      const pairs = [...found];
      const answers = await Promise.all(pairs.map(([key, value]) => predicate(value, key)));
      return new Map(pairs.filter((_, i) => answers[i]));
    };
    const get = async (key: Key, opts?: OperationOptions): Promise<T | undefined> => {
      const value = await inner.get(key, opts);
      return value !== undefined && await predicate(value, key) ? value : undefined;
    };
    const has = async (key: Key, opts?: OperationOptions): Promise<boolean> =>
      await get(key, opts) !== undefined;
    return wrapDriver<MetadataDriver<T>>(inner, undefined, {
      name,
      identity: `keepWhere(${inner.identity}, ${id})`,
      derived: { by: "pointwise", parts: [inner], over: ([part]) => keep(part as MetadataDriver<T>) },
      get,
      has,
      info: inner.info &&
        (async (key: Key, opts?: OperationOptions) =>
          await has(key, opts) ? await inner.info!(key, opts) : undefined),
      getMany: inner.getMany &&
        (async (keys: readonly Key[], opts?: OperationOptions) =>
          await passing(await inner.getMany!(keys, opts))),
      async *keys(opts?: ListingOptions) {
        for await (const page of inner.keys(opts)) {
          for (let at = 0; at < page.length; at += BATCH) {
            const names = page.slice(at, at + BATCH);
            const told = options.onUnreadable ?? opts?.onUnreadable ?? warn;
            const found = await passing(await readable(inner, names.filter(isKey), opts, told));
            const kept = names.filter((each) => !isKey(each) || found.has(each));
            if (kept.length > 0) yield kept;
          }
        }
      },
      async set(key: Key, value: T, opts?: WriteOptions) {
        opts?.signal?.throwIfAborted();
        if (await predicate(value, key)) return await inner.set(key, value, opts);
        throw new RepositoryError(
          "unsupported",
          `Cannot write "${key}" of ${name}: this view does not hold such a value; write it to ${inner.name}`,
          { operation: "write", subject: name, key },
        );
      },
      async delete(key: Key, opts?: OperationOptions) {
        if (await has(key, opts)) await inner.delete(key, opts);
      },
      watch: inner.watch &&
        ((opts: OperationOptions) =>
          mapChanges(
            inner.watch!(opts),
            opts,
            async ({ key, present }) => ({ key, present: present && await has(key, opts) }),
          )),
    });
  };
}

/** The documents that can be read; whoever cannot is told to `warn`. */
async function readable<T>(
  inner: MetadataDriver<T>,
  keys: readonly Key[],
  options: OperationOptions | undefined,
  warn: (key: Key, error: unknown) => void,
): Promise<ReadonlyMap<Key, T>> {
  if (inner.getMany) {
    try {
      return await inner.getMany(keys, options);
    } catch (error) {
      options?.signal?.throwIfAborted();
      if (codeOf(inner, error) !== "invalid-value") throw error;
    }
  }
  const found = new Map<Key, T>();
  await Promise.all(keys.map(async (key) => {
    try {
      const value = await inner.get(key, options);
      if (value !== undefined) found.set(key, value);
    } catch (error) {
      if (codeOf(inner, error) !== "invalid-value") throw error;
      warn(key, error);
    }
  }));
  return found;
}

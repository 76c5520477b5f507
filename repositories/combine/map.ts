/**
 * The combinator that makes other documents of documents.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { MetadataDriver, OperationOptions } from "../driver.ts";
import { readOnly } from "../layers/read_only.ts";
import type { ViewOptions } from "../layers/keeping.ts";
import { functionIdentity } from "../layers/wrap.ts";
import { MetadataRepository } from "../metadata.ts";

/**
 * The documents of a repository, each turned into another as it is read. It is neither written nor deleted through. Keys and `watch` are those of the
 * repository: the function is not asked for them.
 *
 * @param repository Whose documents.
 * @param fn Makes a document of a document. It must give one: keys are kept by `filter`.
 * @param options How the view is called.
 * @returns The repository of what it makes.
 * @example One field of each
 * ```ts
 * import { map, MemoryMetadataRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const books = new MemoryMetadataRepository<{ author: string }>();
 * await books.set("emma", { author: "austen" });
 * assert.equal(await map(books, (book) => book.author).get("emma"), "austen");
 * ```
 */
export function map<T, U>(
  repository: MetadataRepository<T>,
  fn: (value: T, key: Key) => U | Promise<U>,
  options: ViewOptions = {},
): MetadataRepository<U> {
  const inner = repository.driver;
  const name = options.name ?? `map(${repository.name})`;
  const { set: _set, setMany: _many, beside: _beside, info: _info, ...frozen } = readOnly()(inner);
  const turn = async (value: T, key: Key): Promise<U> => {
    const made = await fn(value, key);
    if (made !== undefined) return made;
    throw new RepositoryError(
      "invalid-value",
      `Cannot read "${key}" of ${name}: its function made nothing of the document; return a value, or filter the key out`,
      { operation: "read", subject: name, key },
    );
  };
  const refused = readOnly()({ ...inner, name } as MetadataDriver<unknown>);
  const driver: MetadataDriver<U> = {
    ...frozen,
    name,
    identity: `map(${inner.identity}, ${functionIdentity(options.id)})`,
    derived: {
      by: "same",
      parts: [inner],
      over: ([part]) => map(new MetadataRepository(part as MetadataDriver<T>), fn, options).driver,
    },
    set: refused.set,
    delete: refused.delete,
    async get(key, opts) {
      const value = await inner.get(key, opts);
      return value === undefined ? undefined : await turn(value, key);
    },
    async getMany(keys: readonly Key[], opts?: OperationOptions) {
      const found = await repository.getMany(keys, opts);
      return new Map(
        await Promise.all([...found].map(async ([key, value]) => [key, await turn(value, key)] as const)),
      );
    },
  };
  return new MetadataRepository(driver);
}

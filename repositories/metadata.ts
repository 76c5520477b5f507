/**
 * Repositories of structured documents.
 *
 * @module
 */
import { checkKey, type Key } from "../core/key.ts";
import type { KeyLayer, Layer, MetadataDriver, OperationOptions, WriteOptions } from "./driver.ts";
import { Repository } from "./repository.ts";

/** How many documents `entries()` asks for at a time. */
const BATCH = 256;

/** How many documents `setMany()` writes at a time where the store takes one after the other. */
const WIDTH = 16;

/** A repository whose values are documents: objects, lists, texts, numbers, read and written whole. */
export class MetadataRepository<T = unknown> extends Repository<MetadataDriver<T>> {
  /** What kind of value it holds. */
  override readonly kind = "metadata" as const;

  /**
   * The document, or nothing when there is none.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @returns The document.
   * @throws {RepositoryError} When the key is invalid, or the document cannot be read.
   */
  find(key: Key, options?: OperationOptions): Promise<T | undefined> {
    return this.perform(
      "read",
      key,
      options,
      () => this.driver.admits ? this.#findAdmitted(key, options) : this.driver.get(key, options),
    );
  }

  /**
   * The document.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @returns The document.
   * @throws {NotFoundError} When there is none.
   */
  async get(key: Key, options?: OperationOptions): Promise<T> {
    const value = await this.find(key, options);
    if (value === undefined) throw this.missing("read", key);
    return value;
  }

  /**
   * Puts a document in place of the old one, in one step.
   *
   * @param key Of which key.
   * @param value The document.
   * @param options When to stop, and on which condition to write.
   * @throws {RepositoryError} When the key is invalid, when the condition does not hold (`already-exists`, `conflict`), or when the document cannot be written.
   */
  set(key: Key, value: T, options?: WriteOptions): Promise<void> {
    return this.perform(
      "write",
      key,
      options,
      () =>
        this.driver.admits ? this.#setAdmitted(key, value, options) : this.driver.set(key, value, options),
    );
  }

  async #setAdmitted(key: Key, value: T, options: WriteOptions | undefined): Promise<void> {
    await this.checkAdmitted("write", key, options);
    await this.driver.set(key, value, options);
  }

  async #findAdmitted(key: Key, options: OperationOptions | undefined): Promise<T | undefined> {
    return await this.admits(key, options) ? await this.driver.get(key, options) : undefined;
  }

  /**
   * Many documents at once.
   *
   * @param keys Of which keys.
   * @param options When to stop.
   * @returns Those that are there.
   * @throws {RepositoryError} When a key is invalid, or a document cannot be read.
   */
  async getMany(keys: readonly Key[], options?: OperationOptions): Promise<ReadonlyMap<Key, T>> {
    const { getMany, admits } = this.driver;
    for (const key of keys) checkKey(key, "read", this.name);
    if (getMany && !admits) {
      try {
        return await getMany(keys, options);
      } catch (error) {
        // One bad document must not hide the others, nor which one it was: ask one at a time.
        if (options?.signal?.aborted) throw this.explain("read", undefined, error, options);
      }
    }
    const found = new Map<Key, T>();
    await Promise.all(keys.map(async (key) => {
      const value = await this.find(key, options);
      if (value !== undefined) found.set(key, value);
    }));
    return found;
  }

  /**
   * Puts many documents, each in one step: quicker than one at a time where the store takes many. When it fails, some may be written
   * and others not.
   *
   * @param values The documents by key, or pairs of both.
   * @param options When to stop.
   * @throws {RepositoryError} When a key or a document cannot be kept.
   */
  async setMany(values: Iterable<readonly [Key, T]>, options?: OperationOptions): Promise<void> {
    const { setMany, admits } = this.driver;
    const all = new Map(values);
    for (const key of all.keys()) checkKey(key, "write", this.name);
    if (setMany && !admits) {
      options?.signal?.throwIfAborted();
      try {
        return await setMany(all, options);
      } catch (error) {
        throw this.explain("write", undefined, error, options);
      }
    }
    const left = all.entries();
    await Promise.all(Array.from({ length: Math.min(WIDTH, all.size) }, async () => {
      for (const [key, value] of left) await this.set(key, value, options);
    }));
  }

  /**
   * All keys with their documents.
   *
   * @param options When to stop.
   * @returns Pairs, as they arrive.
   * @throws {RepositoryError} When the keys cannot be listed, or a document cannot be read.
   */
  async *entries(options?: OperationOptions): AsyncGenerator<readonly [Key, T], void, void> {
    for await (const page of this.pages(options)) {
      for (let at = 0; at < page.length; at += BATCH) {
        yield* await this.getMany(page.slice(at, at + BATCH), options);
      }
    }
  }

  /**
   * This repository under a layer.
   *
   * @param layer What to put over it.
   * @returns A new repository; this one is unchanged.
   */
  with(layer: Layer<MetadataDriver<T>> | KeyLayer): MetadataRepository<T> {
    return new MetadataRepository<T>(layer(this.driver));
  }
}

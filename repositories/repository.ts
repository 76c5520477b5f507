/**
 * What every repository does, whatever its values: keys, membership, deletion; key checks and errors with context, once for all drivers.
 *
 * @module
 */
import {
  advice,
  classifySystemError,
  type ErrorCode,
  isDatataskError,
  NotFoundError,
  RepositoryError,
} from "../core/errors.ts";
import { checkKey, isKey, type Key } from "../core/key.ts";
import type {
  Change,
  KeyDriver,
  ListingOptions,
  OperationOptions,
  PrepareOptions,
  ValueInfo,
} from "./driver.ts";

/** The kinds of value a repository can hold. */
export type RepositoryKind = "keys" | "blob" | "metadata" | "filesystem";

/** Marks repositories of any loaded copy of this package. */
const BRAND: unique symbol = Symbol.for("@datatask/datatask/repository") as never;

/** Told of each listing that met names which are no keys. Replaced by tests and by the pipeline, which makes an event of it. */
export type SkippedNames = (repository: string, names: readonly string[], count: number) => void;

const WARN: SkippedNames = (repository, names, count) => {
  console.warn(
    `Skipped ${count} ${
      count === 1 ? "name that is no valid key" : "names that are no valid keys"
    } in ${repository}: ${names.map((name) => JSON.stringify(name)).join(", ")}${
      count > names.length ? ", …" : ""
    }`,
  );
};

/** A set of keys, each with a value: the base of all repositories. By itself it knows the keys only. */
export class Repository<D extends KeyDriver = KeyDriver> implements AsyncIterable<Key> {
  /** What stores the values. Calling it directly skips the key checks. */
  readonly driver: D;
  /** What kind of value it holds. */
  readonly kind: RepositoryKind = "keys";

  /**
   * Makes a repository over a driver.
   *
   * @param driver What stores the values.
   */
  constructor(driver: D) {
    this.driver = driver;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** What errors and graphs call it. */
  get name(): string {
    return this.driver.name;
  }

  /**
   * Whether there is a value.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @returns Whether there is.
   * @throws {RepositoryError} When the key is invalid, or when it cannot be known.
   */
  has(key: Key, options?: OperationOptions): Promise<boolean> {
    return this.perform(
      "look up",
      key,
      options,
      async () => (await this.admits(key, options)) && await this.driver.has(key, options),
    );
  }

  /**
   * All keys, each once, in no order. Names that are no valid keys are skipped, with one warning for the listing.
   *
   * @param options When to stop, and whom to tell of skipped names (default: the console) and of keys that cannot be told (default: it fails).
   * @returns The keys, as they arrive.
   * @throws {RepositoryError} When they cannot be listed.
   */
  async *keys(
    options?: ListingOptions & { readonly onSkipped?: SkippedNames | undefined },
  ): AsyncGenerator<Key, void, void> {
    for await (const page of this.pages(options)) yield* page;
  }

  /**
   * All keys as the store hands them out, many at a time: the quick way through a large repository.
   *
   * @param options When to stop, and whom to tell of skipped names (default: the console) and of keys that cannot be told (default: it fails).
   * @returns Pages of keys.
   * @throws {RepositoryError} When they cannot be listed.
   */
  async *pages(
    options?: ListingOptions & { readonly onSkipped?: SkippedNames | undefined },
  ): AsyncGenerator<readonly Key[], void, void> {
    const skipped: string[] = [];
    let count = 0;
    const { admits } = this.driver;
    try {
      options?.signal?.throwIfAborted();
      for await (const page of this.driver.keys(options)) {
        options?.signal?.throwIfAborted();
        let valid: readonly string[] = page;
        if (!page.every((name) => isKey(name))) {
          valid = page.filter((name) => {
            if (isKey(name)) return true;
            if (++count <= 3) skipped.push(name);
            return false;
          });
        }
        if (admits) {
          const allowed = await Promise.all(valid.map((key) => admits(key, options)));
          valid = valid.filter((_, i) => allowed[i]);
        }
        if (valid.length > 0) yield valid;
      }
    } catch (error) {
      throw this.explain("list", undefined, error, options);
    } finally {
      if (count > 0) (options?.onSkipped ?? WARN)(this.name, skipped, count);
    }
  }

  /** All keys, each once: `for await (const key of repository)`. */
  [Symbol.asyncIterator](): AsyncGenerator<Key, void, void> {
    return this.keys();
  }

  /**
   * Removes a value. Does nothing when there is none.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @throws {RepositoryError} When the key is invalid, or the value cannot be removed.
   */
  delete(key: Key, options?: OperationOptions): Promise<void> {
    return this.perform("delete", key, options, async () => {
      if (await this.admits(key, options)) await this.driver.delete(key, options);
    });
  }

  /**
   * What is known of a value without reading it.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @returns Its size, time and version, as far as the store knows them; nothing when there is no value.
   * @throws {RepositoryError} When the key is invalid, or when it cannot be known.
   */
  info(key: Key, options?: OperationOptions): Promise<ValueInfo | undefined> {
    return this.perform("look up", key, options, async () => {
      if (!await this.admits(key, options)) return undefined;
      if (this.driver.info) return await this.driver.info(key, options);
      return await this.driver.has(key, options) ? {} : undefined;
    });
  }

  /**
   * Makes the store when it is absent and sees that it can be used; removes what dead processes have left there.
   *
   * @param options When to stop, and whether to look for what was left.
   * @throws {RepositoryError} When the store cannot be used.
   */
  async prepare(options?: PrepareOptions): Promise<void> {
    try {
      await this.driver.prepare?.(options);
    } catch (error) {
      throw this.explain("prepare", undefined, error, options);
    }
  }

  /**
   * Changes as they happen, where the store can tell.
   *
   * @param options Ends the watch.
   * @returns The changes, or nothing when this store cannot tell.
   */
  watch(options: OperationOptions): AsyncIterable<Change> | undefined {
    return this.driver.watch?.(options);
  }

  /** The stores beneath, by identity: how a pipeline finds out who shares data. */
  footprint(): ReadonlyMap<string, KeyDriver> {
    const found = new Map<string, KeyDriver>();
    const visit = (driver: KeyDriver): void => {
      if (driver.derived) driver.derived.parts.forEach(visit);
      else found.set(driver.identity, driver);
    };
    visit(this.driver);
    return found;
  }

  /** What the console and errors show. */
  toString(): string {
    return this.name;
  }

  /** Whether the driver has this key at all. */
  protected async admits(key: Key, options: OperationOptions | undefined): Promise<boolean> {
    return this.driver.admits === undefined || await this.driver.admits(key, options);
  }

  /** Does an operation on a key: checks the key, stops when aborted, says what was being done when it fails. */
  protected async perform<T>(
    operation: string,
    key: Key,
    options: OperationOptions | undefined,
    call: () => T | Promise<T>,
  ): Promise<T> {
    checkKey(key, operation, this.name);
    options?.signal?.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      throw this.explain(operation, key, error, options);
    }
  }

  /** Refuses a write to a key that a layer hides. */
  protected async checkAdmitted(
    operation: string,
    key: Key,
    options: OperationOptions | undefined,
  ): Promise<void> {
    if (await this.admits(key, options)) return;
    throw new RepositoryError(
      "unsupported",
      `Cannot ${operation} "${key}" of ${this.name}: this view does not hold such a key`,
      {
        operation,
        subject: this.name,
        key,
      },
    );
  }

  /** The error for a value that is not there. */
  protected missing(operation: string, key: Key): NotFoundError {
    return new NotFoundError(`Cannot ${operation} "${key}" of ${this.name}: there is no such key`, {
      operation,
      subject: this.name,
      key,
    });
  }

  /** The error as a user should see it: as it is when it already says all, or when the operation was aborted. */
  protected explain(
    operation: string,
    key: Key | undefined,
    error: unknown,
    options: OperationOptions | undefined,
  ): unknown {
    if (isDatataskError(error)) return error;
    if (
      options?.signal?.aborted &&
      (error === options.signal.reason || (error as Error | null)?.name === "AbortError")
    ) {
      return options.signal.reason;
    }
    const code: ErrorCode = this.driver.classify?.(error) ?? classifySystemError(error) ?? "io";
    const what = key === undefined ? this.name : `"${key}" of ${this.name}`;
    const reason = error instanceof Error ? error.message : String(error);
    return new RepositoryError(code, `Cannot ${operation} ${what}: ${reason}${advice(code, reason)}`, {
      operation,
      subject: this.name,
      ...(key === undefined ? {} : { key }),
      ...(code === "unavailable" ? { retry: "later" as const } : {}),
      cause: error,
    });
  }
}

/**
 * Tells whether a value is a repository, of whichever loaded copy of the package.
 *
 * @param value Anything.
 * @returns Whether it is.
 */
export function isRepository(value: unknown): value is Repository {
  return typeof value === "object" && value !== null && BRAND in value;
}

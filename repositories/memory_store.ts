/**
 * What all stores in memory have: values by key, versions, conditions, listeners.
 *
 * @module
 */
import { Channel } from "../core/channel.ts";
import { RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Capabilities, Change, KeyDriver, OperationOptions, ValueInfo, WriteOptions } from "./driver.ts";

interface Slot<V> {
  readonly value: V;
  readonly version: number;
  readonly modified: number;
}

/** Values by key, and those who want to hear of changes. */
export class MemoryStore<V> {
  readonly #slots = new Map<Key, Slot<V>>();
  readonly #listeners = new Set<(change: Change) => void>();
  #version = 0;

  /** All keys. */
  get keys(): Iterable<Key> {
    return this.#slots.keys();
  }

  /** The value, or nothing. */
  get(key: Key): V | undefined {
    return this.#slots.get(key)?.value;
  }

  /** The value with its version, or nothing. */
  slot(key: Key): Slot<V> | undefined {
    return this.#slots.get(key);
  }

  /** Whether there is a value. */
  has(key: Key): boolean {
    return this.#slots.has(key);
  }

  /** Puts a value, on a condition. */
  set(key: Key, value: V, options: WriteOptions | undefined, name: string): void {
    if (options !== undefined) this.check(key, options, name);
    this.#slots.set(key, { value, version: ++this.#version, modified: Date.now() });
    if (this.#listeners.size > 0) this.#tell({ key, present: true });
  }

  /** Throws when a condition does not hold, or when the signal is aborted. */
  check(key: Key, options: WriteOptions, name: string): void {
    options.signal?.throwIfAborted();
    const { ifAbsent, ifVersion } = options;
    const version = ifAbsent || ifVersion !== undefined ? this.#slots.get(key)?.version : undefined;
    if (ifAbsent && version !== undefined) {
      throw new RepositoryError(
        "already-exists",
        `Cannot write "${key}" of ${name}: there is a value already; delete it first, or write without ifAbsent`,
        { operation: "write", subject: name, key },
      );
    }
    if (ifVersion !== undefined && String(version) !== ifVersion) {
      throw new RepositoryError(
        "conflict",
        `Cannot write "${key}" of ${name}: it is no longer at version ${ifVersion}; read it again and repeat the change`,
        { operation: "write", subject: name, key },
      );
    }
  }

  /** Removes a value. */
  delete(key: Key): void {
    if (this.#slots.delete(key) && this.#listeners.size > 0) this.#tell({ key, present: false });
  }

  /** Changes from now on, until the signal is aborted. */
  watch(signal: AbortSignal | undefined): AsyncIterable<Change> {
    const listeners = this.#listeners;
    return {
      [Symbol.asyncIterator](): AsyncIterator<Change> {
        const listener = (change: Change): void => channel.push(change);
        const leave = (): void => {
          listeners.delete(listener);
          signal?.removeEventListener("abort", leave);
          channel.close();
        };
        const channel: Channel<Change> = new Channel<Change>(leave);
        if (signal?.aborted) channel.close();
        else {
          listeners.add(listener);
          signal?.addEventListener("abort", leave);
        }
        return channel;
      },
    };
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** How many keys a page of a listing has. */
const PAGE = 10_000;

function pages(
  store: MemoryStore<unknown>,
  options: OperationOptions | undefined,
): AsyncIterable<readonly string[]> {
  return (async function* () {
    options?.signal?.throwIfAborted();
    const keys = [...store.keys];
    for (let at = 0; at < keys.length; at += PAGE) {
      yield keys.length <= PAGE ? keys : keys.slice(at, at + PAGE);
      options?.signal?.throwIfAborted();
    }
  })();
}

/**
 * The half of a driver that knows keys only.
 *
 * @param store The values.
 * @param name What errors and graphs call it.
 * @param size How large a value is, in bytes.
 * @param ranges Whether parts of a value can be read.
 * @returns The functions.
 */
export function memoryKeys<V>(
  store: MemoryStore<V>,
  name: string,
  size: ((value: V) => number) | undefined,
  ranges: boolean,
): KeyDriver {
  const supports: Capabilities = {
    writable: true,
    consistentListing: true,
    reach: "process",
    durable: false,
    conditional: true,
    ranges,
  };
  /** Answers at once, or rejects under an aborted signal. */
  const answer = <R>(options: OperationOptions | undefined, call: () => R): Promise<R> =>
    options?.signal?.aborted ? Promise.reject(options.signal.reason) : Promise.resolve(call());
  return {
    name,
    identity: `memory:${crypto.randomUUID()}`,
    supports,
    keys: (options) => pages(store, options),
    has: (key, options) => answer(options, () => store.has(key)),
    delete: (key, options) => answer(options, () => store.delete(key)),
    info: (key, options) => answer(options, () => describe(store.slot(key), size)),
    watch: (options) => store.watch(options.signal),
  };
}

function describe<V>(slot: Slot<V> | undefined, size?: (value: V) => number): ValueInfo | undefined {
  if (!slot) return undefined;
  return { size: size?.(slot.value), modified: slot.modified, version: String(slot.version) };
}

/**
 * Remembers what was made for a name.
 *
 * @param make Makes it, the first time.
 * @returns A function that gives the same for the same name.
 */
export function memoised<D>(make: (name: string) => D): (name: string) => D {
  const made = new Map<string, D>();
  return (name) => {
    let driver = made.get(name);
    if (driver === undefined) made.set(name, driver = make(name));
    return driver;
  };
}

/**
 * Faults on demand: a layer that makes operations on any repository fail, the same ones each time for the same seed.
 *
 * @module
 */
import { DefinitionError, RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { type Random, seededRandom } from "../core/random.ts";
import type { KeyDriver, KeyLayer, MetadataDriver, OperationOptions } from "../repositories/driver.ts";
import { besideUnder, wrapDriver } from "../repositories/layers/wrap.ts";

/** An operation that is about to be done. */
export interface FaultPoint {
  /** The driver's method: `write`, `get`, `keys`. */
  readonly method: string;
  /** What it is for. */
  readonly purpose: "look up" | "read" | "write" | "delete" | "list" | "prepare";
  /** On which key; nothing for listings. */
  readonly key: Key | undefined;
  /** The name of the repository. */
  readonly repository: string;
  /** Which operation this is of all that this layer has seen: 1 for the first. */
  readonly count: number;
}

/** Which operations fail, and how. */
export interface FaultyOptions {
  /** Which faults are met: the same seed and the same operations give the same faults. Default: 1. */
  readonly seed?: number;
  /** How many operations fail, from 0 to 1. Default: 0. */
  readonly rate?: number;
  /** Fail the operation of this number, once: 1 for the first. For loops that fail each operation in turn. */
  readonly nth?: number;
  /** Only operations for these purposes. Default: all. */
  readonly on?: readonly FaultPoint["purpose"][];
  /** Only these operations. It is asked before chance is. */
  readonly when?: (point: FaultPoint) => boolean;
  /** The error. Default: code `unavailable`, as of a service that does not answer for a while. */
  readonly error?: (point: FaultPoint) => unknown;
  /**
   * Whether the operation is done all the same: `before` fails in its place; `after` does it and then fails, as when only the answer was
   * lost; `either` leaves it to chance. Default: `before`.
   */
  readonly at?: "before" | "after" | "either";
}

/** A layer that makes operations fail, and remembers which. */
export interface FaultyLayer extends KeyLayer {
  /** How many operations it has seen. */
  readonly count: number;
  /** The operations that were made to fail, oldest first. */
  readonly faults: readonly FaultPoint[];
}

/**
 * Makes operations fail. What is beside the store (failures, attempts) is under the same layer and the same count.
 *
 * @param options Which, and how.
 * @returns The layer, for every kind of value.
 * @throws {DefinitionError} When the rate is not within 0 and 1, or `nth` no whole number from 1.
 * @example Fail the second operation
 * ```ts
 * import { MemoryBlobRepository } from "@datatask/datatask";
 * import { faulty } from "@datatask/datatask/testing";
 * import assert from "node:assert/strict";
 *
 * const faults = faulty({ nth: 2 });
 * const books = new MemoryBlobRepository("books").with(faults);
 * await books.put("moby-dick", "Call me Ishmael");
 * await assert.rejects(books.text("moby-dick"), { code: "unavailable" });
 * assert.equal(await books.text("moby-dick"), "Call me Ishmael");
 * assert.equal(faults.faults[0]!.purpose, "read");
 * ```
 */
export function faulty(options: FaultyOptions = {}): FaultyLayer {
  const faults = new Faults(options);
  const layer = function fail<D extends KeyDriver>(inner: D): D {
    const { getMany } = inner as KeyDriver as Partial<MetadataDriver>;
    return wrapDriver(
      inner,
      (call, proceed) => faults.around(inner, call.method, call.purpose, call.key, () => proceed()),
      {
        // Not marked as derived: a pipeline must list through this layer, not past it.
        async *keys(opts?: OperationOptions) {
          const { before, after } = faults.meet(inner, "keys", "list", undefined);
          if (before) throw before.error;
          yield* inner.keys(opts);
          if (after) throw after.error;
        },
        getMany: getMany &&
          ((keys: readonly Key[], opts?: OperationOptions) =>
            faults.around(inner, "getMany", "read", undefined, () => getMany(keys, opts))),
        prepare: inner.prepare &&
          ((opts?: OperationOptions) =>
            faults.around(inner, "prepare", "prepare", undefined, () => inner.prepare!(opts))),
        beside: besideUnder(inner, fail),
      },
    );
  };
  return Object.defineProperties(layer, {
    count: { get: () => faults.count },
    faults: { get: () => faults.met },
  }) as FaultyLayer;
}

/** Decides which operations fail. */
class Faults {
  readonly #options: FaultyOptions;
  readonly #random: Random;
  readonly met: FaultPoint[] = [];
  count = 0;

  constructor(options: FaultyOptions) {
    const { rate = 0, nth = 1 } = options;
    if (!(rate >= 0 && rate <= 1)) {
      throw new DefinitionError(`Cannot fail at a rate of ${rate}; write a number from 0 to 1`);
    }
    if (!Number.isInteger(nth) || nth < 1) {
      throw new DefinitionError(`Cannot fail operation ${nth}; write a whole number from 1`);
    }
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
  }

  /** Decides about one operation. */
  meet(
    driver: KeyDriver,
    method: string,
    purpose: FaultPoint["purpose"],
    key: Key | undefined,
  ): { readonly before?: { readonly error: unknown }; readonly after?: { readonly error: unknown } } {
    const { rate = 0, nth, on, when, at = "before" } = this.#options;
    if (on && !on.includes(purpose)) return {};
    const point: FaultPoint = { method, purpose, key, repository: driver.name, count: this.count + 1 };
    if (when && !when(point)) return {};
    this.count++;
    const chosen = point.count === nth || (rate > 0 && this.#random() < rate);
    if (!chosen) return {};
    this.met.push(point);
    const error = this.#options.error ? this.#options.error(point) : unavailable(point);
    const late = at === "after" || (at === "either" && this.#random() < 0.5);
    return late ? { after: { error } } : { before: { error } };
  }

  /** Does one operation, or fails in its place, or after it. */
  async around<T>(
    driver: KeyDriver,
    method: string,
    purpose: FaultPoint["purpose"],
    key: Key | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    const { before, after } = this.meet(driver, method, purpose, key);
    if (before) throw before.error;
    const result = await call();
    if (!after) return result;
    if (result instanceof ReadableStream) await result.cancel();
    throw after.error;
  }
}

function unavailable({ purpose, key, repository, count }: FaultPoint): RepositoryError {
  return new RepositoryError(
    "unavailable",
    `Cannot ${purpose} ${
      key === undefined ? repository : `"${key}" of ${repository}`
    }: operation ${count} was made to fail`,
    { operation: purpose, subject: repository, retry: "later", ...(key === undefined ? {} : { key }) },
  );
}

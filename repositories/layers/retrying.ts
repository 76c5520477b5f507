/**
 * The layer that tries again what failed for a while only.
 *
 * @module
 */
import { type Clock, sleep, systemClock } from "../../core/clock.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { DefinitionError, isDatataskError, RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Random } from "../../core/random.ts";
import type { KeyDriver, KeyLayer, MetadataDriver, OperationOptions, WriteOptions } from "../driver.ts";
import { besideUnder, codeOf, type KeyedCall, wrapDriver } from "./wrap.ts";

/** How {@linkcode retrying} does it. */
export interface RetryingOptions {
  /** How many times to try in all. Default: 4. */
  readonly limit?: number | undefined;
  /** How long to wait before the second try; twice as long before each further one. Default: 200 ms. */
  readonly backoff?: Duration | undefined;
  /** The longest wait. Default: 30 s. */
  readonly longest?: Duration | undefined;
  /** The part of each wait that is left to chance, from 0 to 1, so that many do not come back at once. Default: 0.5. */
  readonly jitter?: number | undefined;
  /** By which clock to wait. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Where chance comes from. Default: the platform's. */
  readonly random?: Random | undefined;
}

/**
 * Tries again what failed because the store could not be reached (its errors of code `unavailable`, or those that say
 * `retry: "later"`), and only what may be done twice:
 *
 * - Looking up, reading and deleting are tried again. Of a stream or tree only the opening is; once it flows, its errors are the reader's.
 * - A listing is started anew as long as no page of it came.
 * - A write is tried again when it is of bytes or of a document. A stream or a tree of files cannot be played twice, and a write on a
 *   condition would meet its own traces: both are tried once. So are `watch`, `staging` and `adopt`.
 *
 * When the last try fails, the error says how often it was tried, and `retry: "gave-up"`.
 *
 * @param options How often, and how long to wait in between.
 * @returns The layer, for every kind of value.
 * @throws {DefinitionError} When the limit is no whole number from 1, or the jitter not within 0 and 1.
 */
export function retrying(options: RetryingOptions = {}): KeyLayer {
  const attempts = new Attempts(options);
  return function retry<D extends KeyDriver>(inner: D): D {
    const again = <T>(
      operation: string,
      key: Key | undefined,
      opts: OperationOptions | undefined,
      call: () => Promise<T>,
    ) => attempts.run(inner, operation, key, opts?.signal, call);
    const { getMany } = inner as KeyDriver as Partial<MetadataDriver>;
    return wrapDriver(inner, async (call, proceed) => {
      if (!repeatable(call)) return await proceed();
      return await again(call.purpose, call.key, call.options, () => proceed());
    }, {
      async *keys(opts?: OperationOptions) {
        const [first, rest] = await again("list", undefined, opts, async () => {
          const iterator = inner.keys(opts)[Symbol.asyncIterator]();
          return [await iterator.next(), iterator] as const;
        });
        try {
          for (let next = first; !next.done; next = await rest.next()) yield next.value;
        } finally {
          await rest.return?.();
        }
      },
      getMany: getMany &&
        ((keys: readonly Key[], opts?: OperationOptions) =>
          again("read", keys.length === 1 ? keys[0] : undefined, opts, () => getMany(keys, opts))),
      prepare: inner.prepare &&
        ((opts?: OperationOptions) => again("prepare", undefined, opts, () => inner.prepare!(opts))),
      beside: besideUnder(inner, retry),
    });
  };
}

/** Whether an operation may be done twice. */
function repeatable({ method, rest, options }: KeyedCall): boolean {
  if (method === "set" || method === "write") {
    const { ifAbsent, ifVersion } = (options ?? {}) as WriteOptions;
    return !ifAbsent && ifVersion === undefined && (method === "set" || rest[0] instanceof Uint8Array);
  }
  return method !== "staging" && method !== "adopt";
}

/** Tries, as often as the options say. */
class Attempts {
  readonly #limit: number;
  readonly #backoff: number;
  readonly #longest: number;
  readonly #jitter: number;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: RetryingOptions) {
    this.#limit = options.limit ?? 4;
    this.#backoff = parseDuration(options.backoff ?? 200, "backoff");
    this.#longest = parseDuration(options.longest ?? 30_000, "longest wait");
    this.#jitter = options.jitter ?? 0.5;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    if (!Number.isInteger(this.#limit) || this.#limit < 1) {
      throw new DefinitionError(`Cannot try ${this.#limit} times; write a whole number from 1`);
    }
    if (!(this.#jitter >= 0 && this.#jitter <= 1)) {
      throw new DefinitionError(`Cannot use a jitter of ${this.#jitter}; write a number from 0 to 1`);
    }
  }

  async run<T>(
    driver: KeyDriver,
    operation: string,
    key: Key | undefined,
    signal: AbortSignal | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    for (let tried = 1;; tried++) {
      try {
        return await call();
      } catch (error) {
        signal?.throwIfAborted();
        if (!passes(driver, error)) throw error;
        if (tried >= this.#limit) throw gaveUp(driver, operation, key, error, tried);
      }
      const wait = Math.min(this.#longest, this.#backoff * 2 ** (tried - 1));
      await sleep(this.#clock, wait * (1 - this.#jitter * this.#random()), signal);
    }
  }
}

/** Whether an error is of trouble that passes. */
function passes(driver: KeyDriver, error: unknown): boolean {
  const { retry } = isDatataskError(error) ? error.context : {};
  if (retry === "never" || retry === "gave-up") return false;
  return retry === "later" || codeOf(driver, error) === "unavailable";
}

function gaveUp(
  driver: KeyDriver,
  operation: string,
  key: Key | undefined,
  error: unknown,
  tried: number,
): RepositoryError {
  const what = key === undefined ? driver.name : `"${key}" of ${driver.name}`;
  const reason = error instanceof Error ? error.message : String(error);
  return new RepositoryError(
    codeOf(driver, error) ?? "unavailable",
    `Cannot ${operation} ${what}: ${reason}; gave up after ${tried} ${
      tried === 1 ? "try" : "tries"
    }: see that the service is up, and run again`,
    {
      operation,
      subject: driver.name,
      ...(key === undefined ? {} : { key }),
      retry: "gave-up",
      cause: error,
    },
  );
}

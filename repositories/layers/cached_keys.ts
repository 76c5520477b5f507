/**
 * The layer that keeps a listing in memory.
 *
 * @module
 */
import { type Clock, systemClock } from "../../core/clock.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import type { Key } from "../../core/key.ts";
import { capabilitiesOver } from "../capabilities.ts";
import type { KeyDriver, ListingOptions, OperationOptions } from "../driver.ts";
import { besideUnder, wrapDriver } from "./wrap.ts";

/** How {@linkcode cachedKeys} does it. */
export interface CachedKeysOptions {
  /** How long a listing may be used without looking: what others write is seen after that at the latest. */
  readonly maxAge: Duration;
  /** The longest listing that is kept, in keys; longer ones are made anew each time. Default: 1,000,000. */
  readonly maxKeys?: number | undefined;
  /** By which clock listings age. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** A layer that keeps listings in memory. */
export interface KeyCacheLayer {
  /** Puts the cache over a driver. */
  <D extends KeyDriver>(inner: D): D;
  /** Forgets the listings of every driver that this layer was put over. */
  invalidate(): void;
}

/**
 * Keeps the last whole listing in memory. What is written and deleted through it is in the next listing; what others do after `maxAge` at
 * the latest, or when a watch that runs through it tells. Everything but listing always looks, `has` too. Beside it lies a cache of its own.
 *
 * @param options How long, and how many.
 * @returns The layer, for every kind of value, with `invalidate`.
 */
export function cachedKeys(options: CachedKeysOptions): KeyCacheLayer {
  const { maxKeys = 1_000_000, clock = systemClock } = options;
  const maxAge = parseDuration(options.maxAge, "maxAge");
  const forgets: (() => void)[] = [];
  const layer = <D extends KeyDriver>(inner: D): D => {
    let kept: { readonly pages: readonly (readonly Key[])[]; readonly until: number } | undefined;
    let changes = 0;
    const forget = (): void => {
      changes++;
      kept = undefined;
    };
    forgets.push(forget);
    return wrapDriver(inner, async (call, proceed) => {
      if (call.purpose !== "write" && call.purpose !== "delete") return await proceed();
      try {
        return await proceed();
      } finally {
        forget();
      }
    }, {
      supports: capabilitiesOver(inner, { consistentListing: false }),
      async *keys(opts?: ListingOptions) {
        opts?.signal?.throwIfAborted();
        if (kept && clock.monotonic() < kept.until) return yield* kept.pages;
        const since = changes;
        const until = clock.monotonic() + maxAge;
        const pages: (readonly Key[])[] = [];
        let count = 0;
        let whole = true;
        const { onUnreadable } = opts ?? {};
        const told = onUnreadable && ((key: Key, error: unknown) => {
          whole = false;
          onUnreadable(key, error);
        });
        for await (const page of inner.keys({ ...opts, onUnreadable: told })) {
          count += page.length;
          if (count <= maxKeys) pages.push([...page]);
          yield page;
        }
        if (whole && count <= maxKeys && since === changes) kept = { pages, until };
      },
      watch: inner.watch && (async function* (opts: OperationOptions) {
        for await (const change of inner.watch!(opts)) {
          forget();
          yield change;
        }
      }),
      beside: besideUnder(inner, layer),
    });
  };
  return Object.assign(layer, { invalidate: () => forgets.forEach((forget) => forget()) });
}

/**
 * The layer that lets nothing be written.
 *
 * @module
 */
import type { KeyDriver, KeyLayer } from "../driver.ts";
import { besideUnder, refuse, unsupported, wrapDriver } from "./wrap.ts";

/**
 * Lets values be read and nothing be written: writes and deletes are refused, with or without a value, and so they are beside it.
 * Everything else is as it is beneath. Preparing it prepares the store beneath.
 *
 * @returns The layer, for every kind of value.
 * @example Read only
 * ```ts
 * import { MemoryBlobRepository, readOnly } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const books = new MemoryBlobRepository().with(readOnly());
 * await assert.rejects(books.put("moby-dick", "…"), /it is read-only here/);
 * ```
 */
export function readOnly(): KeyLayer {
  return function freeze<D extends KeyDriver>(inner: D): D {
    return wrapDriver(inner, async (call, proceed) => {
      if (call.purpose !== "write" && call.purpose !== "delete") return await proceed();
      const why = "it is read-only here; do that where it is not";
      return await refuse(call, unsupported(call.purpose, call.key, inner.name, why));
    }, {
      supports: { ...inner.supports, writable: false, conditional: false },
      staging: undefined,
      adopt: undefined,
      beside: besideUnder(inner, freeze),
    });
  };
}

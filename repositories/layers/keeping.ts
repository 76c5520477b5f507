/**
 * The layer that keeps some keys and hides the others.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { KeyDriver, KeyLayer, MetadataDriver, OperationOptions } from "../driver.ts";
import {
  absent,
  besideUnder,
  functionIdentity,
  type KeyTest,
  mapChanges,
  refuse,
  selectPages,
  unsupported,
  wrapDriver,
} from "./wrap.ts";

/** How a view by a function is called. */
export interface ViewOptions {
  /** What stands for the function in the identity of the view, so that it is the same in every process. Default: one made up. */
  readonly id?: string | undefined;
  /** What errors call the view. Default: the name beneath, and what the view does. */
  readonly name?: string | undefined;
}

/**
 * Keeps the keys that pass a test. The others are not there: they are not listed, not had, not read; deleting one does nothing; writing
 * one is refused. The same test holds beside it. `watch` tells of keys that pass only.
 *
 * @param predicate Which keys to keep. It may be asked more than once for a key.
 * @param options How the view is called.
 * @returns The layer, for every kind of value.
 * @example Keep some keys
 * ```ts
 * import { keeping, MemoryBlobRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const books = new MemoryBlobRepository();
 * await books.put("moby-dick", "Call me Ishmael.");
 * await books.put("draft-1", "…");
 * const finished = books.with(keeping((key) => !key.startsWith("draft-")));
 * assert.deepEqual(await Array.fromAsync(finished), ["moby-dick"]);
 * ```
 */
export function keeping(predicate: KeyTest, options: ViewOptions = {}): KeyLayer {
  const id = functionIdentity(options.id);
  return function keep<D extends KeyDriver>(inner: D): D {
    const name = options.name ?? `${inner.name} (filtered)`;
    const { getMany } = inner as KeyDriver as Partial<MetadataDriver>;
    return wrapDriver(inner, async (call, proceed) => {
      if (await predicate(call.key, call.options)) return await proceed();
      if (call.purpose !== "write") return absent(call);
      return await refuse(call, unsupported("write", call.key, name, "this view does not hold such a key"));
    }, {
      name,
      identity: `keep(${inner.identity}, ${id})`,
      derived: { by: "pointwise", parts: [inner], over: ([part]) => keep(part as D) },
      keys: (opts?: OperationOptions) => selectPages(inner.keys(opts), predicate, opts),
      getMany: getMany && (async (keys: readonly Key[], opts?: OperationOptions) => {
        const answers = await Promise.all(keys.map((key) => predicate(key, opts)));
        return await getMany(keys.filter((_, i) => answers[i]), opts);
      }),
      watch: inner.watch &&
        ((opts: OperationOptions) =>
          mapChanges(inner.watch!(opts), opts, async (c) => await predicate(c.key, opts) ? c : undefined)),
      beside: besideUnder(inner, keep),
    });
  };
}

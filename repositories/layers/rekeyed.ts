/**
 * The layer that gives values other keys.
 *
 * @module
 */
import { DefinitionError } from "../../core/errors.ts";
import { isKey, type Key } from "../../core/key.ts";
import type { KeyDriver, KeyLayer, ListingOptions, MetadataDriver, OperationOptions } from "../driver.ts";
import type { ViewOptions } from "./keeping.ts";
import {
  absent,
  besideUnder,
  functionIdentity,
  mapChanges,
  refuse,
  unsupported,
  wrapDriver,
} from "./wrap.ts";

/** How keys are translated. Each must undo the other: a key for which they do not is not in the view. */
export interface KeyTranslation {
  /** The key beneath of a key above; nothing when there is none. */
  readonly to: (key: Key) => Key | undefined;
  /** The key above of a key beneath; nothing when there is none. */
  readonly from: (key: Key) => Key | undefined;
}

/**
 * Gives values other keys. Keys beneath that have none above are not there; a key above that has none beneath is not there, deleting it
 * does nothing, and writing it is refused. Keys are translated beside it as well, and in what `watch` tells.
 *
 * @param translation How keys are translated.
 * @param options How the view is called.
 * @returns The layer, for every kind of value.
 */
export function rekeyed({ to, from }: KeyTranslation, options: ViewOptions = {}): KeyLayer {
  const id = functionIdentity(options.id);
  const beneath = (key: Key): Key | undefined => {
    const other = to(key);
    return other !== undefined && isKey(other) && from(other) === key ? other : undefined;
  };
  const above = (key: string): Key | undefined => {
    const other = isKey(key) ? from(key) : undefined;
    return other !== undefined && isKey(other) && to(other) === key ? other : undefined;
  };
  return function rekey<D extends KeyDriver>(inner: D): D {
    const name = options.name ?? `${inner.name} (rekeyed)`;
    const { getMany, path } = inner as KeyDriver as Partial<MetadataDriver> & { path?(key: Key): string };
    return wrapDriver(inner, async (call, proceed) => {
      const key = beneath(call.key);
      if (key !== undefined) return await proceed(key);
      if (call.purpose !== "write") return absent(call);
      const why = "it has no key beneath; use a key that has one";
      return await refuse(call, unsupported("write", call.key, name, why));
    }, {
      name,
      identity: `rekey(${inner.identity}, ${id})`,
      derived: { by: "opaque", parts: [inner], over: ([part]) => rekey(part as D) },
      async *keys(opts?: ListingOptions) {
        const { onUnreadable } = opts ?? {};
        const told = onUnreadable && ((key: Key, error: unknown) => {
          const other = above(key);
          if (other !== undefined) onUnreadable(other, error);
        });
        for await (const page of inner.keys({ ...opts, onUnreadable: told })) {
          const names = page.map(above).filter((key) => key !== undefined);
          if (names.length > 0) yield names;
        }
      },
      getMany: getMany && (async (keys: readonly Key[], opts?: OperationOptions) => {
        const found = await getMany(keys.map(beneath).filter((key) => key !== undefined), opts);
        return new Map([...found].map(([key, value]) => [above(key)!, value]));
      }),
      path: path && ((key: Key) => {
        const other = beneath(key);
        if (other !== undefined) return path(other);
        throw unsupported("locate", key, name, "it has no key beneath; use a key that has one");
      }),
      watch: inner.watch &&
        ((opts: OperationOptions) =>
          mapChanges(inner.watch!(opts), opts, ({ key, present }) => {
            const other = above(key);
            return other === undefined ? undefined : { key: other, present };
          })),
      admits: inner.admits && ((key: Key, opts?: OperationOptions) => {
        const other = beneath(key);
        return other === undefined || inner.admits!(other, opts);
      }),
      beside: besideUnder(inner, rekey),
    });
  };
}

/**
 * Shows the keys that begin with a prefix, without it. Several views of one store, each under its own prefix, are kept apart.
 *
 * @param prefix What keys beneath begin with: valid at the beginning of a key.
 * @returns The layer, for every kind of value.
 * @throws {DefinitionError} When no key can begin with it.
 * @example Two views of one store
 * ```ts
 * import { MemoryBlobRepository, prefixed } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const store = new MemoryBlobRepository();
 * await store.with(prefixed("books-")).put("moby-dick", "Call me Ishmael.");
 * assert.equal(await store.text("books-moby-dick"), "Call me Ishmael.");
 * ```
 */
export function prefixed(prefix: string): KeyLayer {
  if (!isKey(`${prefix}0`)) {
    throw new DefinitionError(
      `Cannot use the prefix ${
        JSON.stringify(prefix)
      }: no key begins with it; use up to 127 of A-Z a-z 0-9 . _ - with a letter or digit first`,
    );
  }
  const to = (key: Key): Key => prefix + key;
  const from = (key: Key): Key | undefined => key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
  return <D extends KeyDriver>(inner: D): D =>
    rekeyed({ to, from }, { id: `prefix ${prefix}`, name: `${inner.name} (${prefix}*)` })(inner);
}

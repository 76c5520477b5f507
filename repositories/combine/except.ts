/**
 * The combinator of keys that are in one and not in others.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { OperationOptions } from "../driver.ts";
import { type AnyRepository, identitiesOf, namesOf, type Place, view, type ViewOf } from "./view.ts";
import { watchParts } from "./watch_parts.ts";

/**
 * The keys of a repository that are in none of some others, with its values. It is neither written nor deleted through. Listing it holds
 * the keys of all in memory once. Where all parts can tell of changes, `watch` tells of them, with what `has` says then.
 *
 * @param source Whose keys and values it has.
 * @param inhibitors What must not have a key.
 * @returns A repository of the same kind as the source.
 */
export function except<R extends AnyRepository>(source: R, ...inhibitors: AnyRepository[]): ViewOf<R> {
  const parts = [source, ...inhibitors];
  const locate = async (key: Key, options?: OperationOptions): Promise<Place | undefined> => {
    const [there, ...hindered] = await Promise.all(parts.map((part) => part.has(key, options)));
    return there && !hindered.some(Boolean) ? { repository: source, key } : undefined;
  };
  return view<R>(source.kind, {
    name: `except(${namesOf(parts)})`,
    identity: `except(${identitiesOf(parts)})`,
    by: "except",
    parts,
    holders: [source],
    over: (others) => except(...others as [R, ...AnyRepository[]]) as AnyRepository,
    locate,
    watch: watchParts(parts, async (key, options) => await locate(key, options) !== undefined),
    async *keys(options) {
      options?.signal?.throwIfAborted();
      const out = new Set<Key>();
      await Promise.all(inhibitors.map(async (each) => {
        for await (const page of each.pages(options)) for (const key of page) out.add(key);
      }));
      for await (const page of source.pages(options)) {
        const kept = page.filter((key) => !out.has(key) && out.add(key));
        if (kept.length > 0) yield kept;
      }
    },
  });
}

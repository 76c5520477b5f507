/**
 * The combinator of keys that are in all.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { type AnyRepository, identitiesOf, keySet, namesOf, view, type ViewOf } from "./view.ts";
import { watchParts } from "./watch_parts.ts";

/**
 * The keys that are in all of some repositories, with the values of the first. It is neither written nor deleted through. Listing it holds the keys of
 * the others in memory, and goes through the first as it arrives. Where all parts can tell of changes, `watch` tells of those that may be
 * changes of it, with what `has` says then.
 *
 * @param first Whose values it has.
 * @param others What else must have a key.
 * @returns A repository of the same kind as the first.
 * @example Books that are summarised
 * ```ts
 * import { and, MemoryBlobRepository, MemoryMetadataRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const books = new MemoryBlobRepository();
 * const summaries = new MemoryMetadataRepository();
 * await books.put("moby-dick", "Call me Ishmael.");
 * await books.put("emma", "Emma Woodhouse, …");
 * await summaries.set("emma", { words: 160_000 });
 * assert.deepEqual(await Array.fromAsync(and(books, summaries)), ["emma"]);
 * ```
 */
export function and<R extends AnyRepository>(first: R, ...others: AnyRepository[]): ViewOf<R> {
  const parts = [first, ...others];
  const locate = async (key: Key, options?: object) => {
    const answers = await Promise.all(parts.map((part) => part.has(key, options)));
    return answers.every(Boolean) ? { repository: first, key } : undefined;
  };
  return view<R>(first.kind, {
    name: `and(${namesOf(parts)})`,
    identity: `and(${identitiesOf(parts)})`,
    by: "and",
    parts,
    holders: [first],
    over: (others) => and(...others as [R, ...AnyRepository[]]) as AnyRepository,
    locate,
    watch: watchParts(parts, async (key, options) => await locate(key, options) !== undefined),
    async *keys(options) {
      options?.signal?.throwIfAborted();
      const sets = await Promise.all(others.map((other) => keySet(other, options)));
      const left = sets.length === 0 ? undefined : sets.reduce((all, each) => all.intersection(each));
      const seen = new Set<Key>();
      for await (const page of first.pages(options)) {
        // What is handed out is struck off, so that a part that repeats itself is not repeated.
        const kept = page.filter((key) => left ? left.delete(key) : !seen.has(key) && seen.add(key));
        if (kept.length > 0) yield kept;
      }
    },
  });
}

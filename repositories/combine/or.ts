/**
 * The combinator of keys that are in any.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { DefinitionError } from "../../core/errors.ts";
import type { BlobRepository } from "../blob.ts";
import type { ListingOptions, OperationOptions } from "../driver.ts";
import type { FilesystemRepository } from "../filesystem.ts";
import type { MetadataRepository } from "../metadata.ts";
import type { Repository, RepositoryKind } from "../repository.ts";
import { type AnyRepository, identitiesOf, namesOf, type Place, view } from "./view.ts";
import { watchParts } from "./watch_parts.ts";

/**
 * The keys that are in any of some repositories, each with the value of the first that has it. It is neither written nor deleted
 * through (see `overlay` for that). When the kinds of value differ, it has keys only. Where all parts can tell of changes, `watch` tells of
 * them, with what `has` says then.
 *
 * @param parts The repositories, in the order in which their values count.
 * @returns A repository of their kind.
 * @throws {DefinitionError} When there are none.
 */
export function or(...parts: [BlobRepository, ...BlobRepository[]]): BlobRepository;
/** Documents: see the first form. */
export function or<T>(...parts: [MetadataRepository<T>, ...MetadataRepository<T>[]]): MetadataRepository<T>;
/** Trees of files: see the first form. */
export function or(...parts: [FilesystemRepository, ...FilesystemRepository[]]): FilesystemRepository;
/** Repositories of several kinds, by their keys: see the first form. */
export function or(...parts: AnyRepository[]): Repository;
export function or(...parts: AnyRepository[]): Repository {
  if (parts.length === 0) {
    throw new DefinitionError("Cannot make or() of nothing; give it one repository or more");
  }
  const locate = (key: Key, options?: OperationOptions): Promise<Place | undefined> =>
    firstWith(parts, key, options);
  return view<AnyRepository>(commonKind(parts), {
    name: `or(${namesOf(parts)})`,
    identity: `or(${identitiesOf(parts)})`,
    by: "or",
    parts,
    over: (others) => or(...others),
    locate,
    watch: watchParts(parts, async (key, options) => await locate(key, options) !== undefined),
    keys: (options) => unionPages(parts, options),
  });
}

/**
 * The first of some repositories that has a key.
 *
 * @param parts The repositories, in order.
 * @param key The key.
 * @param options When to stop.
 * @returns Where it lies.
 */
export async function firstWith(
  parts: readonly AnyRepository[],
  key: Key,
  options?: OperationOptions,
): Promise<Place | undefined> {
  for (const repository of parts) if (await repository.has(key, options)) return { repository, key };
  return undefined;
}

/**
 * The keys of all of some repositories, each once.
 *
 * @param parts The repositories.
 * @param options When to stop.
 */
export async function* unionPages(
  parts: readonly AnyRepository[],
  options?: ListingOptions,
): AsyncGenerator<readonly Key[], void, void> {
  options?.signal?.throwIfAborted();
  const seen = new Set<Key>();
  for (const part of parts) {
    for await (const page of part.pages(options)) {
      const fresh = page.filter((key) => !seen.has(key) && seen.add(key));
      if (fresh.length > 0) yield fresh;
    }
  }
}

/**
 * The kind that repositories have in common.
 *
 * @param parts The repositories.
 * @returns Their kind, or `keys` when they differ.
 */
export function commonKind(parts: readonly AnyRepository[]): RepositoryKind {
  const [first] = parts;
  return parts.every((part) => part.kind === first!.kind) ? first!.kind : "keys";
}

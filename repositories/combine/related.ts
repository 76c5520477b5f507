/**
 * The combinator that reads values under other keys.
 *
 * @module
 */
import type { AsyncLocalStorage } from "node:async_hooks";
import { DefinitionError, isDatataskError } from "../../core/errors.ts";
import { isKey, type Key } from "../../core/key.ts";
import type { ListingOptions, OperationOptions } from "../driver.ts";
import { functionIdentity } from "../layers/wrap.ts";
import type { MetadataRepository } from "../metadata.ts";
import { isRepository } from "../repository.ts";
import { type AnyRepository, keySet, type Place, view, type ViewOf } from "./view.ts";
import { watchParts } from "./watch_parts.ts";

/** Gives the key under which a value lies for a key; nothing when there is none. */
export type KeyFunction = (
  key: Key,
  options?: OperationOptions,
) => Key | undefined | null | Promise<Key | undefined | null>;

/** How {@linkcode related} does it. */
export interface RelatedOptions {
  /** Lets values be written and deleted through the view: those under the other key. Default: false. */
  readonly writable?: boolean | undefined;
  /** For a function: where the keys come from that it may be asked for. */
  readonly domain?: AnyRepository | undefined;
  /** For a function: gives the key above for a key of the base, in place of `domain`. */
  readonly inverse?: ((key: Key) => Key | undefined) | undefined;
  /** What stands for the function in the identity of the view, so that it is the same in every process. Default: one made up. */
  readonly id?: string | undefined;
  /** What errors call the view. */
  readonly name?: string | undefined;
}

/** How many keys are translated together. */
const BATCH = 256;

/**
 * The values of a repository under other keys. A key is in when it translates to a key that is in the base; its value is the value
 * there. A key that does not translate is not there: neither listed nor had, and nothing is deleted for it. Several keys may share a value.
 *
 * The translation is a repository whose documents are keys of the base (see `map` for one field of larger documents), or a function, with
 * where its keys come from: a `domain`, or its `inverse`. A translation that depends on itself is refused. Writes and deletes are refused
 * unless `writable` says otherwise; then they go to the base. Where the base and the translation can tell of changes, `watch` tells `rescan` at
 * each: any key may have come or gone.
 *
 * @param base Whose values it has.
 * @param translator The translation.
 * @param options Where keys come from, and what is allowed.
 * @returns A repository of the same kind as the base.
 * @throws {DefinitionError} When it is a function and nothing says where its keys come from.
 * @example Each book's author
 * ```ts
 * import { MemoryBlobRepository, MemoryMetadataRepository, related } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const portraits = new MemoryBlobRepository();
 * await portraits.put("austen", "a portrait");
 * const authors = new MemoryMetadataRepository<string>();
 * await authors.set("emma", "austen");
 * await authors.set("moby-dick", "melville");
 * const portraitOfAuthor = related(portraits, authors);
 * assert.deepEqual(await Array.fromAsync(portraitOfAuthor), ["emma"]);
 * assert.equal(await portraitOfAuthor.text("emma"), "a portrait");
 * ```
 */
export function related<R extends AnyRepository>(
  base: R,
  translator: MetadataRepository<Key> | MetadataRepository<unknown> | KeyFunction,
  options: RelatedOptions = {},
): ViewOf<R> {
  const translation = translationOf(translator, options);
  const { origin } = translation;
  const parts = origin ? [base, origin] : [base];
  const name = options.name ?? `related(${base.name}${origin ? `, by ${origin.name}` : ""})`;
  const guard = new TranslationGuard(name);
  const translate = (key: Key, opts?: OperationOptions): Promise<Key | undefined> =>
    guard.run(key, async () => {
      const other = await translation.translate(key, opts);
      return typeof other === "string" && isKey(other) ? other : undefined;
    });
  const placeOf = async (key: Key, opts?: OperationOptions): Promise<Place | undefined> => {
    const other = await translate(key, opts);
    return other === undefined ? undefined : { repository: base, key: other };
  };
  return view<R>(base.kind, {
    name,
    identity: `related(${base.driver.identity}, ${translation.identity})`,
    by: "opaque",
    parts,
    holders: [base],
    over: ([other, source]) =>
      isRepository(translator)
        ? related(other as R, source as unknown as MetadataRepository, options) as AnyRepository
        : related(other as R, translator, source ? { ...options, domain: source } : options) as AnyRepository,
    advice:
      `it shows values of ${base.name} under other keys; do that there, or make it with { writable: true }`,
    ...(options.writable ? { writesTo: (key: Key, _purpose, opts) => placeOf(key, opts) } : {}),
    watch: watchParts(parts),
    async locate(key, opts) {
      const place = await placeOf(key, opts);
      return place && await base.has(place.key, opts) ? place : undefined;
    },
    async *keys(opts) {
      opts?.signal?.throwIfAborted();
      const { signal, onUnreadable } = opts ?? {};
      // Of which keys of the base it cannot be known whether they are there.
      const doubts = new Map<Key, unknown>();
      const onDoubt = onUnreadable && ((key: Key, error: unknown) => void doubts.set(key, error));
      const there = await keySet(base, { signal, onUnreadable: onDoubt });
      for (const key of doubts.keys()) there.delete(key);
      const known = doubts.size === 0 ? there : there.union(new Set(doubts.keys()));
      const each = async (keys: readonly Key[]): Promise<ReadonlyMap<Key, unknown>> => {
        const found = await Promise.all(keys.map(async (key) => {
          try {
            return [[key, await translate(key, { signal })] as const];
          } catch (error) {
            if (!onUnreadable || !isDatataskError(error, "invalid-value")) throw error;
            onUnreadable(key, error);
            return [];
          }
        }));
        return new Map(found.flat());
      };
      const many = async (keys: readonly Key[]): Promise<ReadonlyMap<Key, unknown>> => {
        try {
          return await translation.many!(keys, { signal });
        } catch (error) {
          signal?.throwIfAborted();
          if (!onUnreadable || !isDatataskError(error, "invalid-value")) throw error;
          return await each(keys);
        }
      };
      const seen = new Set<Key>();
      for await (const page of translation.candidates(known, opts)) {
        const others = translation.many ? await many(page) : await each(page);
        const kept = page.filter((key) => {
          const other = others.get(key) as Key;
          if (doubts.has(other)) onUnreadable!(key, doubts.get(other));
          return there.has(other) && !seen.has(key) && seen.add(key);
        });
        if (kept.length > 0) yield kept;
      }
    },
  });
}

/** A translation, wherever it comes from. */
interface Translation {
  readonly identity: string;
  /** Whose keys are translated, where it is a repository. */
  readonly origin: AnyRepository | undefined;
  translate(key: Key, options?: OperationOptions): unknown;
  /** Many at once, where that is quicker. */
  readonly many?: (keys: readonly Key[], options?: OperationOptions) => Promise<ReadonlyMap<Key, unknown>>;
  /** The keys that may translate to one of these. */
  candidates(base: ReadonlySet<Key>, options?: ListingOptions): AsyncIterable<readonly Key[]>;
}

function translationOf(
  translator: MetadataRepository<Key> | MetadataRepository<unknown> | KeyFunction,
  { domain, inverse, id }: RelatedOptions,
): Translation {
  if (isRepository(translator)) {
    const repository = translator as MetadataRepository<unknown>;
    return {
      identity: repository.driver.identity,
      origin: repository,
      translate: (key, options) => repository.find(key, options),
      many: (keys, options) => repository.getMany(keys, options),
      candidates: (_base, options) => inBatches(repository.pages(options)),
    };
  }
  const call = translator as KeyFunction;
  const identity = functionIdentity(id);
  if (domain) {
    return {
      identity: `${identity} over ${domain.driver.identity}`,
      origin: domain,
      translate: async (key, options) =>
        await domain.has(key, options) ? await call(key, options) : undefined,
      candidates: (_base, options) => inBatches(domain.pages(options)),
    };
  }
  if (!inverse) {
    throw new DefinitionError(
      "Cannot list what a function relates: nothing says which keys it takes; give `domain`, a repository of them, or `inverse`, a function back",
    );
  }
  return {
    identity,
    origin: undefined,
    translate: call,
    async *candidates(base) {
      yield [...base].map(inverse).filter((key) => key !== undefined && isKey(key)) as Key[];
    },
  };
}

async function* inBatches(pages: AsyncIterable<readonly Key[]>): AsyncGenerator<readonly Key[], void, void> {
  for await (const page of pages) {
    for (let at = 0; at < page.length; at += BATCH) yield page.slice(at, at + BATCH);
  }
}

/** The longest row of translations that need each other. */
const MAX_CHAIN = 32;

/** Sees that translating a key does not come to translate it again. */
class TranslationGuard {
  readonly #name: string;
  #chains: Promise<AsyncLocalStorage<readonly Key[]>> | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  async run<T>(key: Key, call: () => Promise<T>): Promise<T> {
    this.#chains ??= import("node:async_hooks").then((hooks) =>
      new hooks.AsyncLocalStorage<readonly Key[]>()
    );
    const chains = await this.#chains;
    const chain = chains.getStore() ?? [];
    if (!chain.includes(key) && chain.length < MAX_CHAIN) return await chains.run([...chain, key], call);
    const way = [...chain.slice(Math.max(0, chain.indexOf(key))), key].map((each) => `"${each}"`);
    const shown = way.length > 6 ? [...way.slice(0, 3), "…", ...way.slice(-1)] : way;
    throw new DefinitionError(
      `Cannot translate "${key}" of ${this.#name}: its translation depends on itself (${
        shown.join(" -> ")
      }); translate by something else`,
      { operation: "translate", subject: this.#name, key },
    );
  }
}

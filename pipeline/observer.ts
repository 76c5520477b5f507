/**
 * Observes the repositories of a pipeline: each store once, however many links lead to it, and derived ones from their parts.
 *
 * @module
 */
import { isDatataskError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { KeyDriver } from "../repositories/driver.ts";
import { Repository, type SkippedNames } from "../repositories/repository.ts";
import { allOf, anyOf, butNot } from "./derived_set.ts";
import type { KeySpace } from "./key_space.ts";
import { unreadableIn } from "./unreadable.ts";
import { Numbering } from "./numbering.ts";
import { type LiveSet, ObservedKeys } from "./observed.ts";

/** How many repositories are listed, or keys looked up, at a time. */
const WIDTH = 8;

/** What an observer tells. */
export interface ObserverOptions {
  /** Trouble with a repository. */
  readonly onTrouble: (repository: Repository, error: unknown) => void;
  /** Names that are no keys. */
  readonly onSkipped: SkippedNames;
  /** Keys of which it cannot be known whether a repository has them. */
  readonly onUnreadable: (repository: Repository, key: Key, error: unknown) => void;
  /** Work in the background has ended. */
  readonly onSettled: () => void;
}

/** Observes repositories. */
export class Observer {
  readonly #keys: KeySpace;
  readonly #options: ObserverOptions;
  readonly #sets = new Map<string, LiveSet>();
  readonly #leaves = new Map<string, ObservedKeys>();
  /** Keys that a repository is being asked for, and whether they have changed since it was asked. */
  readonly #asked = new Map<ObservedKeys, Map<Key, boolean>>();
  /** What says which jobs of a task are done. */
  readonly #ends = new Set<LiveSet>();
  readonly #relisting = new Map<ObservedKeys, { dirty: boolean; busy: boolean }>();
  readonly #views = new WeakMap<object, number>();
  #nextView = 1;
  #pending = 0;

  constructor(keys: KeySpace, options: ObserverOptions) {
    this.#keys = keys;
    this.#options = options;
  }

  /** The stores that are listed. */
  get leaves(): Iterable<ObservedKeys> {
    return this.#leaves.values();
  }

  /** Whether something is being found out in the background. */
  get busy(): boolean {
    return this.#pending > 0;
  }

  /**
   * The keys of a repository. Nothing is listed yet: see {@linkcode Observer.list}.
   *
   * @param repository Which.
   * @returns Its keys, followed from now on.
   */
  observe(repository: Repository): LiveSet {
    const name = this.#identity(repository.driver);
    let set = this.#sets.get(name);
    if (!set) this.#sets.set(name, set = this.#make(repository, name));
    return set;
  }

  /**
   * The keys of a repository that says what a task has done. Nothing is left to do for a key that is in all of these.
   *
   * @param repository Which.
   * @returns Its keys, followed from now on.
   */
  observeEnd(repository: Repository): LiveSet {
    const set = this.observe(repository);
    this.#ends.add(set);
    return set;
  }

  /** The keys of a repository, when it is observed already. */
  observed(repository: Repository): LiveSet | undefined {
    return this.#sets.get(this.#identity(repository.driver));
  }

  /**
   * The keys of which it cannot be known whether a repository has them.
   *
   * @param repository Which.
   * @returns Those keys, followed from now on; nothing when that cannot happen: only views that read values can be at a loss.
   */
  unreadable(repository: Repository): LiveSet | undefined {
    return unreadableIn(repository, this);
  }

  /** Why it cannot be known whether a repository has a key, by number. */
  fault(repository: Repository, id: number): unknown {
    const known = this.leaf(repository)?.fault(id);
    if (known !== undefined) return known;
    for (const part of repository.driver.derived?.parts ?? []) {
      const fault = this.fault(new Repository(part), id);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** The store that a repository is, when it is listed by itself. */
  leaf(repository: Repository): ObservedKeys | undefined {
    return this.#leaf(repository.driver);
  }

  #leaf(driver: KeyDriver): ObservedKeys | undefined {
    return this.#leaves.get(this.#identity(driver));
  }

  /**
   * Says that a key of a repository came, went, or has a new value.
   *
   * @param repository Where.
   * @param key Which.
   * @param present Whether it is there.
   */
  announce(repository: Repository, key: Key, present: boolean): void {
    this.#announce(repository.driver, key, present);
  }

  #announce(driver: KeyDriver, key: Key, present: boolean): void {
    const { derived, admits } = driver;
    // Written through a view: the stores beneath have changed first, and their readers must hear of it too.
    if (derived?.by === "same" || derived?.by === "pointwise") {
      this.#announce(derived.parts[0]!, key, present);
      if (derived.by === "same" && !admits) return; // They are one store.
    } else {
      for (const part of derived?.parts ?? []) this.#written(part, key, derived!.by === "opaque");
    }
    this.#leaf(driver)?.announce(key, present);
  }

  /** Something was written somewhere beneath a view: under the same key, or (through an opaque view) under one that is not known. */
  #written(part: KeyDriver, key: Key, opaque: boolean): void {
    const leaf = this.#leaf(part);
    if (leaf && opaque) this.#relist(leaf);
    else if (leaf) this.#recheck(leaf, new Repository(part), key);
    const { derived } = part;
    for (const inner of derived?.parts ?? []) {
      this.#written(inner, key, opaque || derived!.by === "opaque");
    }
  }

  /**
   * Lists all stores.
   *
   * @param options When to stop, and which stores to leave out.
   * @returns Whether anything had changed.
   */
  async list(
    options: { readonly signal?: AbortSignal | undefined; readonly only?: (leaf: ObservedKeys) => boolean } =
      {},
  ): Promise<boolean> {
    const { signal } = options;
    const queue = [...this.#leaves.values()].filter(options.only ?? (() => true));
    const ends = queue.filter((leaf) => this.#ends.has(leaf)).length;
    const numbering = new Numbering(this.#keys, queue.length, ends === this.#ends.size ? ends : 0);
    const listings: Promise<boolean>[] = [];
    // A listing that has found its keys makes way for the next, and waits for the numbers.
    const worker = async (): Promise<void> => {
      for (let leaf = queue.shift(); leaf; leaf = queue.shift()) {
        const found = Promise.withResolvers<void>();
        const listing = this.#listOne(leaf, numbering, signal, found.resolve);
        listing.catch(() => {});
        listings.push(listing);
        await found.promise;
      }
    };
    await Promise.all(Array.from({ length: Math.min(WIDTH, queue.length) }, worker));
    return (await Promise.all(listings)).some(Boolean);
  }

  async #listOne(
    leaf: ObservedKeys,
    numbering: Numbering,
    signal: AbortSignal | undefined,
    onFound: () => void,
  ): Promise<boolean> {
    let numbered = false;
    try {
      return await leaf.list({
        signal,
        number: (keys) => {
          numbered = true;
          onFound();
          return numbering.found(keys, this.#ends.has(leaf));
        },
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (leaf.listedAt === undefined) throw error;
      this.#options.onTrouble(leaf.repository, error);
      return false;
    } finally {
      if (!numbered) numbering.leave();
      onFound();
    }
  }

  #identity(driver: KeyDriver): string {
    const { admits, derived } = driver;
    if (!admits) return derived?.by === "same" ? this.#identity(derived.parts[0]!) : driver.identity;
    let view = this.#views.get(admits);
    if (view === undefined) this.#views.set(admits, view = this.#nextView++);
    return `${driver.identity}\0${view}`;
  }

  #make(repository: Repository, name: string): LiveSet {
    const { derived, admits } = repository.driver;
    const parts = derived?.parts.map((part) => new Repository(part)) ?? [];
    if (derived && !admits) {
      const sets = (): LiveSet[] => parts.map((part) => this.observe(part));
      if (derived.by === "same") return this.observe(parts[0]!);
      if (derived.by === "and") return allOf(sets());
      if (derived.by === "or") return anyOf(sets());
      if (derived.by === "except") return butNot(this.observe(parts[0]!), sets().slice(1));
    }
    const leaf = new ObservedKeys(repository, this.#keys, this.#options);
    this.#leaves.set(name, leaf);
    if (derived?.by === "opaque") {
      for (const set of this.#told(parts)) set.subscribe(() => this.#relist(leaf));
    } else {
      for (const set of this.#told(parts)) {
        set.subscribe((ids) => {
          for (const id of ids) this.#recheck(leaf, repository, this.#keys.key(id));
        });
      }
    }
    return leaf;
  }

  /** What is to be followed of the parts of a view. */
  *#told(parts: readonly Repository[]): Generator<LiveSet, void, void> {
    for (const part of parts) {
      yield this.observe(part);
      const unreadable = this.unreadable(part);
      if (unreadable) yield unreadable;
    }
  }

  /** Asks a repository whether it has a key, and takes the answer; asks again when there was a change in the meantime. */
  #recheck(leaf: ObservedKeys, repository: Repository, key: Key): void {
    if (!leaf.begun) return; // The first listing will tell.
    let asked = this.#asked.get(leaf);
    if (!asked) this.#asked.set(leaf, asked = new Map());
    if (asked.has(key)) return void asked.set(key, true);
    asked.set(key, true);
    this.#background(repository, async () => {
      try {
        while (asked.get(key)) {
          asked.set(key, false);
          const { listings } = leaf;
          const present = await repository.has(key).catch((error) => {
            if (!isDatataskError(error, "invalid-value")) throw error;
            return { error };
          });
          // A listing that has begun since is younger than this answer.
          if (leaf.listings !== listings) asked.set(key, true);
          else if (typeof present === "boolean") leaf.announce(key, present);
          else leaf.doubt(key, present.error);
        }
      } finally {
        asked.delete(key);
      }
    });
  }

  /** Lists a store again because something beneath has changed; changes in the meantime cause one more listing. */
  #relist(leaf: ObservedKeys): void {
    let state = this.#relisting.get(leaf);
    if (!state) this.#relisting.set(leaf, state = { dirty: false, busy: false });
    state.dirty = true;
    if (state.busy || !leaf.begun) return;
    state.busy = true;
    this.#background(leaf.repository, async () => {
      try {
        while (state.dirty) {
          await Promise.resolve();
          state.dirty = false;
          await leaf.list();
        }
      } finally {
        state.busy = false;
      }
    });
  }

  #background(repository: Repository, work: () => Promise<void>): void {
    this.#pending++;
    work().catch((error) => this.#options.onTrouble(repository, error)).finally(() => {
      this.#pending--;
      this.#options.onSettled();
    });
  }
}

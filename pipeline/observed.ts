/**
 * What is known of which keys a repository holds, kept up to date by changes and, where nobody announces them, by listing.
 *
 * @module
 */
import { describeError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { OperationOptions } from "../repositories/driver.ts";
import type { Repository, SkippedNames } from "../repositories/repository.ts";
import { changed, KeySet } from "./key_set.ts";
import type { KeySpace } from "./key_space.ts";

/** Told which members of a set may have changed. */
export type Listener = (ids: Iterable<number>) => void;

/** A set whose changes can be followed. */
export interface LiveSet {
  /** The members now. */
  readonly set: KeySet;
  /** Calls a function after each change, with the ids that came, went, or (for values) may have changed. */
  subscribe(listener: Listener): void;
}

/** A set that tells its listeners. */
export class SubscribableSet implements LiveSet {
  set: KeySet = new KeySet();
  readonly #listeners: Listener[] = [];

  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Puts a member in or takes it out, and tells. */
  put(id: number, present: boolean): void {
    if (this.set.set(id, present)) this.tell([id]);
  }

  /** Tells the listeners. */
  tell(ids: Iterable<number>): void {
    for (const listener of this.#listeners) listener(ids);
  }

  /** Takes another set in place of this one, and tells what differs. */
  replace(set: KeySet): boolean {
    const different = changed(this.set, set);
    this.set = set;
    if (different.size === 0) return false;
    this.tell(different);
    return true;
  }
}

/** Up to this many keys are sorted before they are numbered, so that equal priorities go in the order of names. */
const SORTED = 200_000;

/** How many keys of a late listing are asked for at once. */
const CONFIRMED = 16;

/** How to list. */
export interface ListOptions extends OperationOptions {
  /** Gives the numbers of the keys that the first listing has found new; called once, by the first listing only. */
  readonly number?: ((keys: readonly Key[]) => Promise<Iterable<number>>) | undefined;
}

/** Who is told what is odd about a repository. */
export interface ObservedInit {
  /** Told of names that are no keys, once for as long as they stay the same. Default: the console is warned. */
  readonly onSkipped?: SkippedNames | undefined;
  /** Told of keys of which it cannot be known whether they are there, once for as long as the reason stays the same. */
  readonly onUnreadable?: ((repository: Repository, key: Key, error: unknown) => void) | undefined;
}

/** The keys of one repository. */
export class ObservedKeys extends SubscribableSet {
  readonly repository: Repository;
  readonly #keys: KeySpace;
  /** When the last listing began, by the monotonic clock of the platform; nothing before the first. */
  listedAt: number | undefined;
  /** How long it took, in milliseconds. */
  listingMs = 0;
  /** How many listings were begun. */
  listings = 0;
  /** Ids that were announced while a listing was under way: news the listing may not have. */
  #announced: Map<number, boolean> | undefined;
  /** The end of the listing that was asked for last. */
  #last: Promise<unknown> | undefined;
  /** Keys of which it cannot be known whether they are there, since what would say so is damaged. None of them is in `set`. */
  readonly unreadable: SubscribableSet = new SubscribableSet();
  readonly #faults = new Map<number, unknown>();
  readonly #told: ObservedInit;
  #skipped = "";

  /**
   * @param repository Which.
   * @param keys Numbers the keys.
   * @param told Who is told what.
   */
  constructor(repository: Repository, keys: KeySpace, told: ObservedInit = {}) {
    super();
    this.repository = repository;
    this.#keys = keys;
    this.#told = told;
  }

  /**
   * Says that a key came, went or has a new value.
   *
   * @param key Which.
   * @param present Whether it is there.
   */
  announce(key: Key, present: boolean): void {
    const id = this.#keys.id(key);
    this.#announced?.set(id, present);
    this.#faults.delete(id);
    this.set.set(id, present);
    this.tell([id]);
    this.unreadable.put(id, false);
  }

  /**
   * Says that it cannot be known whether a key is there.
   *
   * @param key Which.
   * @param error Why not.
   */
  doubt(key: Key, error: unknown): void {
    const id = this.#keys.id(key);
    this.#note(id, error);
    this.unreadable.put(id, true);
    this.put(id, false);
  }

  /** Why it cannot be known whether a key is there, by number; nothing where it is known. */
  fault(id: number): unknown {
    return this.#faults.get(id);
  }

  #note(id: number, error: unknown): void {
    const known = this.#faults.get(id);
    this.#faults.set(id, error);
    if (known !== undefined && describeError(known) === describeError(error)) return;
    this.#told.onUnreadable?.(this.repository, this.#keys.key(id), error);
  }

  /**
   * Lists the repository and takes what it says, but for what was announced in the meantime. A listing waits for the one before: what was
   * found out first must not replace what was found out later.
   *
   * @param options When to stop, and who numbers new keys.
   * @returns Whether anything had changed.
   */
  list(options: ListOptions = {}): Promise<boolean> {
    const listing = this.#last ? this.#last.then(() => this.#list(options)) : this.#list(options);
    const last = listing.catch(() => {}).then(() => {
      if (this.#last === last) this.#last = undefined;
    });
    this.#last = last;
    return listing;
  }

  /** Whether a listing was begun: before that, nothing needs to be told. */
  get begun(): boolean {
    return this.listedAt !== undefined || this.#last !== undefined;
  }

  async #list(options: ListOptions): Promise<boolean> {
    const begun = performance.now();
    this.listings++;
    const announced = this.#announced = new Map();
    const faults = new Map<Key, unknown>();
    try {
      const fresh = new KeySet();
      const pages = this.#pages(options, (key, error) => void faults.set(key, error));
      if (this.listedAt === undefined) await this.#first(fresh, pages, options);
      else {
        for await (const page of pages) {
          for (const key of page) fresh.add(this.#keys.id(key));
        }
      }
      const unreadable = await this.#unreadable(faults, announced, options);
      for (const id of unreadable) fresh.set(id, false);
      const { consistentListing } = this.repository.driver.supports;
      if (!consistentListing && this.listedAt !== undefined) {
        await this.#confirm(fresh, (id) => announced.has(id) || unreadable.has(id), options);
      }
      for (const [id, present] of announced) fresh.set(id, present);
      this.listedAt = begun;
      this.listingMs = performance.now() - begun;
      this.unreadable.replace(unreadable);
      return this.replace(fresh);
    } finally {
      this.#announced = undefined;
    }
  }

  /** Takes note of the keys that a listing could not tell of, but for those that are known otherwise. */
  async #unreadable(
    faults: ReadonlyMap<Key, unknown>,
    announced: ReadonlyMap<number, boolean>,
    options: OperationOptions,
  ): Promise<KeySet> {
    const { admits } = this.repository.driver;
    const ids = new KeySet();
    for (const [key, error] of faults) {
      if (admits && !await admits(key, options)) continue;
      const id = this.#keys.id(key);
      if (announced.has(id)) continue;
      ids.add(id);
      this.#note(id, error);
    }
    for (const id of this.#faults.keys()) if (!ids.has(id)) this.#faults.delete(id);
    return ids;
  }

  /** Asks for each key that a late listing gives or leaves out against what is known: it may tell of what was some time ago. */
  async #confirm(
    fresh: KeySet,
    isKnown: (id: number) => boolean,
    { signal }: OperationOptions,
  ): Promise<void> {
    const doubtful = changed(this.set, fresh)[Symbol.iterator]();
    await Promise.all(Array.from({ length: CONFIRMED }, async () => {
      for (let next = doubtful.next(); !next.done; next = doubtful.next()) {
        if (isKnown(next.value)) continue;
        fresh.set(next.value, await this.repository.has(this.#keys.key(next.value), { signal }));
      }
    }));
  }

  #pages(
    options: OperationOptions,
    onUnreadable: (key: Key, error: unknown) => void,
  ): AsyncIterable<readonly Key[]> {
    const { onSkipped } = this.#told;
    if (!onSkipped) return this.repository.pages({ ...options, onUnreadable });
    return this.repository.pages({
      ...options,
      onUnreadable,
      onSkipped: (repository, names, count) => {
        const text = `${count} ${names.join("\0")}`;
        if (text !== this.#skipped) onSkipped(repository, names, count);
        this.#skipped = text;
      },
    });
  }

  /** The first listing numbers the keys that are new, in the order of names where there are not too many. */
  async #first(
    fresh: KeySet,
    pages: AsyncIterable<readonly Key[]>,
    options: ListOptions,
  ): Promise<void> {
    let unknown: Key[] = [];
    const take = (): void => {
      for (const key of unknown) fresh.add(this.#keys.id(key));
      unknown = [];
    };
    for await (const page of pages) {
      const none = this.#keys.size === 0;
      for (const key of page) {
        const id = none ? undefined : this.#keys.known(key);
        if (id === undefined) unknown.push(key);
        else fresh.add(id);
      }
      if (unknown.length > SORTED) take();
    }
    if (options.number) { for (const id of await options.number(unknown)) fresh.add(id); }
    else {
      unknown.sort();
      take();
    }
  }
}

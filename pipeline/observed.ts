/**
 * What is known of which keys a repository holds, kept up to date by changes and, where nobody announces them, by listing.
 *
 * @module
 */
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
  readonly #onSkipped: SkippedNames | undefined;
  #skipped = "";

  /**
   * @param repository Which.
   * @param keys Numbers the keys.
   * @param onSkipped Told of names that are no keys, once for as long as they stay the same. Default: the console is warned.
   */
  constructor(repository: Repository, keys: KeySpace, onSkipped?: SkippedNames) {
    super();
    this.repository = repository;
    this.#keys = keys;
    this.#onSkipped = onSkipped;
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
    this.set.set(id, present);
    this.tell([id]);
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
    try {
      const fresh = new KeySet();
      if (this.listedAt === undefined) await this.#first(fresh, options);
      else {
        for await (const page of this.#pages(options)) {
          for (const key of page) fresh.add(this.#keys.id(key));
        }
      }
      const { consistentListing } = this.repository.driver.supports;
      if (!consistentListing && this.listedAt !== undefined) await this.#confirm(fresh, announced, options);
      for (const [id, present] of announced) fresh.set(id, present);
      this.listedAt = begun;
      this.listingMs = performance.now() - begun;
      return this.replace(fresh);
    } finally {
      this.#announced = undefined;
    }
  }

  /** Asks for each key that a late listing gives or leaves out against what is known: it may tell of what was some time ago. */
  async #confirm(
    fresh: KeySet,
    announced: ReadonlyMap<number, boolean>,
    { signal }: OperationOptions,
  ): Promise<void> {
    const doubtful = changed(this.set, fresh)[Symbol.iterator]();
    await Promise.all(Array.from({ length: CONFIRMED }, async () => {
      for (let next = doubtful.next(); !next.done; next = doubtful.next()) {
        if (announced.has(next.value)) continue;
        fresh.set(next.value, await this.repository.has(this.#keys.key(next.value), { signal }));
      }
    }));
  }

  #pages(options: OperationOptions): AsyncIterable<readonly Key[]> {
    const onSkipped = this.#onSkipped;
    if (!onSkipped) return this.repository.pages(options);
    return this.repository.pages({
      ...options,
      onSkipped: (repository, names, count) => {
        const text = `${count} ${names.join("\0")}`;
        if (text !== this.#skipped) onSkipped(repository, names, count);
        this.#skipped = text;
      },
    });
  }

  /** The first listing numbers the keys that are new, in the order of names where there are not too many. */
  async #first(fresh: KeySet, options: ListOptions): Promise<void> {
    let unknown: Key[] = [];
    const take = (): void => {
      for (const key of unknown) fresh.add(this.#keys.id(key));
      unknown = [];
    };
    for await (const page of this.#pages(options)) {
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

/**
 * Which key a link has for each job of a task, and which jobs a key belongs to.
 *
 * @module
 */
import { isDatataskError } from "../core/errors.ts";
import { checkKey, type Key } from "../core/key.ts";
import type { KeySpace } from "./key_space.ts";
import { type LiveSet, SubscribableSet } from "./observed.ts";

/** What maps need of the pipeline around them. */
export interface KeyMapContext {
  readonly keys: KeySpace;
  /** Runs something in the background that must end before the pipeline is quiet. */
  readonly background: (work: Promise<void>) => void;
}

/** What is mapped to what. */
export interface KeyMapInit {
  /** What is mapped, for errors: `link summary.author`. */
  readonly name: string;
  /** The jobs to map, or the items. */
  readonly domain: LiveSet;
  /** Finds the key of a job. */
  readonly find: (job: Key) => Key | undefined | Promise<Key | undefined>;
  /** The keys of the repository whose documents are read, where they are: told when a document changes. */
  readonly document?: LiveSet | undefined;
  /** Which document is read for a job, where it is not the job's own. */
  readonly source?: KeyMap | undefined;
  /** Says that a mapping failed. */
  readonly onTrouble: (job: Key, error: unknown) => void;
}

/** The keys of one link, by job; a job is mapped when it enters the domain, and again when the document it depends on changes. */
export class KeyMap {
  readonly #init: KeyMapInit;
  readonly #context: KeyMapContext;
  readonly #targets = new Map<number, number>();
  readonly #asking = new Map<number, { again: boolean }>();
  /** Why the key of a job could not be found, where what it is read from could not be read. */
  readonly #faults = new Map<number, unknown>();
  readonly #jobs = new Map<number, Set<number>>();
  readonly #listeners: ((job: number, before: number | undefined) => void)[] = [];

  /**
   * @param init What is mapped to what.
   * @param context The pipeline around.
   */
  constructor(init: KeyMapInit, context: KeyMapContext) {
    this.#init = init;
    this.#context = context;
    const { domain, document, source } = init;
    const mapAll = (ids: Iterable<number>): void => {
      for (const id of ids) if (domain.set.has(id) && !this.#targets.has(id)) this.#map(id);
    };
    domain.subscribe(mapAll);
    mapAll(domain.set);
    document?.subscribe((ids) => {
      for (const id of ids) {
        for (const job of source ? source.jobs(id) : [id]) if (domain.set.has(job)) this.#map(job);
      }
    });
    source?.subscribe((job) => domain.set.has(job) && this.#map(job));
  }

  /** The key of a job, by number. */
  target(job: number): number | undefined {
    return this.#targets.get(job);
  }

  /** The jobs of a key, by number. */
  jobs(key: number): Iterable<number> {
    return this.#jobs.get(key) ?? [];
  }

  /** The jobs whose key could not be read, by number, and why: they may well have one. */
  *unfound(): Generator<readonly [job: number, error: unknown], void, void> {
    for (const fault of this.#faults) if (this.#init.domain.set.has(fault[0])) yield fault;
  }

  /** Looks once more for the keys that could not be found. */
  askAgain(): void {
    for (const [job] of [...this.unfound()]) this.#map(job);
  }

  /** Calls a function when the key of a job has changed. */
  subscribe(listener: (job: number, before: number | undefined) => void): void {
    this.#listeners.push(listener);
  }

  #map(id: number): void {
    const { keys, background } = this.#context;
    const job = keys.key(id);
    const fail = (error: unknown): void => {
      this.#take(id, undefined);
      // A function that throws, and what is found and is no key, stay so until the data changes.
      if (isDatataskError(error) && error.code !== "invalid-key") this.#faults.set(id, error);
      this.#init.onTrouble(job, error);
    };
    // Asked anew while an answer is on its way: only the last answer counts.
    const asking = this.#asking.get(id);
    if (asking) return void (asking.again = true);
    try {
      const key = this.#init.find(job);
      if (!(key instanceof Promise)) return this.#take(id, key);
      const state = { again: false };
      this.#asking.set(id, state);
      const answered = (take: () => void): void => {
        this.#asking.delete(id);
        if (state.again) return this.#map(id);
        try {
          take();
        } catch (error) {
          fail(error);
        }
      };
      background(
        key.then((key) => answered(() => this.#take(id, key)), (error) => answered(() => fail(error))),
      );
    } catch (error) {
      fail(error);
    }
  }

  #take(job: number, key: Key | undefined): void {
    this.#faults.delete(job);
    const before = this.#targets.get(job);
    const target = key === undefined
      ? undefined
      : this.#context.keys.id(checkKey(key, "use", this.#init.name));
    if (target === before) return;
    if (before !== undefined) this.#jobs.get(before)?.delete(job);
    if (target === undefined) this.#targets.delete(job);
    else {
      this.#targets.set(job, target);
      let jobs = this.#jobs.get(target);
      if (!jobs) this.#jobs.set(target, jobs = new Set());
      jobs.add(job);
    }
    for (const listener of this.#listeners) listener(job, before);
  }
}

/** The jobs whose key is in a set of keys. */
export class JobsByKey extends SubscribableSet {
  /**
   * @param map Which key each job has.
   * @param base The set of keys.
   */
  constructor(map: KeyMap, base: LiveSet) {
    super();
    const recheck = (job: number): void => {
      const key = map.target(job);
      this.put(job, key !== undefined && base.set.has(key));
    };
    base.subscribe((ids) => {
      for (const id of ids) for (const job of map.jobs(id)) recheck(job);
    });
    map.subscribe(recheck);
    for (const id of base.set) for (const job of map.jobs(id)) this.set.add(job);
  }
}

/** The keys that belong to any job of a set. */
export class KeysByJob extends SubscribableSet {
  /**
   * @param map Which key each job has.
   * @param base The set of jobs.
   */
  constructor(map: KeyMap, base: LiveSet) {
    super();
    const recheck = (key: number): void => {
      let any = false;
      for (const job of map.jobs(key)) any ||= base.set.has(job);
      this.put(key, any);
    };
    base.subscribe((ids) => {
      for (const job of ids) {
        const key = map.target(job);
        if (key !== undefined) recheck(key);
      }
    });
    map.subscribe((job, before) => {
      const key = map.target(job);
      if (before !== undefined) recheck(before);
      if (key !== undefined) recheck(key);
    });
    for (const job of base.set) {
      const key = map.target(job);
      if (key !== undefined) this.set.add(key);
    }
  }
}

/**
 * Which key a link has for each job of a task, and which jobs a key belongs to.
 *
 * @module
 */
import { checkKey, type Key } from "../core/key.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Task } from "../tasks/task.ts";
import type { KeySpace } from "./key_space.ts";
import { type LiveSet, SubscribableSet } from "./observed.ts";

/** What maps need of the pipeline around them. */
export interface KeyMapContext {
  readonly keys: KeySpace;
  /** Says that a mapping failed. */
  readonly onTrouble: (task: string, job: Key, error: unknown) => void;
  /** Runs something in the background that must end before the pipeline is quiet. */
  readonly background: (work: Promise<void>) => void;
}

/** The keys of one link, by job; a job is mapped when it enters the domain, and again when the document it depends on changes. */
export class KeyMap {
  readonly #task: Task;
  readonly #link: string;
  readonly #maps: ReadonlyMap<string, KeyMap>;
  readonly #context: KeyMapContext;
  readonly #targets = new Map<number, number>();
  readonly #asking = new Map<number, { again: boolean }>();
  readonly #jobs = new Map<number, Set<number>>();
  readonly #listeners: ((job: number, before: number | undefined) => void)[] = [];

  /**
   * @param task The task.
   * @param link The name of the link.
   * @param domain The jobs to map.
   * @param maps The maps of the task's other links, made before this one.
   * @param document The keys of the repository the mapping reads, when it reads one: told when a document changes.
   * @param context The pipeline around.
   */
  constructor(
    task: Task,
    link: string,
    domain: LiveSet,
    maps: ReadonlyMap<string, KeyMap>,
    document: LiveSet | undefined,
    context: KeyMapContext,
  ) {
    this.#task = task;
    this.#link = link;
    this.#maps = maps;
    this.#context = context;
    const mapAll = (ids: Iterable<number>): void => {
      for (const id of ids) if (domain.set.has(id) && !this.#targets.has(id)) this.#map(id);
    };
    domain.subscribe(mapAll);
    mapAll(domain.set);
    const source = task.links[link]!.key!.link;
    const sourceMap = source === undefined ? undefined : maps.get(source);
    document?.subscribe((ids) => {
      for (const id of ids) {
        for (const job of sourceMap ? sourceMap.jobs(id) : [id]) if (domain.set.has(job)) this.#map(job);
      }
    });
    sourceMap?.subscribe((job) => domain.set.has(job) && this.#map(job));
  }

  /** The key of a job, by number. */
  target(job: number): number | undefined {
    return this.#targets.get(job);
  }

  /** The jobs of a key, by number. */
  jobs(key: number): Iterable<number> {
    return this.#jobs.get(key) ?? [];
  }

  /** Calls a function when the key of a job has changed. */
  subscribe(listener: (job: number, before: number | undefined) => void): void {
    this.#listeners.push(listener);
  }

  #map(id: number): void {
    const { keys, onTrouble, background } = this.#context;
    const job = keys.key(id);
    const fail = (error: unknown): void => {
      this.#take(id, undefined);
      onTrouble(this.#task.name, job, error);
    };
    // Asked anew while an answer is on its way: only the last answer counts.
    const asking = this.#asking.get(id);
    if (asking) return void (asking.again = true);
    try {
      const key = this.#key(this.#link, job);
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

  #key(link: string, job: Key): Key | undefined | Promise<Key | undefined> {
    const { links, name } = this.#task;
    const mapping = links[link]!.key;
    if (!mapping) return job;
    return mapping.map(job, {
      task: name,
      link,
      value: async (source) => {
        const id = this.#maps.get(source)?.target(this.#context.keys.id(job));
        const key = links[source]!.key ? (id === undefined ? undefined : this.#context.keys.key(id)) : job;
        return key === undefined
          ? undefined
          : await (links[source]!.repository as MetadataRepository).find(key);
      },
    });
  }

  #take(job: number, key: Key | undefined): void {
    const before = this.#targets.get(job);
    const target = key === undefined
      ? undefined
      : this.#context.keys.id(checkKey(key, "use", `link ${this.#task.name}.${this.#link}`));
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

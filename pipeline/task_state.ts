/**
 * The state of every job of one task, as sets that follow the repositories.
 *
 * @module
 */
import { Repository } from "../repositories/repository.ts";
import { itemDocument } from "../tasks/item_keys.ts";
import type { Link } from "../tasks/link.ts";
import type { Task } from "../tasks/task.ts";
import type { TaskCounts } from "./events.ts";
import { allOf, anyOf, AnyOrNone, butNot } from "./derived_set.ts";
import { JobsByKey, type KeyMap, KeysByJob } from "./key_map.ts";
import { mapOf, relationOf } from "./key_maps.ts";
import { difference, intersection, KeySet, union } from "./key_set.ts";
import { type LiveSet, SubscribableSet } from "./observed.ts";
import type { PipelineState } from "./state.ts";
import { upstreamOf } from "./upstream.ts";

/** A task that makes what a link of another task reads. */
export interface Producer {
  readonly state: TaskState;
  /** The output link. */
  readonly link: string;
}

/** One condition for the start of jobs. */
export interface Term {
  /** The link it comes from. */
  readonly link: string;
  /** The jobs for which it is met (or, for inhibiting terms, the jobs it holds back). */
  readonly jobs: LiveSet;
  /** The tasks whose success it is about; empty for membership in a repository. */
  readonly producers: readonly Producer[];
}

/** The state of one task's jobs. */
export class TaskState {
  readonly task: Task;
  /** Jobs that succeeded. */
  readonly success: LiveSet;
  /** Jobs that failed for good; those that are in `success` too have succeeded. */
  readonly failed: LiveSet;
  /** Jobs that have an attempt behind them and none that counts. */
  readonly attempted: LiveSet;
  /** Jobs that run now. */
  readonly live: SubscribableSet = new SubscribableSet();
  /** Jobs that wait for the time of their next attempt, or are given up for this run. */
  readonly delayed: SubscribableSet = new SubscribableSet();
  /** For reports outside of a run: how many attempts jobs have behind them. */
  readonly tries: Map<number, number> = new Map();
  /** Jobs whose outputs may be used: over, as far as it matters downstream, and not running. */
  readonly settled: LiveSet;
  /** The jobs there are: in all that is required under the job's own key. */
  domain!: LiveSet;
  /** What is required. */
  required: Term[] = [];
  /** What inhibits. */
  inhibiting: Term[] = [];
  /** By link, jobs of which it cannot be known whether it lets them start. They are held back. */
  readonly unreadable: Map<string, LiveSet> = new Map();
  /** Jobs that can start now. */
  ready!: LiveSet;
  /** Whether this run starts its jobs. */
  selected = true;
  /** Whether its jobs have to wait until it is known what earlier coordinators have left of them. */
  held = false;
  /** For reports outside of a run: why it cannot be told which of its jobs run. */
  unseen: string | undefined;
  /** For reports outside of a run: which records of attempts cannot be read, a sentence each. */
  readonly unread: string[] = [];
  /** Which key each item is for, by streaming input, as far as anybody has asked. */
  readonly relations = new Map<string, KeyMap | undefined>();
  readonly #state: PipelineState;
  readonly #maps = new Map<string, KeyMap>();
  #behind: readonly TaskState[] | undefined;

  constructor(task: Task, state: PipelineState) {
    this.task = task;
    this.#state = state;
    const { success, failed, attempts } = task.outcomes;
    this.success = state.observer.observeEnd(success);
    this.failed = state.observer.observe(failed);
    this.attempted = state.observer.observe(attempts);
    this.settled = butNot(task.failureOk ? anyOf([this.success, this.failed]) : this.success, [this.live]);
  }

  /** The map of a link whose key is not the job's own. */
  map(link: string): KeyMap | undefined {
    return this.#maps.get(link);
  }

  /** Whether a job is over, well or not. */
  over(job: number): boolean {
    return this.success.set.has(job) || this.failed.set.has(job);
  }

  /** The maps of all its links. */
  get maps(): Iterable<KeyMap> {
    return this.#maps.values();
  }

  /** Makes the domain and the maps; after it `wire` can look at other tasks. */
  prepare(): void {
    const { task } = this;
    const { observer } = this.#state;
    const own = Object.entries(task.links).filter(([, link]) => link.start === "present" && !link.key);
    this.required = own.map(([link, { repository }]) => ({
      link,
      jobs: observer.observe(repository),
      producers: [],
    }));
    this.domain = allOf(this.required.map((term) => term.jobs));
    const mapped = anyOf([this.domain, this.success]);
    const depth = (link: string): number =>
      task.links[link]?.key?.link === undefined ? 0 : 1 + depth(task.links[link]!.key!.link!);
    const keyed = Object.keys(task.links).filter((link) => task.links[link]!.key).sort((a, b) =>
      depth(a) - depth(b)
    );
    for (const link of keyed) this.#maps.set(link, mapOf(this.#state, task, link, mapped, this.#maps));
  }

  /** Which key each item of a streaming input is for; nothing when every item is for every job. */
  relation(link: string): KeyMap | undefined {
    if (!this.relations.has(link)) this.relations.set(link, relationOf(this.#state, this.task, link));
    return this.relations.get(link);
  }

  /** The tasks that may bring what its jobs wait for while they run, directly or by way of others. */
  get behind(): readonly TaskState[] {
    return this.#behind ??= upstreamOf(this, this.#state);
  }

  /** Makes the terms and the ready set. */
  wire(): void {
    const { task } = this;
    const { observer } = this.#state;
    for (const [name, link] of Object.entries(task.allLinks)) {
      if (link.key && link.start === "present") {
        this.required.push({
          link: name,
          jobs: this.#jobs(name, observer.observe(link.repository)),
          producers: [],
        });
      }
      if (link.start === "absent") {
        this.inhibiting.push({
          link: name,
          jobs: this.#jobs(name, observer.observe(link.repository)),
          producers: [],
        });
      }
    }
    for (const [name, { start, repository }] of Object.entries(task.allLinks)) {
      const unreadable = start && observer.unreadable(repository);
      if (unreadable) this.unreadable.set(name, this.#jobs(name, unreadable));
    }
    for (const [name, link] of Object.entries(task.links)) {
      if (link.gated) this.#gate(name, link);
      if (link.stream) this.#stream(name, link);
    }
    this.ready = butNot(allOf(this.required.map((term) => term.jobs)), [
      ...this.inhibiting.map((term) => term.jobs),
      this.live,
      this.delayed,
      ...this.unreadable.values(),
    ]);
  }

  /** Jobs that will never start by themselves, because what they need has failed upstream. */
  blocked(seen: Map<TaskState, KeySet> = new Map()): KeySet {
    const known = seen.get(this);
    if (known) return known;
    seen.set(this, new KeySet()); // Ends circles: a task does not block itself.
    const dead = this.required.filter((term) => term.producers.length > 0).map((term) =>
      intersection(term.producers.map(({ state, link }) => {
        const { task } = state;
        const failed = task.failureOk ? new KeySet() : difference(state.failed.set, [state.success.set]);
        return this.#translate(term.link, state, link, union([failed, state.blocked(seen)]));
      }))
    );
    const blocked = difference(union(dead), [
      this.success.set,
      this.failed.set,
      this.live.set,
      this.ready.set,
    ]);
    seen.set(this, blocked);
    return blocked;
  }

  /** Jobs that are known to be coming: in any required repository, or on their way through the tasks upstream. */
  coming(seen: Map<TaskState, KeySet> = new Map()): KeySet {
    const known = seen.get(this);
    if (known) return known;
    seen.set(this, new KeySet());
    const sets = this.required.filter((term) => term.producers.length === 0).map((term) => term.jobs.set);
    for (const term of this.required) {
      for (const { state, link } of term.producers) {
        sets.push(this.#translate(term.link, state, link, state.coming(seen)));
      }
    }
    for (const [link, { set }] of this.unreadable) {
      if (this.task.allLinks[link]!.start === "present") sets.push(set);
    }
    const coming = union(sets);
    seen.set(this, coming);
    return coming;
  }

  /** How many jobs are in which state. */
  counts(): TaskCounts {
    const sizes = Object.entries(this.jobs()).map(([state, jobs]) => [state, jobs.size]);
    return Object.fromEntries(sizes) as Record<keyof TaskCounts, number>;
  }

  /** Which jobs are in which state, each in one. */
  jobs(): Readonly<Record<keyof TaskCounts, KeySet>> {
    const success = this.success.set;
    const failed = difference(this.failed.set, [success, this.live.set]);
    const blocked = this.blocked();
    const retrying = difference(this.delayed.set, [success, failed, this.live.set]);
    const over = [success, failed, this.live.set, this.ready.set, blocked, retrying];
    return {
      waiting: difference(this.coming(), [...over, ...this.#inhibitors()]),
      ready: difference(this.ready.set, [blocked]),
      running: this.live.set,
      retrying,
      done: difference(success, [this.live.set]),
      failed,
      blocked,
    };
  }

  #inhibitors(): KeySet[] {
    return this.inhibiting.map((term) => term.jobs.set);
  }

  /** The jobs whose key under a link is in a set. */
  #jobs(link: string, base: LiveSet): LiveSet {
    const map = this.#maps.get(link);
    return map ? new JobsByKey(map, base) : base;
  }

  /** Jobs of this task that belong to jobs of a producer, by the keys of the links between them. */
  #translate(link: string, producer: TaskState, output: string, jobs: KeySet): KeySet {
    const from = producer.map(output);
    const to = this.#maps.get(link);
    if (!from && !to) return jobs;
    const found = new KeySet();
    for (const job of jobs) {
      const key = from ? from.target(job) : job;
      if (key === undefined) continue;
      if (to) { for (const mine of to.jobs(key)) found.add(mine); }
      else found.add(key);
    }
    return found;
  }

  /** Keys of a view that lie only where no task writes: nobody's success is waited for. */
  #unmade(view: Repository): LiveSet[] {
    const { observer } = this.#state;
    const [made, free]: [Repository[], Repository[]] = [[], []];
    const sort = ({ driver }: Repository): void => {
      const { derived } = driver;
      if (derived && (derived.by === "or" || derived.by === "same")) {
        for (const part of derived.parts) sort(new Repository(part));
      } else {
        const repository = new Repository(driver);
        (this.#state.producers(repository, this).length > 0 ? made : free).push(repository);
      }
    };
    sort(view);
    if (free.length === 0 || made.length === 0) return [];
    const observe = (repository: Repository): LiveSet => observer.observe(repository);
    return [butNot(anyOf(free.map(observe)), made.map(observe))];
  }

  /** Items are followed from the beginning; a job may have to wait for the first. */
  #stream(name: string, link: Link): void {
    const { observer } = this.#state;
    const items = observer.observe(link.repository);
    const { of, first } = link.stream!;
    if (of?.link !== undefined) observer.observe(itemDocument(this.task.links, name, of.link)!);
    if (!first) return;
    const relation = this.relation(name);
    const jobs = relation
      ? this.#jobs(name, new KeysByJob(relation, items))
      : new AnyOrNone(this.domain, items);
    this.required.push({ link: name, jobs, producers: [] });
  }

  /** A job waits for the success of whoever makes what it reads; of several makers, one is enough. */
  #gate(name: string, link: Link): void {
    if (link.direction !== "in" && !(link.direction === "gate" && link.start === "present")) return;
    const producers = this.#state.producers(link.repository, this);
    if (producers.length === 0) return;
    const settled = anyOf([
      ...producers.map(({ state, link }) => {
        const map = state.map(link);
        return map ? new KeysByJob(map, state.settled) : state.settled;
      }),
      ...this.#unmade(link.repository),
    ]);
    if (link.start === "present") {
      this.required.push({ link: name, jobs: this.#jobs(name, settled), producers });
      return;
    }
    // What is not required is not waited for, but nobody reads what is being written.
    const live = anyOf(producers.map(({ state, link }) => {
      const map = state.map(link);
      return map ? new KeysByJob(map, state.live) : state.live;
    }));
    this.inhibiting.push({ link: name, jobs: this.#jobs(name, live), producers });
  }
}

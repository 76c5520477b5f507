/**
 * Streaming inputs of the jobs that run: which items come to which job, and when no more can come.
 *
 * @module
 */
import { RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { Feed } from "./feed.ts";
import type { KeyMap } from "./key_map.ts";
import type { LiveSet } from "./observed.ts";
import { type Movers, Prospects } from "./prospects.ts";
import type { PipelineState } from "./state.ts";
import type { Producer, TaskState } from "./task_state.ts";
import { isUnrelated } from "./unfound.ts";

/** A feed that is open. */
export interface OpenFeed {
  readonly task: TaskState;
  /** The number of the job. */
  readonly job: number;
  /** Which run of the job. */
  readonly replica: number;
  /** The name of the link. */
  readonly link: string;
  readonly feed: Feed;
}

/** One streaming input of one task. */
interface Stream {
  readonly task: TaskState;
  readonly link: string;
  readonly items: LiveSet;
  /** Which key each item is for; nothing when every item is for every job. */
  readonly relation: KeyMap | undefined;
  /** By the key they are for; under -1 those that get every item. */
  readonly open: Map<number, Set<OpenFeed>>;
}

/** The target of feeds that get every item. */
const EVERY = -1;

/** The feeds of a pipeline. */
export class Feeds {
  readonly #state: PipelineState;
  readonly #streams = new Map<string, Stream>();
  readonly #open = new Set<OpenFeed>();
  readonly #onWait: () => void;

  /**
   * @param state The pipeline's.
   * @param onWait Told when a reader has been given all that is there: it may be time to end its feed.
   */
  constructor(state: PipelineState, onWait: () => void) {
    this.#state = state;
    this.#onWait = onWait;
  }

  /** The feeds that are open. */
  get open(): ReadonlySet<OpenFeed> {
    return this.#open;
  }

  /**
   * Opens a feed.
   *
   * @param task Of which task.
   * @param link The name of its link.
   * @param run The number of the job, and which run of it.
   * @param signal Closes it.
   * @returns The feed.
   * @throws {RepositoryError} When the job has no key in the link.
   */
  feed(
    task: TaskState,
    link: string,
    { job, replica }: Pick<OpenFeed, "job" | "replica">,
    signal: AbortSignal,
  ): Feed {
    const stream = this.#stream(task, link);
    const map = task.map(link);
    const key = map ? map.target(job) : job;
    if (key === undefined) throw this.#noKey(task, link, this.#state.keys.key(job));
    const { items, relation } = stream;
    const target = relation ? key : EVERY;
    const stop = (): void => feed.close({ reason: signal.reason });
    const feed = new Feed(this.#state.keys, items, relation ? relation.jobs(key) : members(items), {
      onWait: this.#onWait,
      onClose: () => {
        signal.removeEventListener("abort", stop);
        this.#open.delete(open);
        const feeds = stream.open.get(target)!;
        feeds.delete(open);
        if (feeds.size === 0) stream.open.delete(target);
      },
    });
    const open: OpenFeed = { task, job, replica, link, feed };
    this.#open.add(open);
    let feeds = stream.open.get(target);
    if (!feeds) stream.open.set(target, feeds = new Set());
    feeds.add(open);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    return feed;
  }

  /**
   * Ends the feeds to which nobody can bring anything any more.
   *
   * @param movers Which jobs can still do something by themselves.
   * @param atMost How many to end.
   * @returns How many were ended.
   */
  settle(movers: Movers, atMost = Infinity): number {
    const busy = new Map<string, boolean>();
    let prospects: Prospects | undefined;
    let ended = 0;
    for (const open of this.#open) {
      if (!open.feed.waiting || this.#atWork(open, movers, busy)) continue;
      if (isUnrelated(open.task, open.link)) continue;
      prospects ??= new Prospects(this.#state, movers);
      if (this.mayCome(open, prospects).length > 0) continue;
      open.feed.close();
      if (++ended >= atMost) break;
    }
    return ended;
  }

  /** Tasks that may bring what a job streams. */
  makers(task: TaskState, link: string): readonly Producer[] {
    return this.#state.makers(task.task.links[link]!.repository);
  }

  /**
   * The tasks that may still bring an item for a job.
   *
   * @param stream Which streaming input of which job.
   * @param prospects What may still come of every task.
   * @returns Their names.
   */
  mayCome(stream: Pick<OpenFeed, "task" | "link" | "job">, prospects: Prospects): string[] {
    const makers = this.makers(stream.task, stream.link);
    return makers.filter((maker) => this.#mayBring(stream, maker, prospects)).map((m) => m.state.task.name);
  }

  /** Whether somebody who may bring an item for a job runs or can start: it can be told at a glance, and mostly is so. */
  #atWork({ task, link, job }: OpenFeed, movers: Movers, known: Map<string, boolean>): boolean {
    const some = (maker: TaskState, key: number | undefined): boolean =>
      [movers.live(maker), movers.startable(maker, maker.ready.set)].some((jobs) =>
        key === undefined ? jobs.size > 0 : jobs.has(key)
      );
    const name = `${task.task.name}.${link}`;
    const rough = known.get(name) ?? this.makers(task, link).some((maker) => some(maker.state, undefined));
    known.set(name, rough);
    return rough &&
      this.makers(task, link).some((maker) => some(maker.state, this.#only(task, link, job, maker)));
  }

  /** The one job of a task that may bring an item for a job; nothing when it may be any. */
  #only(task: TaskState, link: string, job: number, maker: Producer): number | undefined {
    const output = maker.state.task.links[maker.link]!;
    const allocated = output.items ? output.items.keys === "allocated" : output.key?.kind === "allocated";
    if (task.task.links[link]!.stream!.of?.kind !== "allocated" || !allocated) return undefined;
    // An allocated key is for the job that it was allocated for, and for no other.
    const map = task.map(link);
    return map ? map.target(job) : job;
  }

  /** Whether a task may still bring an item for a job. */
  #mayBring(
    { task, link, job }: Pick<OpenFeed, "task" | "link" | "job">,
    maker: Producer,
    prospects: Prospects,
  ): boolean {
    const { jobs, more } = prospects.of(maker.state);
    const only = this.#only(task, link, job, maker);
    return more || (only === undefined ? jobs.size > 0 : jobs.has(only));
  }

  #stream(task: TaskState, link: string): Stream {
    const name = `${task.task.name}.${link}`;
    let stream = this.#streams.get(name);
    if (stream) return stream;
    const items = this.#state.observer.observe(task.task.links[link]!.repository);
    const relation = task.relation(link);
    const open: Stream["open"] = new Map();
    this.#streams.set(name, stream = { task, link, items, relation, open });
    const offer = (item: number): void => {
      const target = relation ? relation.target(item) : EVERY;
      if (target === undefined) return;
      for (const { feed } of [...open.get(target) ?? []]) feed.offer(item);
    };
    items.subscribe((ids) => {
      if (open.size > 0) { for (const id of ids) offer(id); }
    });
    relation?.subscribe(offer);
    return stream;
  }

  #noKey(task: TaskState, link: string, job: Key): RepositoryError {
    const { name, links } = task.task;
    return new RepositoryError(
      "invalid-key",
      `Cannot find the key of job "${job}" in link ${name}.${link}: ${links[link]!.key!.label} gives none`,
      { operation: "find the key", subject: name, key: job },
    );
  }
}

/** All members, from the smallest on; looked up while they are asked for. */
function* members(items: LiveSet): Generator<number, void, void> {
  for (let id = items.set.next(0); id !== -1; id = items.set.next(id + 1)) yield id;
}

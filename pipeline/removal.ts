/**
 * Removing values with all that was made from them.
 *
 * @module
 */
import { sleep, systemClock } from "../core/clock.ts";
import { DatataskError, UsageError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { Repository } from "../repositories/repository.ts";
import { itemJob } from "../tasks/item_keys.ts";
import type { Link } from "../tasks/link.ts";
import { union } from "./key_set.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Removal } from "./reports.ts";
import type { PipelineState } from "./state.ts";
import { suggest } from "./suggest.ts";
import type { TaskState } from "./task_state.ts";

/** Told what cannot be followed: a sentence, with what to do. */
export type OnUnknown = (text: string) => void;

/** What is found on the way. */
class Found {
  readonly removals = new Map<string, Removal>();
  readonly jobs = new Set<string>();
  readonly #pipeline: Pipeline;
  readonly #state: PipelineState;
  readonly #names: Map<string, string[]>;
  readonly #onUnknown: OnUnknown;
  readonly #told = new Set<string>();
  /** By task and link: the items that each job has made. */
  readonly #items = new Map<string, Map<Key, Set<number>>>();

  constructor(pipeline: Pipeline, state: PipelineState, onUnknown: OnUnknown) {
    this.#pipeline = pipeline;
    this.#state = state;
    this.#onUnknown = onUnknown;
    this.#names = new Map();
    for (const [name, repository] of pipeline.repositories()) {
      for (const identity of repository.footprint().keys()) {
        this.#names.set(identity, [...this.#names.get(identity) ?? [], name]);
      }
    }
  }

  /** Takes note of a value, once; returns whether it is new. Absent values are passed over. */
  async value(
    repository: Repository,
    key: Key,
    running: boolean,
    owner?: { readonly task: string; readonly job: Key },
  ): Promise<boolean> {
    let any = false;
    for (const [identity, driver] of repository.footprint()) {
      const id = `${identity}\0${key}`;
      const store = new Repository(driver);
      if (this.removals.has(id) || !await store.has(key)) continue;
      this.removals.set(id, {
        names: this.#names.get(identity) ?? [driver.name],
        repository: driver.name,
        key,
        running,
        owner,
        store,
      });
      any = true;
    }
    return any;
  }

  /** A job of a task, with its outcome and what it wrote. */
  async job(task: TaskState, job: number, recursive: boolean): Promise<void> {
    const id = `${task.task.name}\0${job}`;
    if (this.jobs.has(id)) return;
    this.jobs.add(id);
    const key = this.#state.keys.key(job);
    const running = task.live.set.has(job);
    const { outcomes, name: taskName } = task.task;
    const logs = this.#pipeline.repositories().get(`${taskName}.logs`);
    const owner = { task: taskName, job: key };
    for (
      const repository of [outcomes.success, outcomes.failed, outcomes.attempts, ...(logs ? [logs] : [])]
    ) await this.value(repository, key, running, owner);
    for (const [name, link] of Object.entries(task.task.links)) {
      if (link.direction !== "out" && link.direction !== "status") continue;
      for (const target of await this.#written(task, name, link, job)) {
        const written = this.#state.keys.key(target);
        for (const repository of [link.repository, ...Object.values(link.cokeyed)]) {
          await this.value(repository, written, running, owner);
          if (recursive) await this.readers(repository, target);
        }
      }
    }
  }

  /** The keys that a job has written through a link, as far as that can be known. */
  async #written(task: TaskState, name: string, link: Link, job: number): Promise<Iterable<number>> {
    if (!link.items) {
      const map = task.map(name);
      const target = map ? map.target(job) : job;
      return target === undefined ? [] : [target];
    }
    const place = `${task.task.name}.${name}`;
    if (link.items.keys !== "allocated") {
      this.#unknown(
        `Which items of ${place} come from which job cannot be told, so none of them is deleted; delete those that shall go: datatask rm ${place} KEY`,
      );
      return [];
    }
    let items = this.#items.get(place);
    if (!items) this.#items.set(place, items = await this.#allocated(task.task.name, name, link));
    return items.get(this.#state.keys.key(job)) ?? [];
  }

  /** All items of a link whose keys were allocated, by job; values that are cokeyed to an item which never came among them. */
  async #allocated(task: string, name: string, link: Link): Promise<Map<Key, Set<number>>> {
    const items = new Map<Key, Set<number>>();
    for (const repository of [link.repository, ...Object.values(link.cokeyed)]) {
      for await (const page of repository.pages()) {
        for (const key of page) {
          const maker = itemJob({ task, link: name }, key);
          if (maker === undefined) continue;
          const made = items.get(maker) ?? new Set();
          items.set(maker, made.add(this.#state.keys.id(key)));
        }
      }
    }
    return items;
  }

  /** The jobs that read a value. */
  async readers(repository: Repository, key: number): Promise<void> {
    const stores = repository.footprint();
    const shares = (other: Repository): boolean =>
      [...other.footprint().keys()].some((identity) => stores.has(identity));
    for (const task of this.#state.tasks) {
      for (const [name, link] of Object.entries(task.task.links)) {
        if (link.direction !== "in" && !(link.direction === "gate" && link.start === "present")) continue;
        if (![link.repository, ...Object.values(link.cokeyed)].some(shares)) continue;
        for (const job of this.#readers(task, name, link, key)) await this.job(task, job, true);
      }
    }
  }

  /** The jobs of a task that read a value through a link, as far as that can be known. */
  #readers(task: TaskState, name: string, link: Link, key: number): readonly number[] {
    if (link.view === "lookup") {
      this.#unknown(
        `Which jobs of ${task.task.name} have looked up what is deleted cannot be told, so they are left; delete those that shall be done again: datatask rm -r ${task.task.name} JOB`,
      );
      return [];
    }
    const jobsOf = (target: number): Iterable<number> => task.map(name)?.jobs(target) ?? [target];
    if (!link.stream) return [...jobsOf(key)];
    const relation = task.relation(name);
    // Every job has seen every item.
    if (!relation) return [...union([task.success.set, task.failed.set, task.live.set, task.attempted.set])];
    const target = relation.target(key);
    return target === undefined ? [] : [...jobsOf(target)];
  }

  #unknown(text: string): void {
    if (this.#told.has(text)) return;
    this.#told.add(text);
    this.#onUnknown(text);
  }
}

/**
 * What would go.
 *
 * @param pipeline The pipeline.
 * @param state Its state.
 * @param name `task`, or `task.link`.
 * @param keys Which keys.
 * @param recursive Whether to go on downstream.
 * @param onUnknown Told what cannot be followed.
 * @returns Each value, once.
 */
export async function removals(
  pipeline: Pipeline,
  state: PipelineState,
  name: string,
  keys: readonly Key[],
  recursive: boolean,
  onUnknown: OnUnknown,
): Promise<readonly Removal[]> {
  const found = new Found(pipeline, state, onUnknown);
  const repository = pipeline.repositories().get(name);
  if (!repository && !pipeline.tasks.has(name)) {
    throw new UsageError(
      `There is no task or repository "${name}"${
        suggest(name, [...pipeline.tasks.keys(), ...pipeline.repositories().keys()])
      }`,
    );
  }
  for (const task of state.tasks) {
    for (const [link, { stream }] of Object.entries(task.task.links)) if (stream) task.relation(link);
  }
  await state.settle();
  for (const key of keys) {
    const id = state.keys.id(key);
    if (!repository) await found.job(state.task(name), id, recursive);
    else {
      await found.value(repository, key, false);
      if (recursive) await found.readers(repository, id);
    }
  }
  return [...found.removals.values()];
}

/**
 * Removes values, those furthest downstream first: a crash in between leaves nothing that was made from what is gone. Jobs that run are
 * cancelled before.
 *
 * @param pipeline The pipeline.
 * @param list What goes.
 */
export async function remove(pipeline: Pipeline, list: readonly Removal[]): Promise<void> {
  const running = new Map(
    list.flatMap(({ running, owner }) =>
      running && owner ? [[`${owner.task}\0${owner.job}`, owner] as const] : []
    ),
  );
  await Promise.all([...running.values()].map(({ task, job }) => end(pipeline, task, job)));
  for (const removal of list.toReversed()) await removal.store.delete(removal.key);
  // That it was cancelled was recorded in the meantime, and goes too.
  for (const { task, job } of running.values()) await pipeline.task(task).outcomes.forget(job);
}

/** Cancels a job that runs, and waits until its end is recorded: what it leaves is to be removed after it, not before. */
async function end(pipeline: Pipeline, name: string, job: Key): Promise<void> {
  const { outcomes: { done }, graceMs } = pipeline.task(name);
  if (!await pipeline.cancel(name, job)) return;
  const deadline = performance.now() + graceMs + PATIENCE_MS;
  while (!await done.has(job)) {
    if (performance.now() > deadline) {
      throw new DatataskError(
        "timed-out",
        `Cannot remove job "${job}" of task ${name}: it was cancelled and does not end; see datatask status, and try again`,
        { operation: "remove", subject: name, key: job },
      );
    }
    await sleep(systemClock, 20);
  }
}

/** So long, in milliseconds, the end of a job may take beyond its grace. */
const PATIENCE_MS = 30_000;

/**
 * The state of a pipeline: which jobs are where, for every task, from what the repositories hold.
 *
 * @module
 */
import { describeError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Repository, SkippedNames } from "../repositories/repository.ts";
import { itemJob } from "../tasks/item_keys.ts";
import { readAttempts } from "../tasks/outcome_document.ts";
import type { Task } from "../tasks/task.ts";
import type { TaskCounts } from "./events.ts";
import type { KeyMapContext } from "./key_map.ts";
import { difference } from "./key_set.ts";
import { KeySpace } from "./key_space.ts";
import { Feeds } from "./feeds.ts";
import { Observer } from "./observer.ts";
import { type Producer, TaskState } from "./task_state.ts";

/** What a state tells. */
export interface StateOptions {
  /** Trouble that is not a job's fault. */
  readonly onTrouble: (trouble: { task?: string; job?: Key; message: string; error: unknown }) => void;
  /** Names that are no keys. */
  readonly onSkipped: SkippedNames;
  /** Something was found out in the background. */
  readonly onSettled: () => void;
}

/** A task that writes into a store. */
interface Output {
  readonly store: string;
  readonly producer: Producer;
}

/** The state of a pipeline. */
export class PipelineState implements KeyMapContext {
  readonly keys: KeySpace = new KeySpace();
  readonly observer: Observer;
  /** In the order of the flow: who makes before who reads. */
  readonly tasks: readonly TaskState[];
  /** Streaming inputs of the jobs that run. */
  readonly feeds: Feeds;
  readonly #options: StateOptions;
  readonly #byName = new Map<string, TaskState>();
  /** Who makes what, for those who wait for its success. */
  readonly #outputs: Output[] = [];
  /** Who writes what at all. */
  readonly #written: Output[] = [];
  #pending = 0;

  constructor(tasks: Iterable<Task>, options: StateOptions) {
    this.#options = options;
    this.observer = new Observer(this.keys, {
      onTrouble: (repository, error) =>
        options.onTrouble({
          message: `Cannot follow ${repository.name}: ${error instanceof Error ? error.message : error}`,
          error,
        }),
      onSkipped: options.onSkipped,
      onUnreadable: (repository, key, error) =>
        options.onTrouble({
          message: `Cannot tell whether "${key}" is in ${repository.name}: ${describeError(error)}`,
          error,
        }),
      onSettled: options.onSettled,
    });
    this.tasks = inFlowOrder([...tasks]).map((task) => new TaskState(task, this));
    for (const state of this.tasks) {
      this.#byName.set(state.task.name, state);
      this.#noteOutputs(state);
    }
    this.feeds = new Feeds(this, options.onSettled);
    for (const state of this.tasks) state.prepare();
    for (const state of this.tasks) state.wire();
  }

  /** Whether something is being found out in the background. */
  get busy(): boolean {
    return this.#pending > 0 || this.observer.busy;
  }

  /** The state of a task. */
  task(name: string): TaskState {
    return this.#byName.get(name)!;
  }

  /** Who makes what is in a repository, but for one task itself. */
  producers(repository: Repository, reader: TaskState): Producer[] {
    return among(this.#outputs, repository).filter((producer) => producer.state !== reader);
  }

  /** Who writes into a repository in the course of a job, whether anybody waits for its success or not. */
  makers(repository: Repository): Producer[] {
    return among(this.#written, repository);
  }

  /** The job that a key was allocated for, by whichever task writes into the repository. */
  allocatedFor(repository: Repository, key: Key): Key | undefined {
    for (const { state: { task }, link } of this.makers(repository)) {
      const { items, key: mapping } = task.links[link]!;
      const place = { task: task.name, link };
      const job = items?.keys === "allocated"
        ? itemJob(place, key)
        : mapping?.kind === "allocated"
        ? mapping.reverse?.(key, place)
        : undefined;
      if (job !== undefined) return job;
    }
    return undefined;
  }

  /** Lists every repository. */
  async list(signal?: AbortSignal): Promise<boolean> {
    const changed = await this.observer.list({ signal });
    await this.settle(signal);
    return changed;
  }

  /**
   * For reports outside of a run: finds out which jobs wait for the time of their next attempt. A record that cannot be read counts as none,
   * and is told of.
   *
   * @param now The time, in milliseconds since 1970.
   */
  async recall(now: number): Promise<void> {
    for (const state of this.tasks) {
      const waiting = difference(state.attempted.set, [state.success.set, state.failed.set, state.live.set]);
      for (const id of waiting) {
        const job = this.keys.key(id);
        const record = await readAttempts(state.task, job).catch((error) => {
          state.unread.push(
            `Cannot read the attempts of job "${job}"; they count as none: ${describeError(error)}`,
          );
        });
        if (!record) continue;
        state.tries.set(id, record.outcomes.length);
        if (Date.parse(record.retryAt) > now) state.delayed.put(id, true);
      }
    }
  }

  /** Waits until nothing is being found out in the background. */
  async settle(signal?: AbortSignal): Promise<void> {
    while (this.busy) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
  }

  /** How many jobs are in which state, by task. */
  counts(): Record<string, TaskCounts> {
    return Object.fromEntries(this.tasks.map((state) => [state.task.name, state.counts()]));
  }

  /** Says that the key of a job (or, with `link`, of an item) could not be found. */
  onTrouble = (task: string, job: Key, error: unknown, link?: string): void => {
    const reason = error instanceof Error ? error.message : String(error);
    const what = link === undefined
      ? `the keys of job "${job}" of task ${task}`
      : `the job that item "${job}" of ${task}.${link} is for`;
    this.#options.onTrouble({
      task,
      ...(link === undefined && { job }),
      message: `Cannot find ${what}: ${reason}`,
      error,
    });
  };

  background = (work: Promise<void>): void => {
    this.#pending++;
    work.finally(() => {
      this.#pending--;
      this.#options.onSettled();
    });
  };

  /** Data that may be used while it grows, and tasks that are left out, gate nobody. */
  #noteOutputs(state: TaskState): void {
    const { task } = state;
    if (task.disabled) return;
    for (const [link, { direction, gated, repository, cokeyed }] of Object.entries(task.links)) {
      if (direction !== "out") continue;
      for (const written of [repository, ...Object.values(cokeyed)]) {
        for (const store of written.footprint().keys()) {
          const output = { store, producer: { state, link } };
          this.#written.push(output);
          if (gated && !task.longRunning) this.#outputs.push(output);
        }
      }
    }
  }
}

/** Who writes into a repository, each once. */
function among(outputs: readonly Output[], repository: Repository): Producer[] {
  const stores = repository.footprint();
  const found = outputs.filter(({ store }) => stores.has(store)).map(({ producer }) => producer);
  return found.filter((producer, i) =>
    found.findIndex((p) => p.state === producer.state && p.link === producer.link) === i
  );
}

/** Tasks so that who makes comes before who reads; circles are left in the order given. */
export function inFlowOrder(tasks: readonly Task[]): Task[] {
  const stores = (task: Task, out: boolean): Set<string> =>
    new Set(
      Object.values(task.links).filter((link) =>
        (link.direction === "out") === out && link.direction !== "status"
      )
        .flatMap((link) =>
          [link.repository, ...Object.values(link.cokeyed)].flatMap((r) => [...r.footprint().keys()])
        ),
    );
  const makes = new Map(tasks.map((task) => [task, stores(task, true)]));
  const ordered: Task[] = [];
  const visiting = new Set<Task>();
  const visit = (task: Task): void => {
    if (visiting.has(task)) return;
    visiting.add(task);
    const reads = stores(task, false);
    for (const other of tasks) if (other !== task && !reads.isDisjointFrom(makes.get(other)!)) visit(other);
    ordered.push(task);
  };
  tasks.forEach(visit);
  return ordered;
}

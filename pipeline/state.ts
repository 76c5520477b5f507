/**
 * The state of a pipeline: which jobs are where, for every task, from what the repositories hold.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { Repository, SkippedNames } from "../repositories/repository.ts";
import type { Task } from "../tasks/task.ts";
import type { TaskCounts } from "./events.ts";
import type { KeyMapContext } from "./key_map.ts";
import { difference } from "./key_set.ts";
import { KeySpace } from "./key_space.ts";
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

/** The state of a pipeline. */
export class PipelineState implements KeyMapContext {
  readonly keys: KeySpace = new KeySpace();
  readonly observer: Observer;
  /** In the order of the flow: who makes before who reads. */
  readonly tasks: readonly TaskState[];
  readonly #options: StateOptions;
  readonly #byName = new Map<string, TaskState>();
  readonly #outputs: { readonly store: string; readonly producer: Producer }[] = [];
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
      onSettled: options.onSettled,
    });
    this.tasks = inFlowOrder([...tasks]).map((task) => new TaskState(task, this));
    for (const state of this.tasks) {
      this.#byName.set(state.task.name, state);
      this.#noteOutputs(state);
    }
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
    const stores = repository.footprint();
    const found = this.#outputs.filter(({ store, producer }) =>
      stores.has(store) && producer.state !== reader
    ).map((o) => o.producer);
    return found.filter((producer, i) =>
      found.findIndex((p) => p.state === producer.state && p.link === producer.link) === i
    );
  }

  /** Lists every repository. */
  async list(signal?: AbortSignal): Promise<boolean> {
    const changed = await this.observer.list({ signal });
    await this.settle(signal);
    return changed;
  }

  /**
   * For reports outside of a run: finds out which jobs wait for the time of their next attempt. A record that cannot be read counts as none.
   *
   * @param now The time, in milliseconds since 1970.
   */
  async recall(now: number): Promise<void> {
    for (const state of this.tasks) {
      const waiting = difference(state.attempted.set, [state.success.set, state.failed.set, state.live.set]);
      for (const id of waiting) {
        const record = await state.task.outcomes.attempts.find(this.keys.key(id)).catch(() => undefined);
        if (!Array.isArray(record?.outcomes)) continue;
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

  onTrouble = (task: string, job: Key, error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.onTrouble({
      task,
      job,
      message: `Cannot find the keys of job "${job}" of task ${task}: ${reason}`,
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
    if (task.longRunning || task.disabled) return;
    for (const [link, { direction, gated, repository, cokeyed }] of Object.entries(task.links)) {
      if (direction !== "out" || !gated) continue;
      for (const written of [repository, ...Object.values(cokeyed)]) {
        for (const store of written.footprint().keys()) {
          this.#outputs.push({ store, producer: { state, link } });
        }
      }
    }
  }
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

/**
 * What the coordinator keeps of one task: its queue, its limits, its attempts under way.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { Key } from "../core/key.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { Flight } from "./flight.ts";
import type { KeySet } from "./key_set.ts";
import type { PlanTask } from "./plan.ts";
import { type Candidate, FlatQueue, HeapQueue, type ReadyQueue } from "./queue.ts";
import { RateLimit } from "./rate_limit.ts";
import type { PipelineState } from "./state.ts";
import type { TaskState } from "./task_state.ts";

/** What a line needs of the pipeline. */
export interface LineInit {
  readonly state: PipelineState;
  readonly clock: Clock;
  /** What the pipeline adds to the priority of a job. */
  readonly priority: ((task: string, job: Key, replica: number) => number) | undefined;
  /** Jobs that may start; all that are ready when it is left out. */
  readonly only?: ReadonlyMap<string, KeySet> | undefined;
}

/** Told of trouble with a job that is not its fault. */
export type OnTrouble = (state: TaskState, job: number, message: string, error: unknown) => void;

/** What the coordinator keeps of one task. */
export class Line {
  readonly state: TaskState;
  readonly rate: RateLimit | undefined;
  /** Attempts under way that count, by job. */
  readonly flights: Map<number, Flight> = new Map();
  /** Runs of a job beyond the first. */
  readonly replicas: Map<number, Map<number, Flight>> = new Map();
  /** Jobs whose replicas have ended by themselves, how often, and until when no more are started. */
  readonly resting: Map<number, { readonly count: number; over: boolean; cancel?: () => void }> = new Map();
  /** Outcomes of attempts that did not count, by job. */
  readonly earlier: Map<number, readonly Outcome[]> = new Map();
  /** How often trouble that was nobody's fault has hit a job. */
  readonly troubles: Map<number, number> = new Map();
  /** How many jobs of others have gone ahead while the best of these did not fit. */
  overtaken = 0;
  readonly #init: LineInit;
  readonly #onTrouble: OnTrouble;
  readonly #queue: ReadyQueue;
  #unpriced = false;

  constructor(state: TaskState, init: LineInit, onTrouble: OnTrouble) {
    this.state = state;
    this.#init = init;
    this.#onTrouble = onTrouble;
    const { priority, spawnRate } = state.task;
    this.rate = spawnRate && new RateLimit(spawnRate, init.clock);
    this.#queue = typeof priority === "function" || init.priority !== undefined
      ? new HeapQueue(state.ready, (job) => this.priority(job, 0))
      : new FlatQueue(state.ready, priority);
  }

  /** The priority of a run: the task's and the pipeline's. One that cannot be found counts as 0, and is told of once. */
  priority(job: number, replica: number): number {
    const { priority, name } = this.state.task;
    const key = typeof priority === "function" || this.#init.priority ? this.#init.state.keys.key(job) : "";
    try {
      const sum = (typeof priority === "function" ? priority(key, replica) : priority) +
        (this.#init.priority?.(name, key, replica) ?? 0);
      if (typeof sum === "number" && !Number.isNaN(sum)) return sum;
      throw new TypeError(`it is ${sum}, which is no number`);
    } catch (error) {
      const message = `Cannot find the priority of job "${key}" of task ${name}; it counts as 0`;
      if (!this.#unpriced) this.#onTrouble(this.state, job, message, error);
      this.#unpriced = true;
      return 0;
    }
  }

  /** The task as the plan sees it now. */
  planTask(): PlanTask {
    const { state, flights, replicas, resting } = this;
    const { task } = state;
    return {
      name: task.name,
      pool: task.runner.pool.name,
      quota: task.quota,
      running: flights.size,
      concurrency: task.concurrency,
      allowance: this.rate?.allowance() ?? Infinity,
      replicas: task.replicas,
      overtaken: this.overtaken,
      behind: behindOf(state, this.#init.only),
      candidates: () => this.#candidates(),
      live: task.replicas <= 1 ? [] : [...flights.keys()].map((job) => ({
        job,
        replicas: [...(replicas.get(job)?.keys() ?? [])],
        resting: resting.get(job)?.over === false,
      })),
      priority: (job, replica) => this.priority(job, replica),
    };
  }

  #candidates(): Iterator<Candidate, void> {
    const { state } = this;
    const { only } = this.#init;
    const allowed = only?.get(state.task.name);
    const none = !state.selected || state.held || state.task.disabled || (only && !allowed) ||
      state.ready.set.size === 0;
    if (none) return [][Symbol.iterator]();
    return allowed ? among(this.#queue.candidates(), allowed) : this.#queue.candidates();
  }
}

/**
 * The tasks whose jobs bring what a task's own wait for while they run, as long as there is anything that may still move.
 *
 * @param state The task.
 * @param only Jobs that may start; all that are ready when it is left out.
 * @returns Their names.
 */
export function behindOf(state: TaskState, only?: ReadonlyMap<string, KeySet>): readonly string[] {
  const moves = ({ task, live, ready, delayed, selected }: TaskState): boolean =>
    live.set.size > 0 ||
    (selected && !task.disabled && (!only || only.has(task.name)) && ready.set.size + delayed.set.size > 0);
  return state.behind.some(moves) ? state.behind.map(({ task }) => task.name) : [];
}

function* among(candidates: Iterator<Candidate, void>, allowed: KeySet): Generator<Candidate, void, void> {
  for (let next = candidates.next(); !next.done; next = candidates.next()) {
    if (allowed.has(next.value.job)) yield next.value;
  }
}

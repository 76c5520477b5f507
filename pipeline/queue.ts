/**
 * The ready jobs of one task, best first.
 *
 * @module
 */
import type { KeySet } from "./key_set.ts";
import type { LiveSet } from "./observed.ts";

/** A job that could start, with its priority. */
export interface Candidate {
  /** The number of the job. */
  readonly job: number;
  /** Its priority: the higher, the sooner. */
  readonly priority: number;
}

/** The ready jobs of one task, best first; the set it is made over decides what is in it. */
export interface ReadyQueue {
  /** Goes through the jobs, best first, taking none out. Ends early where the reader does. */
  candidates(): Iterator<Candidate, void>;
}

/** Jobs of one priority, in the order of their numbers: a walk over the bits, with nothing to keep. */
export class FlatQueue implements ReadyQueue {
  readonly #ready: LiveSet;
  readonly #priority: number;
  #lowest = 0;

  constructor(ready: LiveSet, priority: number) {
    this.#ready = ready;
    this.#priority = priority;
    ready.subscribe((ids) => {
      for (const id of ids) if (id < this.#lowest) this.#lowest = id;
    });
  }

  *candidates(): Generator<Candidate, void, void> {
    const set = (): KeySet => this.#ready.set;
    this.#lowest = Math.max(0, set().next(this.#lowest));
    for (let job = set().next(this.#lowest); job !== -1; job = set().next(job + 1)) {
      yield { job, priority: this.#priority };
    }
  }
}

/**
 * Jobs each with a priority of its own: a binary heap. Entries that are no longer ready are dropped when they come up; looking at the
 * best k of n costs k log k, whatever n is.
 */
export class HeapQueue implements ReadyQueue {
  readonly #ready: LiveSet;
  readonly #priority: (job: number) => number;
  #jobs: number[] = [];
  #priorities: number[] = [];
  readonly #inside = new Set<number>();

  constructor(ready: LiveSet, priority: (job: number) => number) {
    this.#ready = ready;
    this.#priority = priority;
    for (const job of ready.set) this.#push(job);
    ready.subscribe((ids) => {
      for (const job of ids) if (ready.set.has(job) && !this.#inside.has(job)) this.#push(job);
    });
  }

  *candidates(): Generator<Candidate, void, void> {
    while (this.#jobs.length > 0 && !this.#ready.set.has(this.#jobs[0]!)) this.#pop();
    // A frontier over the heap: the next best is always a child of one that was already seen.
    const frontier = this.#jobs.length > 0 ? [0] : [];
    while (frontier.length > 0) {
      let best = 0;
      for (let i = 1; i < frontier.length; i++) if (this.#before(frontier[i]!, frontier[best]!)) best = i;
      const at = frontier[best]!;
      frontier[best] = frontier.at(-1)!;
      frontier.pop();
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < this.#jobs.length) frontier.push(child);
      if (this.#ready.set.has(this.#jobs[at]!)) {
        yield { job: this.#jobs[at]!, priority: this.#priorities[at]! };
      }
    }
  }

  #before(a: number, b: number): boolean {
    const difference = this.#priorities[a]! - this.#priorities[b]!;
    return difference > 0 || (difference === 0 && this.#jobs[a]! < this.#jobs[b]!);
  }

  #swap(a: number, b: number): void {
    [this.#jobs[a], this.#jobs[b]] = [this.#jobs[b]!, this.#jobs[a]!];
    [this.#priorities[a], this.#priorities[b]] = [this.#priorities[b]!, this.#priorities[a]!];
  }

  #push(job: number): void {
    this.#inside.add(job);
    const priority = this.#priority(job);
    let at = this.#jobs.push(job) - 1;
    this.#priorities.push(Number.isNaN(priority) ? 0 : priority);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #pop(): void {
    this.#inside.delete(this.#jobs[0]!);
    const last = this.#jobs.length - 1;
    this.#swap(0, last);
    this.#jobs.pop();
    this.#priorities.pop();
    for (let at = 0;;) {
      let best = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < last && this.#before(child, best)) best = child;
      }
      if (best === at) return;
      this.#swap(at, best);
      at = best;
    }
  }
}

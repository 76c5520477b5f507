/**
 * Which jobs may still do something in this run: what a stream waits for.
 *
 * @module
 */
import { difference, intersection, KeySet, union } from "./key_set.ts";
import type { PipelineState } from "./state.ts";
import type { Producer, TaskState } from "./task_state.ts";
import { unfoundJobs } from "./unfound.ts";

/** What may still come of a task. */
export interface Prospect {
  /** Jobs that run, can start, wait for their next attempt or for a key that could not be found, or for something that others may still bring. */
  readonly jobs: KeySet;
  /** Whether there may be jobs that nobody knows of yet. */
  readonly more: boolean;
}

/** Which jobs of a task count as able to do something. */
export interface Movers {
  /** Jobs that run; those that only wait for others can be left out. */
  readonly live: (task: TaskState) => KeySet;
  /** Jobs that this run may start. */
  readonly startable: (task: TaskState, jobs: KeySet) => KeySet;
  /** Whether this run may start any job of a task. */
  readonly unrestricted: (task: TaskState) => boolean;
}

/** What may still come of every task. */
export class Prospects {
  readonly #state: PipelineState;
  readonly #found = new Map<TaskState, Prospect>();

  /**
   * Finds out what may still come: from the jobs that can move by themselves on to those that these may set going, until nothing is added.
   *
   * @param state The pipeline's.
   * @param movers Which jobs can move by themselves.
   */
  constructor(state: PipelineState, movers: Movers) {
    this.#state = state;
    const begin = new Map(state.tasks.map((task) => {
      const able = movers.startable(task, union([task.ready.set, task.delayed.set, unfoundJobs(task)]));
      return [task, union([movers.live(task), able])] as const;
    }));
    for (const [task, jobs] of begin) this.#found.set(task, { jobs, more: false });
    const coming = new Map<TaskState, KeySet>();
    for (let grown = true; grown;) {
      grown = false;
      for (const task of state.tasks) {
        const before = this.#found.get(task)!;
        const { jobs, more } = this.#waiting(task, coming);
        const now: Prospect = {
          jobs: union([before.jobs, movers.startable(task, jobs)]),
          more: before.more || (more && movers.unrestricted(task)),
        };
        if (now.jobs.size === before.jobs.size && now.more === before.more) continue;
        this.#found.set(task, now);
        grown = true;
      }
    }
  }

  /** What may still come of a task. */
  of(task: TaskState): Prospect {
    return this.#found.get(task)!;
  }

  /** Whether anything may still come of a task. */
  any(task: TaskState): boolean {
    const { jobs, more } = this.of(task);
    return more || jobs.size > 0;
  }

  /** Jobs of a task that lack something, all of which others may still bring. */
  #waiting(task: TaskState, memo: Map<TaskState, KeySet>): Prospect {
    const names = new Set(task.required.map((term) => term.link));
    const moving = [...names].filter((link) => this.#makers(task, link).some(({ state }) => this.any(state)));
    if (moving.length === 0) return { jobs: new KeySet(), more: false };
    let jobs = union([task.coming(memo)]);
    let more = true;
    for (const link of names) {
      const met = intersection(task.required.filter((t) => t.link === link).map((term) => term.jobs.set));
      const brought = this.#brought(task, link);
      // A link under the job's own key to which nothing new can come brings no jobs that are not known.
      if (!task.map(link) && !brought.more) more = false;
      if (!brought.more) jobs = intersection([jobs, union([met, brought.jobs])]);
    }
    const inhibited = task.inhibiting.filter((term) => term.producers.length === 0).map((term) =>
      term.jobs.set
    );
    return { jobs: difference(jobs, [task.success.set, task.failed.set, ...inhibited]), more };
  }

  /** The jobs for which others may bring what a link lacks; `more`: it cannot be told for which. */
  #brought(task: TaskState, link: string): Prospect {
    const sets: KeySet[] = [];
    for (const { state, link: output } of this.#makers(task, link)) {
      const { jobs, more } = this.of(state);
      if (
        more || (jobs.size > 0 && (task.map(link) || state.map(output) || state.task.links[output]!.items))
      ) {
        return { jobs: new KeySet(), more: true };
      }
      sets.push(jobs);
    }
    return { jobs: union(sets), more: false };
  }

  #makers(task: TaskState, link: string): readonly Producer[] {
    return this.#state.makers(task.task.allLinks[link]!.repository);
  }
}

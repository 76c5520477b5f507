/**
 * The room that a plan has: what is left in pools and of named resources.
 *
 * @module
 */
import { exceeded } from "../core/quota.ts";
import type { PlanTask, Snapshot } from "./plan.ts";

/** What pools and named resources have left, used up as the plan goes on. */
export class Room {
  readonly #snapshot: Snapshot;
  readonly #used = new Map<string, Record<string, number>>();
  readonly #runs = new Map<string, number>();
  readonly #shared: Record<string, number> = {};

  constructor(snapshot: Snapshot, countReplicas: boolean, counted = snapshot.tasks) {
    this.#snapshot = snapshot;
    for (const task of counted) {
      const replicas = countReplicas ? task.live.reduce((sum, { replicas }) => sum + replicas.length, 0) : 0;
      if (task.running + replicas > 0) this.take(task, task.running + replicas);
    }
  }

  /** What a run of the task lacks; nothing when it fits. */
  lacks(task: PlanTask): string | undefined {
    const pool = this.#snapshot.pools.get(task.pool)!;
    if ((this.#runs.get(task.pool) ?? 0) >= pool.width) return `room in pool ${task.pool}`;
    const used = this.#used.get(task.pool) ?? {};
    for (const name in task.quota) {
      const wanted = task.quota[name]!;
      const capacity = pool.capacity[name];
      if (capacity !== undefined && exceeded({ [name]: (used[name] ?? 0) + wanted }, pool.capacity)) {
        return name;
      }
      if (this.#snapshot.resources[name] !== undefined) {
        if (exceeded({ [name]: (this.#shared[name] ?? 0) + wanted }, this.#snapshot.resources)) return name;
      }
    }
    return undefined;
  }

  /** Uses the room of so many runs; a negative number gives it back. */
  take(task: PlanTask, runs = 1): void {
    let used = this.#used.get(task.pool);
    if (!used) this.#used.set(task.pool, used = {});
    this.#runs.set(task.pool, (this.#runs.get(task.pool) ?? 0) + runs);
    for (const name in task.quota) {
      used[name] = (used[name] ?? 0) + task.quota[name]! * runs;
      this.#shared[name] = (this.#shared[name] ?? 0) + task.quota[name]! * runs;
    }
  }
}

/** Sees to it that jobs that wait for others while they run leave room for these. */
export class Patience {
  readonly #tasks: ReadonlyMap<string, PlanTask>;
  /** What is left when those that wait have theirs, and nobody else. */
  readonly #room: Room | undefined;

  constructor(snapshot: Snapshot) {
    const waiting = snapshot.tasks.filter(waitsForOthers);
    this.#tasks = new Map(snapshot.tasks.map((task) => [task.name, task]));
    this.#room = waiting.length > 0 ? new Room(snapshot, false, waiting) : undefined;
  }

  /** Whether room remains for each of those that a job of the task waits for. */
  allows(task: PlanTask): boolean {
    if (!waitsForOthers(task)) return true;
    const room = this.#room!;
    const shared = Object.keys(task.quota);
    room.take(task);
    const enough = task.behind!.every((name) => {
      const other = this.#tasks.get(name);
      const apart = !other ||
        (other.pool !== task.pool && shared.every((what) => other.quota[what] === undefined));
      return apart || room.lacks(other) === undefined;
    });
    room.take(task, -1);
    return enough;
  }

  /** A job of the task starts. */
  take(task: PlanTask): void {
    if (waitsForOthers(task)) this.#room!.take(task);
  }
}

function waitsForOthers(task: PlanTask): boolean {
  return task.behind !== undefined && task.behind.length > 0;
}

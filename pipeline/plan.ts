/**
 * The scheduler's decision: what to start and what to stop, from what is ready, what runs, and what there is room for.
 *
 * `plan()` is pure: no clock, no data, no randomness, and it changes nothing that it is given. The rules, in order:
 *
 * 1. Jobs go by priority; of equal ones, the task that was given first and then the job that came first.
 * 2. A job starts when its task is below its limits and its quota fits what is free in its pool and of the named resources.
 * 3. A task whose next job does not fit steps aside and others fill the room (backfill), but not for ever: once `maxOvertakes` jobs have
 *    gone ahead of it, nothing starts in its pool any more until it fits.
 * 4. A job that waits, while it runs, for what others bring starts only where room remains for one of theirs beside all that wait like it:
 *    those that wait never hold the room that those they wait for need.
 * 5. What is still free is filled with replicas, best first. A replica is stopped when a job of its own right needs the room.
 *
 * @module
 */
import type { Quota } from "../core/quota.ts";
import { Patience, Room } from "./plan_room.ts";
import type { Candidate } from "./queue.ts";

/** A task as the plan sees it. */
export interface PlanTask {
  /** Its name. */
  readonly name: string;
  /** The pool it runs in. */
  readonly pool: string;
  /** What one run needs. */
  readonly quota: Quota;
  /** How many jobs run now, replicas not counted. */
  readonly running: number;
  /** How many jobs may run at once. */
  readonly concurrency: number;
  /** How many runs may begin now, by its rate. */
  readonly allowance: number;
  /** How many runs one job may have. */
  readonly replicas: number;
  /** How many jobs of others have gone ahead while its own best job did not fit. */
  readonly overtaken: number;
  /** The tasks whose jobs bring what its own wait for while they run. Default: none. */
  readonly behind?: readonly string[];
  /** Its ready jobs, best first. */
  readonly candidates: () => Iterator<Candidate, void>;
  /** Jobs that run, with their replicas beyond the first, and whether no more of these are started for now; needed for tasks with replicas only. */
  readonly live: readonly {
    readonly job: number;
    readonly replicas: readonly number[];
    readonly resting?: boolean;
  }[];
  /** The priority of a replica. */
  readonly priority: (job: number, replica: number) => number;
}

/** A pool as the plan sees it. */
export interface PlanPool {
  /** What all its runs may use. */
  readonly capacity: Quota;
  /** How many runs at once. */
  readonly width: number;
}

/** All that a plan follows from. */
export interface Snapshot {
  /** The tasks, in the order given. */
  readonly tasks: readonly PlanTask[];
  /** The pools, by name. */
  readonly pools: ReadonlyMap<string, PlanPool>;
  /** Named resources that all pools share. */
  readonly resources: Quota;
}

/** What the plan follows besides. */
export interface Policy {
  /** How many jobs may go ahead of one that does not fit. Default: 100. */
  readonly maxOvertakes?: number;
  /** The most that is started in one plan. Default: 1024. */
  readonly maxStarts?: number;
}

/** Something to do. */
export interface Action {
  /** Whether to start or to stop a run. */
  readonly do: "start" | "stop";
  /** The task. */
  readonly task: string;
  /** The number of the job. */
  readonly job: number;
  /** Which replica: 0 for the run that counts. */
  readonly replica: number;
  /** Its priority: the higher, the sooner. */
  readonly priority: number;
}

/** Why the best job of a task does not start. */
export interface Wait {
  /** The task. */
  readonly task: string;
  /** The number of the job. */
  readonly job: number;
  /** What it waits for: a resource by name, `"room in pool local"`, `"concurrency"`, `"rate"`, `"replicas to give way"`, or a job that was overtaken too often. */
  readonly for: string;
}

/** What to do, and why the rest waits. */
export interface Plan {
  /** What to do: stops first, then starts, best first. */
  readonly actions: readonly Action[];
  /** Why the best job of each other task does not start. */
  readonly waits: readonly Wait[];
  /** By task: how many jobs this plan lets go ahead of it. */
  readonly overtakes: ReadonlyMap<string, number>;
}

/** One task's place in the merge. */
interface Cursor {
  readonly task: PlanTask;
  readonly order: number;
  readonly rest: Iterator<Candidate, void>;
  head: Candidate;
  started: number;
}

/**
 * Decides what to start and what to stop.
 *
 * @param snapshot What is ready, what runs, and what there is room for.
 * @param policy How patient to be, and how much to start at once.
 * @returns What to do, and why the rest waits. Stops come first.
 */
export function plan(snapshot: Snapshot, policy: Policy = {}): Plan {
  const starts: Action[] = [];
  const waits: Wait[] = [];
  const overtakes = new Map<string, number>();
  const anyReplicas = snapshot.tasks.some((task) => task.replicas > 1);
  // `room` is what there is when replicas give way; `real` is what there is while they are still there.
  const room = new Room(snapshot, false);
  const real = anyReplicas ? new Room(snapshot, true) : room;
  const patience = new Patience(snapshot);
  // Tasks that have stepped aside because their best job did not fit.
  const blocked: Cursor[] = [];
  // Pools in which nothing starts any more, because a job was overtaken too often.
  const closed = new Set<string>();
  const maxOvertakes = policy.maxOvertakes ?? 100;
  const maxStarts = policy.maxStarts ?? 1024;

  const cursors: Cursor[] = [];
  snapshot.tasks.forEach((task, order) => {
    const rest = task.candidates();
    const { value } = rest.next();
    if (value) cursors.push({ task, order, rest, head: value, started: 0 });
  });
  const stepAside = (cursor: Cursor, reason: string): void => {
    waits.push({ task: cursor.task.name, job: cursor.head.job, for: reason });
    cursors.splice(cursors.indexOf(cursor), 1);
  };

  while (cursors.length > 0 && starts.length < maxStarts) {
    const cursor = best(cursors);
    const { task, head } = cursor;
    if (task.running + cursor.started >= task.concurrency) stepAside(cursor, "concurrency");
    else if (cursor.started >= task.allowance) stepAside(cursor, "rate");
    else if (closed.has(task.pool)) {
      stepAside(cursor, `room in pool ${task.pool}, kept for a job that was overtaken too often`);
    } else if (!patience.allows(task)) {
      stepAside(cursor, `room in pool ${task.pool}, kept for what it waits for while it runs`);
    } else {
      const lacking = room.lacks(task);
      if (lacking !== undefined) {
        stepAside(cursor, lacking);
        blocked.push(cursor);
        if (task.overtaken + (overtakes.get(task.name) ?? 0) >= maxOvertakes) closed.add(task.pool);
        continue;
      }
      room.take(task);
      patience.take(task);
      cursor.started++;
      if (real !== room && real.lacks(task) !== undefined) {
        waits.push({ task: task.name, job: head.job, for: "replicas to give way" });
      } else {
        if (real !== room) real.take(task);
        starts.push({ do: "start", task: task.name, job: head.job, replica: 0, priority: head.priority });
      }
      for (const other of blocked) {
        if (other.task.pool !== task.pool) continue;
        const count = (overtakes.get(other.task.name) ?? 0) + 1;
        overtakes.set(other.task.name, count);
        if (other.task.overtaken + count >= maxOvertakes) closed.add(task.pool);
      }
      const next = cursor.rest.next();
      if (next.done) cursors.splice(cursors.indexOf(cursor), 1);
      else cursor.head = next.value;
    }
  }
  if (!anyReplicas) return { actions: starts, waits, overtakes };
  const replicas = replicate(snapshot, starts, room, real);
  const [stops, more] = [replicas.filter(isStop), replicas.filter((action) => !isStop(action))];
  return { actions: [...stops, ...starts, ...more], waits, overtakes };
}

function isStop(action: Action): boolean {
  return action.do === "stop";
}

function best(cursors: readonly Cursor[]): Cursor {
  let best = cursors[0]!;
  for (const cursor of cursors) {
    if (cursor.head.priority > best.head.priority) best = cursor;
  }
  return best;
}

/** Fills what is free with replicas, best first; stops those that are live and were not chosen. */
function replicate(snapshot: Snapshot, starts: readonly Action[], room: Room, real: Room): Action[] {
  const chosen = new Set<string>();
  const name = (task: PlanTask, job: number, replica: number): string => `${task.name}/${job}/${replica}`;
  interface Next {
    readonly task: PlanTask;
    readonly order: number;
    readonly job: number;
    readonly replica: number;
    readonly priority: number;
  }
  const open: Next[] = [];
  const begun = new Map<string, number>();
  const offer = (task: PlanTask, order: number, job: number, replica: number): void => {
    if (replica < task.replicas) {
      open.push({ task, order, job, replica, priority: task.priority(job, replica) });
    }
  };
  snapshot.tasks.forEach((task, order) => {
    if (task.replicas <= 1) return;
    for (const { job } of task.live) offer(task, order, job, 1);
    for (const start of starts) if (start.task === task.name) offer(task, order, start.job, 1);
  });
  const wanted: Next[] = [];
  while (open.length > 0) {
    let at = 0;
    open.forEach((next, i) => {
      const top = open[at]!;
      if (
        next.priority > top.priority ||
        (next.priority === top.priority &&
          (next.order < top.order || (next.order === top.order && next.replica < top.replica)))
      ) at = i;
    });
    const [next] = open.splice(at, 1);
    const { task, order, job, replica } = next!;
    const runs = task.live.find((l) => l.job === job);
    const live = runs?.replicas.includes(replica) ?? false;
    if (!live && runs?.resting) {
      if (runs.replicas.some((other) => other > replica)) offer(task, order, job, replica + 1);
      continue;
    }
    if (room.lacks(task) !== undefined) continue;
    const count = begun.get(task.name) ?? 0;
    if (!live && count >= task.allowance - starts.filter((s) => s.task === task.name).length) continue;
    if (!live) begun.set(task.name, count + 1);
    room.take(task);
    chosen.add(name(task, job, replica));
    if (!live) wanted.push(next!);
    offer(task, order, job, replica + 1);
  }
  const actions: Action[] = [];
  for (const task of snapshot.tasks) {
    for (const { job, replicas } of task.live) {
      for (const replica of replicas) {
        if (!chosen.has(name(task, job, replica))) {
          actions.push({ do: "stop", task: task.name, job, replica, priority: task.priority(job, replica) });
        }
      }
    }
  }
  for (const { task, job, replica, priority } of wanted) {
    // What has to give way first is still there: the next plan, made when it is gone, starts this one.
    if (real.lacks(task) !== undefined) continue;
    real.take(task);
    actions.push({ do: "start", task: task.name, job, replica, priority });
  }
  return actions;
}

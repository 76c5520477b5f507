/**
 * How a pipeline stands, and where a job is to be found.
 *
 * @module
 */
import { describeError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { itemJob } from "../tasks/item_keys.ts";
import { readOutcome } from "../tasks/outcome_document.ts";
import { linkKey } from "../tasks/resolve.ts";
import type { FoundRun } from "../tasks/runner.ts";
import type { LeaseHolder } from "./events.ts";
import type { KeySet } from "./key_set.ts";
import type { JobState, LinkStatus, PipelineStatus, TaskStatus, Trace } from "./reports.ts";
import type { PipelineState } from "./state.ts";
import type { TaskState } from "./task_state.ts";

/** So many keys of a repository are shown. */
const FIRST = 3;

/** The state of a job. */
export function jobState(state: TaskState, job: number): JobState {
  if (state.live.set.has(job)) return "running";
  if (state.success.set.has(job)) return "done";
  if (state.failed.set.has(job)) return "failed";
  if (state.delayed.set.has(job)) return "retrying";
  if (state.blocked().has(job)) return "blocked";
  if (state.ready.set.has(job)) return "ready";
  return state.coming().has(job) ? "waiting" : "unknown";
}

/** How a pipeline stands. */
export function statusOf(
  name: string,
  state: PipelineState,
  coordinator: LeaseHolder | undefined,
  found: ReadonlyMap<string, readonly FoundRun[]>,
): PipelineStatus {
  return {
    name,
    coordinator,
    tasks: state.tasks.map((task) => taskStatus(state, task, found.get(task.task.name) ?? [])),
  };
}

function taskStatus(state: PipelineState, taskState: TaskState, found: readonly FoundRun[]): TaskStatus {
  const { task } = taskState;
  const links: LinkStatus[] = [];
  for (const [link, { repository, direction, cokeyed }] of Object.entries(task.allLinks)) {
    const add = (name: string, r: typeof repository): void => {
      const { set } = state.observer.observed(r) ?? { set: undefined };
      if (set) {
        links.push({
          name,
          direction,
          kind: r.kind,
          repository: r.name,
          count: set.size,
          first: first(state, set),
        });
      }
    };
    add(`${task.name}.${link}`, repository);
    for (const [other, r] of Object.entries(cokeyed)) add(`${task.name}.${link}.${other}`, r);
  }
  return {
    name: task.name,
    kind: task.kind,
    disabled: task.disabled,
    counts: taskState.counts(),
    links,
    running: found.map(({ attempt, where, since, waiting }) => ({
      job: attempt.job,
      replica: attempt.replica,
      attempt: attempt.attempt,
      where,
      since,
      ...(waiting !== undefined && { waiting }),
    })),
    unseen: taskState.unseen,
    unread: taskState.unread,
  };
}

function first(state: PipelineState, set: KeySet): Key[] {
  const keys: Key[] = [];
  for (let id = set.next(0); id !== -1 && keys.length < FIRST; id = set.next(id + 1)) {
    keys.push(state.keys.key(id));
  }
  return keys;
}

/** Where a job is to be found. */
export async function traceOf(state: PipelineState, job: Key): Promise<Trace> {
  const id = state.keys.id(job);
  const tasks = [];
  for (const taskState of state.tasks) {
    const { task } = taskState;
    const links = [];
    for (const [name, { repository, direction, view }] of Object.entries(task.allLinks)) {
      if (view === "lookup") continue;
      if (view === "stream" || view === "items") {
        const present = await hasItems(state, taskState, name, id);
        links.push({
          name: `${task.name}.${name}`,
          key: undefined,
          present,
          direction,
          repository: repository.name,
        });
        continue;
      }
      const key = await linkKey(task.name, task.allLinks, name, job).catch(() => undefined);
      const present = key !== undefined && await repository.has(key);
      links.push({ name: `${task.name}.${name}`, key, present, direction, repository: repository.name });
    }
    const [outcome, problem] = await readOutcome(task, job).then(
      (outcome) => [outcome, undefined] as const,
      (error) => [undefined, `Its outcome cannot be read: ${describeError(error)}`] as const,
    );
    tasks.push({ name: task.name, state: jobState(taskState, id), links, outcome, problem });
  }
  return { job, tasks };
}

/** Whether there are items for a job, or (of a streaming output) any that it may have made. */
async function hasItems(state: PipelineState, task: TaskState, link: string, job: number): Promise<boolean> {
  const { repository, items, stream } = task.task.links[link]!;
  const relation = stream && task.relation(link);
  if (relation) {
    await state.settle();
    const { set } = state.observer.observe(repository);
    const key = task.map(link) ? task.map(link)!.target(job) : job;
    return key !== undefined && [...relation.jobs(key)].some((item) => set.has(item));
  }
  const place = { task: task.task.name, link };
  for await (const page of repository.pages()) {
    if (items?.keys !== "allocated") return true;
    if (page.some((key) => itemJob(place, key) === state.keys.key(job))) return true;
  }
  return false;
}

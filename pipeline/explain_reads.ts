/**
 * What a job reads while it runs, for explanations.
 *
 * @module
 */
import { KeySet } from "./key_set.ts";
import { type Movers, Prospects } from "./prospects.ts";
import type { Condition } from "./reports.ts";
import type { PipelineState } from "./state.ts";
import type { TaskState, Term } from "./task_state.ts";

/** Whether the item is there with which a job starts. */
export function firstItem(task: TaskState, term: Term, job: number): Condition {
  const { repository } = task.task.links[term.link]!;
  const met = term.jobs.set.has(job);
  const where = `${term.link} (${repository.name})`;
  return {
    state: met ? "met" : "unmet",
    text: met
      ? `an item for it is in ${where}`
      : `no item for it is in ${where} yet, and it starts with the first`,
    link: term.link,
    gate: "present",
  };
}

/** What a job reads while it runs: it waits for none of it. What has come since it was over did not come to it. */
export async function whileRunning(state: PipelineState, task: TaskState, job: number): Promise<Condition[]> {
  const streams = Object.entries(task.task.links).filter(([, { stream }]) => stream);
  const relations = new Map(streams.map(([link]) => [link, task.relation(link)]));
  await state.settle();
  const prospects = streams.length > 0 ? new Prospects(state, ANYBODY) : undefined;
  return Object.entries(task.task.links).flatMap(([link, { view, repository }]): Condition[] => {
    const where = `${link} (${repository.name})`;
    if (view === "lookup") {
      return [{ state: "met", text: `it may look up any key of ${where} while it runs`, link }];
    }
    if (view !== "stream") return [];
    const { set } = state.observer.observe(repository);
    const relation = relations.get(link);
    const key = task.map(link) ? task.map(link)!.target(job) : job;
    const mine = relation && key !== undefined ? [...relation.jobs(key)].filter((item) => set.has(item)) : [];
    const count = relation ? mine.length : set.size;
    if (task.over(job) && !task.live.set.has(job)) {
      const now = count === 1 ? "1 is there now" : `${count} are there now`;
      return [{ state: "met", text: `items of ${where} came to it while it ran; ${now}`, link }];
    }
    const makers = state.feeds.mayCome({ task, link, job }, prospects!);
    const more = makers.length > 0 ? `more may come from ${makers.join(" and ")}` : "no more can come";
    return [{
      state: "met",
      text: `items of ${where} come to it while it runs: ${count} so far, ${more}`,
      link,
    }];
  });
}

/** Who may go on as far as a report knows: all that are not disabled. */
const ANYBODY: Movers = {
  live: ({ live }) => live.set,
  startable: ({ task }, jobs) => task.disabled ? new KeySet() : jobs,
  unrestricted: ({ task }) => !task.disabled,
};

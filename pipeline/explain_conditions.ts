/**
 * What must hold before a job starts, for explanations.
 *
 * @module
 */
import { describeError } from "../core/errors.ts";
import { type Asked, keyOf } from "./explain_keys.ts";
import { firstItem } from "./explain_reads.ts";
import type { Condition, JobState } from "./reports.ts";
import type { PipelineState } from "./state.ts";
import { jobState } from "./status.ts";
import type { TaskState, Term } from "./task_state.ts";

function membership(
  state: PipelineState,
  task: TaskState,
  term: Term,
  job: number,
  inhibits: boolean,
  asked: Asked,
): Condition {
  const link = task.task.allLinks[term.link]!;
  if (link.stream) return firstItem(task, term, job);
  const key = keyOf(state, task, term.link, job, asked);
  const id = key === undefined ? undefined : state.keys.known(key);
  const holds = id !== undefined && (state.observer.observed(link.repository)?.set ?? term.jobs.set).has(id);
  const unreadable = id !== undefined && task.unreadable.get(term.link)?.set.has(job);
  const met = holds !== inhibits;
  const where = `${term.link} (${link.repository.name})`;
  if (key === undefined) {
    const fault = asked.faults.get(term.link);
    return {
      state: inhibits && fault === undefined ? "met" : "unmet",
      text: fault === undefined
        ? `the job has no key in ${where}: ${link.key?.label} gives none`
        : `the key of the job in ${where} cannot be found: ${describeError(fault)}`,
      advice: fault === undefined ? `see to it that ${link.key?.label} names a key` : undefined,
      link: term.link,
      gate: link.start,
    };
  }
  if (unreadable) {
    const fault = state.observer.fault(link.repository, id);
    return {
      state: "unmet",
      text: `whether "${key}" is in ${where} cannot be told: ${describeError(fault)}`,
      link: term.link,
      gate: link.start,
    };
  }
  return {
    state: met ? "met" : "unmet",
    text: `"${key}" is ${holds ? "" : "not "}in ${where}${
      met ? "" : inhibits ? ", which keeps it from starting" : ", which it needs"
    }`,
    advice: met
      ? undefined
      : task.required.some((other) => other.link === term.link && other.producers.length > 0)
      ? undefined // Whoever makes it is spoken of by the condition of its own.
      : !link.repository.driver.supports.writable
      ? `it is made of ${[...link.repository.footprint().values()].map(({ name }) => name).join(" and ")}: ${
        inhibits ? "remove it" : "put what is missing"
      } there`
      : inhibits
      ? `remove it there: datatask rm ${task.task.name}.${term.link} ${key}`
      : `put it there: datatask inject ${task.task.name}.${term.link} ${key} FILE`,
    link: term.link,
    gate: link.start,
  };
}

/** How a producer stands, as a part of a sentence that ends in the job. */
const STANDS: Record<JobState, string> = {
  unknown: "knows nothing of",
  waiting: "waits with",
  ready: "is ready for",
  running: "is at work on",
  retrying: "will try again",
  done: "has succeeded with",
  failed: "has failed with",
  blocked: "is blocked for",
};

function gate(
  state: PipelineState,
  task: TaskState,
  term: Term,
  job: number,
  inhibits: boolean,
  asked: Asked,
): Condition {
  const met = term.jobs.set.has(job) !== inhibits;
  const key = keyOf(state, task, term.link, job, asked);
  const id = key === undefined ? undefined : state.keys.known(key);
  const parts = term.producers.map(({ state: producer, link }) => {
    const map = producer.map(link);
    const [upstream] = map ? (id === undefined ? [] : map.jobs(id)) : [id];
    const name = producer.task.name;
    if (upstream === undefined) return { name, job: key, state: "unknown" as JobState };
    return { name, job: state.keys.key(upstream), state: jobState(producer, upstream) };
  });
  const said = parts.map(({ name, job, state }) => `${name} ${STANDS[state]} "${job}"`).join(", ");
  const dead = !met && !inhibits && parts.length > 0 &&
    parts.every((part) => part.state === "failed" || part.state === "blocked");
  const failed = parts.find((part) => part.state === "failed");
  return {
    state: met ? "met" : dead ? "never" : "unmet",
    text: `${term.link} is made by ${parts.map((part) => part.name).join(" or ")}: ${said}`,
    advice: failed
      ? `datatask logs ${failed.name} ${failed.job}, then datatask retry ${failed.name} ${failed.job}`
      : undefined,
    link: term.link,
    gate: inhibits ? "absent" : "present",
  };
}

/**
 * Every condition for the start of a job.
 *
 * @param state The pipeline's.
 * @param task The task's.
 * @param job Which job.
 * @param asked Its keys, where they were asked for.
 * @returns The conditions, met or not.
 */
export function conditions(
  state: PipelineState,
  task: TaskState,
  job: number,
  asked: Asked = { keys: new Map(), faults: new Map() },
): Condition[] {
  const all: Condition[] = [];
  for (const [terms, inhibits] of [[task.required, false], [task.inhibiting, true]] as const) {
    for (const term of terms) {
      if (term.link === "done") continue;
      all.push(
        term.producers.length > 0
          ? gate(state, task, term, job, inhibits, asked)
          : membership(state, task, term, job, inhibits, asked),
      );
    }
  }
  return all;
}

/**
 * Why a job waits, runs, failed, or is blocked for good.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import { formatDuration } from "../core/duration.ts";
import type { Key } from "../core/key.ts";
import type { Quota } from "../core/quota.ts";
import type { Outcome } from "../tasks/outcome.ts";
import { readAttempts, readOutcome } from "../tasks/outcome_document.ts";
import type { FoundRun } from "../tasks/runner.ts";
import { conditions } from "./explain_conditions.ts";
import { askKeys } from "./explain_keys.ts";
import { needsText } from "./explain_needs.ts";
import { whileRunning } from "./explain_reads.ts";
import { difference, intersection } from "./key_set.ts";
import type { Explanation, JobState, TaskExplanation } from "./reports.ts";
import type { PipelineState } from "./state.ts";
import { jobState } from "./status.ts";
import type { TaskState } from "./task_state.ts";

/** So many jobs are shown as examples. */
const EXAMPLES = 5;

/** What an explanation needs to know beside the state. */
export interface Surroundings {
  /** The time. */
  readonly clock: Clock;
  /** What runs of the task are found. */
  readonly runs?: readonly FoundRun[] | undefined;
  /** What all tasks share. */
  readonly resources: Quota;
  /** Who starts what is ready: `the next run`. */
  readonly starter: string;
  /** Whether it cannot be told if that one runs the task: it was started elsewhere. */
  readonly doubtful: boolean;
}

/** A sentence for how an attempt ended. */
function describeOutcome(outcome: Outcome): string {
  const { reason, exitCode, signal, error, seconds, attempt } = outcome;
  const took = `after ${formatDuration(seconds * 1000)}${attempt > 1 ? `, attempt ${attempt}` : ""}`;
  if (outcome.success) return `succeeded ${took}`;
  const how = {
    "failed": exitCode === 0
      ? "failed, since its output could not be published,"
      : exitCode !== undefined
      ? `failed with exit code ${exitCode}`
      : signal
      ? `was ended by ${signal}`
      : "failed",
    "timed-out": "ran out of time",
    "cancelled": "was cancelled",
    "missing-output": "left no output",
    "lost": "was lost",
    "infrastructure": "was hit by trouble that is not its fault",
    "succeeded": "succeeded",
  }[reason] ?? "failed";
  return `${how} ${took}${error ? `: ${error.message.split("\n")[0]}` : ""}`;
}

/**
 * Why a job is in the state it is in.
 *
 * @param state The pipeline's.
 * @param task The task's.
 * @param job Which job.
 * @param around What is known beside the state.
 * @returns The explanation.
 */
export async function explainJob(
  state: PipelineState,
  task: TaskState,
  job: Key,
  { clock, runs = [], resources, starter, doubtful }: Surroundings,
): Promise<Explanation> {
  const id = state.keys.id(job);
  const { name } = task.task;
  const problems: string[] = [];
  const read = async <T>(what: string, promise: Promise<T | undefined>): Promise<T | undefined> => {
    try {
      return await promise;
    } catch (error) {
      problems.push(`${what} cannot be read: ${describeError(error)}`);
      return undefined;
    }
  };
  const outcome = await read("Its outcome", readOutcome(task.task, job));
  const record = await read("The record of its attempts", readAttempts(task.task, job));
  const retryAt = record && Date.parse(record.retryAt);
  let now = jobState(task, id);
  if (now === "ready" && retryAt !== undefined && retryAt > clock.now()) now = "retrying";
  const run = runs.find(({ attempt }) => attempt.job === job);
  const reads = await whileRunning(state, task, id);
  const all = [...conditions(state, task, id, await askKeys(task, job)), ...reads];
  const first = all.find((condition) => condition.state === "never") ??
    all.find((condition) => condition.state === "unmet");
  const texts: Record<JobState, string> = {
    unknown: `Task ${name} has no job "${job}"${first ? `: ${first.text}` : ""}`,
    waiting: `It waits${first ? `: ${first.text}` : ""}`,
    ready: task.task.disabled
      ? `It is ready, but task ${name} is disabled`
      : task.unseen !== undefined
      ? `It is ready; whether it runs already cannot be told: ${task.unseen}`
      : `It is ready: ${starter} starts it as soon as there is room${needsText(task.task, resources)}${
        doubtful ? `, unless it leaves task ${name} out` : ""
      }`,
    running: `It is running${
      run ? ` (${run.where})${run.waiting === undefined ? "" : `: ${run.waiting}`}` : ""
    }`,
    retrying: `It ${record ? describeOutcome(record.outcomes.at(-1)!) : "failed"}, and will be tried again${
      retryAt ? ` in ${formatDuration(Math.max(0, retryAt - clock.now()))}` : ""
    } (attempt ${(record?.outcomes.length ?? 0) + 1} of ${task.task.retry.attempts})`,
    done: `It ${outcome ? describeOutcome(outcome) : "counts as done"}`,
    failed: `It ${
      outcome ? describeOutcome(outcome) : "counts as failed"
    }; see datatask logs ${name} ${job}, then datatask retry ${name} ${job}`,
    blocked: `It will not start by itself${first ? `: ${first.text}` : ""}`,
  };
  return {
    task: name,
    job,
    state: now,
    text: texts[now],
    conditions: all,
    outcome,
    attempts: record?.outcomes ?? [],
    retryAt,
    problems,
  };
}

/**
 * Why the jobs of a task are in the states they are in.
 *
 * @param state The pipeline's.
 * @param task The task's.
 * @returns The explanation.
 */
export async function explainTask(state: PipelineState, task: TaskState): Promise<TaskExplanation> {
  const coming = task.coming();
  const report = [
    ...task.required.map((term) => ({ term, gate: "present" as const })),
    ...task.inhibiting.map((term) => ({ term, gate: "absent" as const })),
  ].filter(({ term }) => term.link !== "done").map(({ term, gate }) => {
    const link = task.task.allLinks[term.link]!;
    const through = gate === "present" ? term.jobs.set : difference(coming, [term.jobs.set]);
    // A key is asked for when its job lacks nothing else of its own.
    const asked = task.map(term.link) ? intersection([coming, task.domain.set]) : coming;
    const missing = gate === "present"
      ? difference(asked, [term.jobs.set])
      : intersection([coming, term.jobs.set]);
    const makers = term.producers.map(({ state }) => state.task.name).join(" or ");
    return {
      text: makers
        ? gate === "present" ? `${makers} has succeeded` : `${makers} is not running`
        : `${
          link.stream ? "an item for it in" : gate === "present" ? "in" : "not in"
        } ${term.link} (${link.repository.name})`,
      link: term.link,
      gate,
      count: gate === "present" ? intersection([coming, through]).size : through.size,
      missing: [...take(missing, EXAMPLES)].map((id) => state.keys.key(id)),
    };
  });
  const over = [task.success.set, task.failed.set, task.ready.set, task.live.set];
  const waiting = [...take(difference(coming, over), EXAMPLES)].map((id) => {
    const all = conditions(state, task, id);
    const first = all.find((condition) => condition.state === "never") ??
      all.find((condition) => condition.state !== "met");
    return {
      job: state.keys.key(id),
      state: jobState(task, id),
      text: first?.text ?? "every condition is met",
    };
  });
  const failed = difference(task.failed.set, [task.success.set, task.live.set]);
  const examples = await Promise.all([...take(failed, EXAMPLES)].map(async (id) => {
    const job = state.keys.key(id);
    // A document that cannot be read is told of by `why` of the job.
    const outcome = await readOutcome(task.task, job).catch(() => undefined);
    const text = outcome ? describeOutcome(outcome) : "counts as failed";
    return { job, state: "failed" as const, text };
  }));
  return {
    task: task.task.name,
    counts: task.counts(),
    conditions: report,
    examples: [...examples, ...waiting],
  };
}

function* take<T>(items: Iterable<T>, count: number): Generator<T, void, void> {
  for (const item of items) {
    if (count-- <= 0) return;
    yield item;
  }
}

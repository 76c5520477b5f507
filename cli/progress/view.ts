/**
 * What a display of progress shows, as plain data.
 *
 * @module
 */
import type { TaskCounts } from "../../pipeline/events.ts";

/** A task in a display. */
export interface TaskView {
  /** Its name. */
  readonly name: string;
  /** How many jobs are in which state. */
  readonly counts: TaskCounts;
  /** How many jobs end in a second, where that is known yet. */
  readonly perSecond: number | undefined;
}

/** A job that runs. */
export interface RunningView {
  /** Which: `summary/moby-dick`. */
  readonly label: string;
  /** Where. */
  readonly where: string;
  /** For how long, in milliseconds. */
  readonly ms: number;
}

/** A job that has failed. */
export interface FailureView {
  /** Which: `summary/moby-dick`. */
  readonly label: string;
  /** How it ended. */
  readonly text: string;
  /** What shows its log. */
  readonly command: string;
}

/** What a display of progress shows. */
export interface ProgressView {
  /** How long the run has lasted, in milliseconds. */
  readonly ms: number;
  /** The tasks, in the order of the flow. */
  readonly tasks: readonly TaskView[];
  /** The jobs that have been running longest, the longest first. */
  readonly running: readonly RunningView[];
  /** The last failures, the newest last. */
  readonly failures: readonly FailureView[];
  /** What goes on besides: that it is stopping, or waits for somebody. */
  readonly note: string | undefined;
}

/** No jobs at all. */
export const NO_JOBS: TaskCounts = {
  waiting: 0,
  ready: 0,
  running: 0,
  retrying: 0,
  done: 0,
  failed: 0,
  blocked: 0,
};

/**
 * Adds counts up.
 *
 * @param counts Of several tasks.
 * @returns Of all of them.
 */
export function sumCounts(counts: Iterable<TaskCounts>): TaskCounts {
  const sum = { ...NO_JOBS } as { -readonly [K in keyof TaskCounts]: number };
  for (const count of counts) {
    for (const state in sum) sum[state as keyof TaskCounts] += count[state as keyof TaskCounts];
  }
  return sum;
}

/**
 * How many jobs are still to come to an end by themselves.
 *
 * @param counts Of a task.
 * @returns Those that wait, could start, run, or are to be tried again.
 */
export function remaining(counts: TaskCounts): number {
  return counts.waiting + counts.ready + counts.running + counts.retrying;
}

/**
 * The last words of a run, and its exit code.
 *
 * @module
 */
import { formatDuration } from "../../core/duration.ts";
import type { RunSummary } from "../../pipeline/events.ts";
import { EXIT } from "../fail.ts";
import { amount, counted } from "../rows.ts";
import { remaining, sumCounts } from "./view.ts";

/** What a person types for what may come next. */
export interface NextCommands {
  /** To try failed jobs again. */
  readonly retry: string;
  /** To see why a task waits. */
  readonly why: (task: string) => string;
}

/**
 * The last words of a run.
 *
 * @param summary What it has done.
 * @param next What a person types for what may come next.
 * @returns Lines.
 */
export function summaryLines(summary: RunSummary, next: NextCommands): string[] {
  const all = sumCounts(Object.values(summary.tasks));
  const idle = summary.started + summary.adopted + summary.succeeded + summary.failed + summary.stuck === 0;
  const complete = summary.ended === "complete";
  // Those that trouble has left over are counted by themselves.
  const left = complete ? 0 : Math.max(0, remaining(all) - all.waiting - summary.stuck);
  const waiting = complete ? Math.max(0, remaining(all) - summary.stuck) : all.waiting;
  const nothing = idle && summary.ended !== "stopped";
  const before = nothing ? 0 : Math.max(0, all.failed - summary.failed);
  const standing = [
    ...(before > 0 ? [`${amount(before)} failed before`] : []),
    ...(all.blocked > 0 ? [`${amount(all.blocked)} blocked`] : []),
    ...(waiting > 0 ? [`${amount(waiting)} waiting`] : []),
    ...(left > 0 ? [`${amount(left)} left for the next run`] : []),
  ];
  if (summary.stuck > 0) {
    standing.push(`${amount(summary.stuck)} left for the next run by trouble that is not theirs`);
  }
  const [first] = Object.keys(summary.tasks);
  if (idle && first !== undefined && all.done + all.failed + all.blocked + remaining(all) === 0) {
    return [
      "Nothing to do: there are no jobs, since no key is in all that a task requires",
      `See what is missing:  ${next.why(first)}`,
    ];
  }
  const lines = nothing
    ? [
      [`Nothing to do: ${counted(all.done, "job")} done`, `${amount(all.failed)} failed`, ...standing].join(
        ", ",
      ),
    ]
    : [
      `${TITLES[summary.ended]} after ${formatDuration(summary.ms)}: ${
        [`${amount(summary.succeeded)} succeeded`, `${amount(summary.failed)} failed`, ...standing].join(", ")
      }`,
    ];
  if (all.failed > 0) lines.push(`Try failed jobs again:  ${next.retry}`);
  const blocked = Object.entries(summary.tasks).find(([, counts]) => counts.blocked > 0);
  if (blocked) lines.push(`See why jobs are blocked:  ${next.why(blocked[0])}`);
  const stuck = Object.entries(summary.tasks).find(([, counts]) => counts.waiting > 0);
  if (stuck && complete) {
    lines.push(
      `See what ${waiting > 0 ? "the others wait for" : "was left, and why"}:  ${next.why(stuck[0])}`,
    );
  }
  return lines;
}

const TITLES: Readonly<Record<RunSummary["ended"], string>> = {
  "complete": "Done",
  "once": "Done",
  "stopped": "Stopped",
  "fail-fast": "Stopped at the first failure",
};

/**
 * The exit code of a run.
 *
 * @param summary What it has done.
 * @param interrupted The code of the signal that has ended it, if one has.
 * @returns 0 when all is well, 1 when jobs have failed, are blocked or could not be run, else that of the signal.
 */
export function runExitCode(summary: RunSummary, interrupted: number | undefined): number {
  if (interrupted !== undefined && summary.ended === "stopped") return interrupted;
  const all = sumCounts(Object.values(summary.tasks));
  return summary.failed + summary.stuck + all.failed + all.blocked > 0 ? EXIT.failed : EXIT.ok;
}

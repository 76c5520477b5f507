/**
 * Progress as lines of text: a pure function of what is known and how much room there is.
 *
 * @module
 */
import { formatDuration } from "../../core/duration.ts";
import type { TaskCounts } from "../../pipeline/events.ts";
import { pad, type Style, truncate, widthOf, wrapWords } from "../ansi.ts";
import { amount } from "../rows.ts";
import { type ProgressView, remaining, type TaskView } from "./view.ts";

/** How much room there is. */
export interface Room {
  /** Columns of the terminal. */
  readonly columns: number;
  /** Rows of the terminal. */
  readonly rows: number;
}

const total = (counts: TaskCounts): number =>
  remaining(counts) + counts.done + counts.failed + counts.blocked;

/** A bar; what is done, has failed and runs differ in form as well as in color. */
function bar(counts: TaskCounts, width: number, style: Style): string {
  const all = total(counts);
  if (all === 0) return style.dim("·".repeat(width));
  const cells = (n: number): number => Math.round((n / all) * width);
  // What there is at all takes at least one cell; what is left takes the rest.
  const failed = counts.failed + counts.blocked > 0 ? Math.max(1, cells(counts.failed + counts.blocked)) : 0;
  const running = counts.running > 0 ? Math.max(1, cells(counts.running)) : 0;
  const room = Math.max(0, width - failed - running);
  const done = counts.done + counts.failed + counts.blocked === all
    ? room
    : Math.min(room, Math.floor((counts.done / all) * width));
  const rest = Math.max(0, width - done - failed - running);
  return style.green("█".repeat(done)) + style.red("▓".repeat(failed)) + style.cyan("▒".repeat(running)) +
    style.dim("░".repeat(rest));
}

function rateText(perSecond: number): string {
  if (perSecond >= 10) return `${amount(Math.round(perSecond))}/s`;
  if (perSecond >= 0.95) return `${perSecond.toFixed(1)}/s`;
  return `${(perSecond * 60).toFixed(perSecond * 60 >= 10 ? 0 : 1)}/min`;
}

function details(task: TaskView, style: Style): string {
  const { counts } = task;
  const left = remaining(counts);
  const parts: string[] = [];
  if (counts.failed > 0) parts.push(style.red(`${amount(counts.failed)} failed`));
  if (counts.blocked > 0) parts.push(style.red(`${amount(counts.blocked)} blocked`));
  if (counts.running > 0) parts.push(style.cyan(`${amount(counts.running)} running`));
  if (left > 0 && task.perSecond !== undefined) {
    parts.push(`${formatDuration(left / task.perSecond * 1000)} left`, rateText(task.perSecond));
  }
  if (counts.retrying > 0) parts.push(style.yellow(`${amount(counts.retrying)} retrying`));
  if (counts.ready > 0) parts.push(style.dim(`${amount(counts.ready)} ready`));
  if (counts.waiting > 0) parts.push(style.dim(`${amount(counts.waiting)} waiting`));
  return parts.join(", ");
}

/** The tasks that are shown where there is no room for all: those with something going on. */
function shownTasks(
  tasks: readonly TaskView[],
  room: number,
): { shown: readonly TaskView[]; hidden: number } {
  if (tasks.length <= room) return { shown: tasks, hidden: 0 };
  const weight = ({ counts }: TaskView): number =>
    counts.running > 0 ? 3 : counts.ready + counts.retrying > 0 ? 2 : counts.failed > 0 ? 1 : 0;
  const places = Math.max(1, room - 1);
  const kept = new Set([...tasks].sort((a, b) => weight(b) - weight(a)).slice(0, places));
  return { shown: tasks.filter((task) => kept.has(task)), hidden: tasks.length - places };
}

function taskLines(view: ProgressView, room: Room, style: Style): string[] {
  const { shown, hidden } = shownTasks(view.tasks, Math.max(2, room.rows - 12));
  const name = Math.min(24, Math.max(...shown.map((task) => widthOf(task.name)), 4));
  const figures = shown.map(({ counts }) => `${amount(counts.done)}/${amount(total(counts))}`);
  const figure = Math.max(...figures.map((text) => text.length));
  const barWidth = Math.max(6, Math.min(30, Math.floor((room.columns - name - figure) / 3)));
  const lines = shown.map((task, i) =>
    `${pad(style.bold(truncate(task.name, name)), name)} ${bar(task.counts, barWidth, style)} ${
      pad(figures[i]!, figure, "right")
    }  ${details(task, style)}`
  );
  return hidden > 0 ? [...lines, style.dim(`… and ${hidden} more tasks`)] : lines;
}

/**
 * Progress as lines.
 *
 * @param view What is known.
 * @param room How much room there is.
 * @param style Styles.
 * @returns Lines, none wider than the terminal, fewer than it has rows.
 */
export function renderProgress(view: ProgressView, room: Room, style: Style): string[] {
  const lines = view.tasks.length > 0 ? taskLines(view, room, style) : [];
  const free = Math.max(0, room.rows - lines.length - 4);
  // Jobs that have just begun say nothing; those that last are what a person looks for.
  const lasting = view.running.filter(({ ms }) => ms >= 2000).slice(0, Math.min(5, Math.floor(free / 2)));
  if (lasting.length > 0) {
    const width = Math.min(40, Math.max(...lasting.map(({ label }) => widthOf(label))));
    lines.push("", style.dim("Running longest"));
    for (const job of lasting) {
      lines.push(
        `  ${pad(truncate(job.label, width), width)}  ${pad(formatDuration(job.ms), 7, "right")}  ${
          style.dim(job.where)
        }`,
      );
    }
  }
  const failures = view.failures.slice(-Math.max(0, Math.floor((free - lasting.length) / 2)));
  if (failures.length > 0 && free > 3) {
    lines.push("", style.dim("Failed last"));
    for (const failure of failures.slice(-3)) {
      lines.push(
        `  ${style.red("✗")} ${failure.label}  ${failure.text}`,
        `    ${style.dim(failure.command)}`,
      );
    }
  }
  if (view.note) lines.push("", ...wrapWords(view.note, room.columns - 1).map((line) => style.yellow(line)));
  return lines.slice(0, Math.max(1, room.rows - 1)).map((line) => truncate(line, room.columns - 1).trimEnd());
}

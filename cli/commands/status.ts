/** `status`: how many jobs of each task are in which state. @module */
import { formatDuration } from "../../core/duration.ts";
import type { PipelineStatus, TaskStatus } from "../../pipeline/reports.ts";
import { printable, type Style, widthOf } from "../ansi.ts";
import { taskOf } from "../names.ts";
import { amount, counted, table } from "../rows.ts";
import { near } from "../near.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { STATUS } from "../specs/look.ts";

/** Of how many jobs of a task it is told that their attempts cannot be read. */
const UNREAD = 3;

/** Shows the status. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof STATUS.flags>,
  names: readonly string[],
): Promise<number> {
  const pipeline = await context.load();
  for (const name of names) taskOf(pipeline, name, context);
  const status = await (await context.look()).status();
  const tasks = names.length > 0 ? status.tasks.filter(({ name }) => names.includes(name)) : status.tasks;
  const chosen = { ...status, tasks };
  if (flags.json) context.io.out(JSON.stringify(chosen, undefined, 2) + "\n");
  else {
    const width = context.io.terminal.out ? context.io.size().columns : Infinity;
    const lines = statusLines(chosen, context.style, flags.all || names.length > 0, width);
    context.io.out(lines.join("\n") + "\n");
  }
  return 0;
}

/**
 * The status of a pipeline as lines.
 *
 * @param status The status.
 * @param style Styles.
 * @param links Whether repositories are shown.
 * @param width How wide lines may be. Default: no limit.
 * @returns Lines.
 */
export function statusLines(
  status: PipelineStatus,
  style: Style,
  links: boolean,
  width = Infinity,
): string[] {
  const { coordinator } = status;
  const head = coordinator
    ? `${
      style.bold(status.name)
    } is run by process ${coordinator.pid} on ${coordinator.host} since ${coordinator.since}`
    : `${style.bold(status.name)} is not running`;
  if (status.tasks.length === 0) return [head, "It has no tasks."];
  const rows = status.tasks.map((task) => row(task, style));
  const right = (title: string) => ({ title, side: "right" as const });
  const columns = [
    { title: "TASK" },
    ...["WAITING", "READY", "RUNNING", "RETRYING", "DONE", "FAILED", "BLOCKED"].map(right),
  ];
  const counts = table(columns, rows, style);
  const fits = counts.every((line) => widthOf(line) <= width);
  const lines = [head, "", ...(fits ? counts : status.tasks.map((task) => `${task.name}: ${inWords(task)}`))];
  for (const { name, unseen } of status.tasks) {
    if (unseen !== undefined) {
      lines.push("", `${style.yellow("!")} Cannot tell which jobs of ${name} run: ${unseen}`);
    }
  }
  for (const { name, unread } of status.tasks) {
    for (const problem of unread.slice(0, UNREAD)) {
      lines.push("", `${style.yellow("!")} Task ${name}: ${near(problem)}`);
    }
    if (unread.length > UNREAD) lines.push(`  and ${counted(unread.length - UNREAD, "job")} more`);
  }
  if (links) { for (const task of status.tasks) lines.push("", ...linkLines(task, style)); }
  return lines;
}

/** How jobs of a task stand, where there is no room for a table. */
function inWords({ counts }: TaskStatus): string {
  const there = Object.entries(counts).filter(([, count]) => count > 0);
  return there.map(([state, count]) => `${amount(count)} ${state}`).join(", ") || "no jobs";
}

function row(task: TaskStatus, style: Style): string[] {
  const { counts } = task;
  const show = (n: number, paint: (text: string) => string): string =>
    n === 0 ? style.dim("-") : paint(amount(n));
  const plain = (text: string): string => text;
  return [
    task.disabled ? style.dim(`${task.name} (disabled)`) : task.name,
    show(counts.waiting, plain),
    show(counts.ready, style.cyan),
    show(counts.running, style.cyan),
    show(counts.retrying, style.yellow),
    show(counts.done, style.green),
    show(counts.failed, style.red),
    show(counts.blocked, style.red),
  ];
}

const ARROWS = { in: "reads", out: "writes", status: "keeps", gate: "heeds" } as const;

function linkLines(task: TaskStatus, style: Style): string[] {
  const rows = task.links.map((link) => [
    `  ${link.name}`,
    ARROWS[link.direction],
    amount(link.count),
    link.first.length < link.count ? `${link.first.join(", ")}, …` : link.first.join(", "),
    style.dim(near(link.repository)),
  ]);
  const columns = [{ title: `  ${task.name.toUpperCase()}` }, { title: "" }, {
    title: "KEYS",
    side: "right" as const,
  }, {
    title: "FIRST",
  }, { title: "STORE" }];
  const now = Date.now();
  return [
    ...table(columns, rows, style),
    ...task.running.map((job) =>
      `  ${style.cyan("running")} ${job.job}  ${formatDuration(now - job.since)}  ${style.dim(job.where)}${
        job.waiting === undefined ? "" : `  ${style.yellow(printable(job.waiting))}`
      }`
    ),
  ];
}

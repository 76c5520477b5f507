/** `plan`: what a run would start now, and what the rest waits for. @module */
import { formatAmount } from "../../core/quota.ts";
import type { PlanReport } from "../../pipeline/reports.ts";
import type { Style } from "../ansi.ts";
import { checkChoice } from "../names.ts";
import { remaining, sumCounts } from "../progress/view.ts";
import { amount, counted, table } from "../rows.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { PLAN } from "../specs/work.ts";

/** How many jobs a plan shows by name. */
const SHOWN = 20;

/** Shows the plan. */
export async function run(context: Context, flags: FlagsOf<typeof PLAN.flags>): Promise<number> {
  const pipeline = await context.load();
  checkChoice(pipeline, flags, context);
  const report = await (await context.look()).plan({
    ...(flags.task.length > 0 ? { tasks: flags.task } : {}),
    ...(flags.notTask.length > 0 ? { notTasks: flags.notTask } : {}),
  });
  if (flags.json) context.io.out(JSON.stringify(report, undefined, 2) + "\n");
  else context.io.out(planLines(report, context.style).join("\n") + "\n");
  return 0;
}

/**
 * A plan as lines.
 *
 * @param report The plan.
 * @param style Styles.
 * @returns Lines.
 */
function planLines(report: PlanReport, style: Style): string[] {
  const all = sumCounts(Object.values(report.tasks));
  if (report.ready === 0 && report.start.length === 0) {
    return [
      [`Nothing would start: ${counted(all.done, "job")} done`, `${amount(all.failed)} failed`]
        .concat(all.blocked > 0 ? [`${amount(all.blocked)} blocked`] : [])
        .concat(remaining(all) > 0 ? [`${amount(remaining(all))} waiting`] : []).join(", "),
    ];
  }
  const lines = [style.bold(`${counted(report.start.length, "job")} would start now`)];
  if (report.start.length > 0) {
    const rows = report.start.slice(0, SHOWN).map((job) => [
      `  ${job.task}`,
      job.job,
      job.attempt > 1 ? `attempt ${job.attempt}` : job.replica > 0 ? `replica ${job.replica}` : "",
      job.priority === 0 ? "" : `priority ${job.priority}`,
    ]);
    lines.push(...table([{ title: "  TASK" }, { title: "JOB" }, { title: "" }, { title: "" }], rows, style));
    if (report.start.length > SHOWN) lines.push(`  … and ${amount(report.start.length - SHOWN)} more`);
  }
  lines.push(...waitLines(report, style));
  const downstream = Object.entries(report.downstream).filter(([, n]) => n > 0);
  if (downstream.length > 0) {
    lines.push("", style.bold("If they succeed, these become ready"));
    for (const [task, n] of downstream) lines.push(`  ${task}  ${counted(n, "job")}`);
  }
  return lines;
}

/** What holds up the ready jobs that would not start: the plan names the first of each. */
function waitLines(report: PlanReport, style: Style): string[] {
  const held = report.ready - report.start.length;
  if (held <= 0 && report.wait.length === 0) return [];
  const groups = Map.groupBy(
    report.wait,
    ({ task, for: reason, needs, of }) =>
      `  ${task}  waits for ${WAITS[reason] ?? reason}${
        needs === undefined || of === undefined
          ? ""
          : `: it needs ${formatAmount(reason, needs)} of ${formatAmount(reason, of)}`
      }`,
  );
  return [
    "",
    style.bold(
      `${counted(Math.max(held, report.wait.length), "job")} more ${
        held === 1 ? "is" : "are"
      } ready and would wait`,
    ),
    ...[...groups].map(([text, waits]) => `${text}${style.dim(`, next ${waits[0]!.job}`)}`),
  ];
}

const WAITS: Readonly<Record<string, string>> = {
  concurrency: "a place: as many jobs run as the task allows at once",
  rate: "its turn: as many jobs have begun as the task allows in its period",
};

/** `plan`: what a run would start now, and what the rest waits for. @module */
import type { PlanReport } from "../../pipeline/reports.ts";
import type { Style } from "../ansi.ts";
import { taskOf } from "../names.ts";
import { remaining, sumCounts } from "../progress/view.ts";
import { amount, counted, table } from "../rows.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { PLAN } from "../specs/work.ts";

/** How many jobs a plan shows by name. */
const SHOWN = 20;

/** Shows the plan. */
export async function run(context: Context, flags: FlagsOf<typeof PLAN.flags>): Promise<number> {
  const pipeline = await context.load();
  for (const name of [...flags.task, ...flags.notTask]) taskOf(pipeline, name, context);
  const report = await (await context.open()).plan({
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
export function planLines(report: PlanReport, style: Style): string[] {
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

/** Jobs that wait for the same thing are told together. */
function waitLines(report: PlanReport, style: Style): string[] {
  if (report.wait.length === 0) return [];
  const groups = new Map<
    string,
    { readonly task: string; readonly reason: string; readonly jobs: string[] }
  >();
  for (const { task, job, for: reason } of report.wait) {
    const id = `${task}\0${reason}`;
    if (!groups.has(id)) groups.set(id, { task, reason, jobs: [] });
    groups.get(id)!.jobs.push(job);
  }
  return [
    "",
    style.bold(`${counted(report.wait.length, "job")} would be ready, but wait`),
    ...[...groups.values()].map(({ task, reason, jobs }) =>
      `  ${task}  ${jobs.slice(0, 3).join(", ")}${
        jobs.length > 3 ? ` and ${amount(jobs.length - 3)} more` : ""
      }: ${reason}`
    ),
  ];
}

/** `trace`: where jobs are to be found. @module */
import type { Trace } from "../../pipeline/reports.ts";
import type { Style } from "../ansi.ts";
import { keyOf, similarKeys } from "../names.ts";
import { outcomeText } from "../outcome_text.ts";
import { near } from "../near.ts";
import { runnable } from "../runnable.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { TRACE } from "../specs/look.ts";
import { UsageError } from "../../core/errors.ts";
import { stateText } from "./why.ts";

/** Traces jobs. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof TRACE.flags>,
  jobs: readonly string[],
): Promise<number> {
  jobs.forEach((job) => keyOf(job));
  const pipeline = await context.look();
  const traces: Trace[] = [];
  for (const job of jobs) {
    const trace = await pipeline.trace(job);
    const known = trace.tasks.some((task) =>
      task.state !== "unknown" || task.links.some((link) => link.present)
    );
    if (!known) {
      const meant = await similarKeys(job, pipeline.repositories().values());
      throw new UsageError(
        `No task knows a job "${job}"${meant || ";"} ${
          meant ? "See" : "see"
        } what there is with "${context.program} status --all${context.repeat}"`,
      );
    }
    traces.push(trace);
  }
  if (flags.json) context.io.out(JSON.stringify(traces, undefined, 2) + "\n");
  else {
    const texts = traces.map((trace) => traceLines(trace, context.style).join("\n"));
    context.io.out(runnable(texts.join("\n\n"), context) + "\n");
  }
  return 0;
}

/**
 * A trace as lines.
 *
 * @param trace The trace.
 * @param style Styles.
 * @returns Lines.
 */
function traceLines(trace: Trace, style: Style): string[] {
  const lines = [style.bold(trace.job)];
  for (const task of trace.tasks) {
    const outcome = task.outcome ? `  ${style.dim(outcomeText(task.outcome))}` : "";
    lines.push(`  ${task.name}  ${stateText(task.state, style)}${outcome}`);
    if (task.problem !== undefined) lines.push(`    ${style.yellow("!")} ${near(task.problem)}`);
    for (const link of task.links) {
      const mark = link.present ? style.green("✓") : style.dim("·");
      const arrow = { in: "→", out: "←", status: " ", gate: "?" }[link.direction];
      const key = link.key !== undefined && link.key !== trace.job ? ` as ${link.key}` : "";
      lines.push(`    ${mark} ${arrow} ${link.name}${key}  ${style.dim(near(link.repository))}`);
    }
  }
  return lines;
}

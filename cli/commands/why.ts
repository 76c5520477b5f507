/** `why`: why a job, or the jobs of a task, are in the state they are in. @module */
import { formatDuration } from "../../core/duration.ts";
import type { Condition, Explanation, JobState, TaskExplanation } from "../../pipeline/reports.ts";
import type { Style } from "../ansi.ts";
import { keyOf, taskOf, unknownJob } from "../names.ts";
import { runnable } from "../runnable.ts";
import { outcomeText } from "../outcome_text.ts";
import { amount, counted } from "../rows.ts";
import { near } from "../near.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { WHY } from "../specs/look.ts";

/** Explains. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof WHY.flags>,
  [name, job]: readonly string[],
): Promise<number> {
  const task = taskOf(await context.load(), name!, context);
  if (job !== undefined) keyOf(job);
  const pipeline = await context.look();
  const explanation = job === undefined
    ? await pipeline.whyTask(task.name)
    : await pipeline.why(task.name, job);
  if ("state" in explanation && explanation.state === "unknown") throw await unknownJob(task, job!, context);
  if (flags.json) context.io.out(JSON.stringify(explanation, undefined, 2) + "\n");
  else {
    const lines = "state" in explanation
      ? jobLines(explanation, context.style, Date.now())
      : whyTaskLines(explanation, context.style);
    context.io.out(runnable(lines.join("\n"), context) + "\n");
  }
  return 0;
}

/** What goes between a job and its state. */
function isOrHas(state: JobState): string {
  return state === "failed" ? "has" : "is";
}

/** How a state looks. */
export function stateText(state: JobState, style: Style): string {
  if (state === "done") return style.green(state);
  if (state === "failed" || state === "blocked") return style.red(state);
  if (state === "retrying") return style.yellow(state);
  return state === "running" || state === "ready" ? style.cyan(state) : state;
}

function conditionLines(condition: Condition, style: Style): string[] {
  const mark = { met: style.green("✓"), unmet: style.yellow("…"), never: style.red("✗") }[condition.state];
  return [
    `  ${mark} ${near(condition.text)}`,
    ...(condition.advice ? [`    ${style.dim(near(condition.advice))}`] : []),
  ];
}

/**
 * An explanation of a job as lines.
 *
 * @param explanation The explanation.
 * @param style Styles.
 * @param now The time, in milliseconds since 1970.
 * @returns Lines.
 */
function jobLines(explanation: Explanation, style: Style, now: number): string[] {
  const lines = [
    `${style.bold(`${explanation.task}/${explanation.job}`)} ${isOrHas(explanation.state)} ${
      stateText(explanation.state, style)
    }`,
    near(explanation.text),
    ...explanation.problems.map((problem) => `${style.yellow("!")} ${near(problem)}`),
  ];
  if (explanation.conditions.length > 0) {
    lines.push("", style.dim("What must hold before it starts"));
    for (const condition of explanation.conditions) lines.push(...conditionLines(condition, style));
  }
  const attempts = [...explanation.attempts, ...(explanation.outcome?.earlier ?? [])];
  const all = explanation.outcome ? [...attempts, explanation.outcome] : attempts;
  if (all.length > 0) {
    lines.push("", style.dim("Attempts"));
    for (const outcome of all) {
      lines.push(
        `  ${outcome.attempt}  ${outcome.start}  ${formatDuration(outcome.seconds * 1000)}  ${
          outcomeText(outcome)
        }`,
      );
    }
  }
  if (explanation.retryAt !== undefined) {
    lines.push("", `It is tried again in ${formatDuration(Math.max(0, explanation.retryAt - now))}.`);
  }
  return lines;
}

/**
 * An explanation of a task as lines.
 *
 * @param explanation The explanation.
 * @param style Styles.
 * @returns Lines.
 */
function whyTaskLines(explanation: TaskExplanation, style: Style): string[] {
  const { counts } = explanation;
  const standing = Object.entries(counts).filter(([, n]) => n > 0).map(([state, n]) =>
    `${amount(n)} ${stateText(state as JobState, style)}`
  );
  const lines = [`${style.bold(explanation.task)}: ${standing.join(", ") || "no jobs"}`];
  if (explanation.conditions.length > 0) {
    lines.push("", style.dim("What must hold before a job starts"));
    for (const condition of explanation.conditions) {
      lines.push(`  ${near(condition.text)}  ${style.dim(`(${counted(condition.count, "key")})`)}`);
      if (condition.missing.length > 0) {
        const heading = condition.gate === "absent" ? "held up" : "missing";
        lines.push(`    ${style.yellow(`${heading}: ${condition.missing.slice(0, 5).join(", ")}`)}`);
      }
    }
  }
  if (explanation.examples.length > 0) {
    lines.push("", style.dim("For example"));
    for (const { job, state, text } of explanation.examples) {
      const stands = state === "failed" ? "" : `is ${stateText(state, style)}: `;
      lines.push(`  ${job} ${stands}${near(text)}`);
    }
  }
  return lines;
}

/** `doctor`: looks for what could go wrong. @module */
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { Check } from "../doctor/check.ts";
import { checkClock, checkDeno, checkPermissions } from "../doctor/machine.ts";
import { checkCoordinator, checkLeftovers, checkState } from "../doctor/state.ts";
import { checkOutcomes } from "../doctor/outcomes.ts";
import { checkRepositories } from "../doctor/stores.ts";
import { describeError } from "../../core/errors.ts";
import { counted } from "../rows.ts";
import { runnable } from "../runnable.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { DOCTOR } from "../specs/data.ts";

/** Looks at everything. */
export async function run(context: Context, flags: FlagsOf<typeof DOCTOR.flags>): Promise<number> {
  const checks: Check[] = [];
  const add = (found: readonly Check[]): void => {
    checks.push(...found);
    if (!flags.json) { for (const check of found) context.io.out(line(check, context)); }
  };
  add([checkDeno()]);
  const pipeline = await context.load();
  add([{ name: "pipeline", state: "ok", text: `${pipeline.name}, ${counted(pipeline.tasks.size, "task")}` }]);
  add(await checkPermissions(pipeline));
  const opened = await tryOpen(context);
  add([opened]);
  if (opened.state === "ok") {
    add(await checkRepositories(pipeline));
    add(await checkOutcomes(pipeline));
    add([await checkState(pipeline), await checkCoordinator(pipeline), await checkClock(pipeline)]);
    add(await checkLeftovers(pipeline));
  }
  if (flags.json) context.io.out(JSON.stringify(checks, undefined, 2) + "\n");
  const failed = checks.filter(({ state }) => state === "fail").length;
  const warned = checks.filter(({ state }) => state === "warn").length;
  if (!flags.json) {
    context.io.out(failed + warned === 0 ? "\nAll is well\n" : `\n${failed} to mend, ${warned} to look at\n`);
  }
  return failed > 0 ? 1 : 0;
}

async function tryOpen(context: Context): Promise<Check> {
  try {
    const pipeline: Pipeline = await context.open();
    const { resourceNames } = pipeline.session;
    const text = resourceNames.length > 0
      ? `open: ${resourceNames.join(", ")}`
      : "open; no resources are declared";
    return { name: "session", state: "ok", text };
  } catch (error) {
    return {
      name: "session",
      state: "fail",
      text: describeError(error),
      advice: "mend this first: nothing else can be looked at before the pipeline opens",
    };
  }
}

function line(check: Check, context: Context): string {
  const { style } = context;
  const mark = { ok: style.green("ok  "), warn: style.yellow("warn"), fail: style.red("FAIL") }[check.state];
  return runnable(
    `${mark}  ${style.bold(check.name)}: ${check.text}\n${check.advice ? `      ${check.advice}\n` : ""}`,
    context,
  );
}

/** `run`: runs what is ready, with live progress. @module */
import { DatataskError, describeError, isDatataskError, UsageError } from "../../core/errors.ts";
import type { Run } from "../../pipeline/run.ts";
import { EXIT } from "../fail.ts";
import { onInterrupt } from "../interrupt.ts";
import { checkChoice } from "../names.ts";
import { stoppingText } from "../progress/model.ts";
import { displayFor, heard } from "../progress/display.ts";
import { runExitCode } from "../progress/summary.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { RUN } from "../specs/work.ts";
import { onStrays } from "../strays.ts";

type Flags = FlagsOf<typeof RUN.flags>;

/** Runs the pipeline. */
export async function run(context: Context, flags: Flags): Promise<number> {
  checkFlags(flags);
  const pipeline = await context.load();
  checkChoice(pipeline, flags, context);
  if (flags.dryRun) {
    const plan = await import("./plan.ts");
    return await plan.run(context, { ...flags, json: flags.json });
  }
  await context.open();
  const going = pipeline.run({
    ...(flags.task.length > 0 ? { tasks: flags.task } : {}),
    ...(flags.notTask.length > 0 ? { notTasks: flags.notTask } : {}),
    once: flags.once,
    forever: flags.forever || flags.watch,
    failFast: flags.failFast,
    whenHeld: flags.wait ? "wait" : "fail",
  });
  try {
    return await follow(going, context, flags);
  } catch (error) {
    if (!isDatataskError(error, "lease-held")) throw error;
    throw new DatataskError("lease-held", `${describeError(error)}; run --wait waits for it`, {
      cause: error,
    });
  }
}

function checkFlags(flags: Flags): void {
  if (flags.once && (flags.forever || flags.watch)) {
    throw new UsageError("run takes --once or --forever, and not both; leave one of them out");
  }
  if (flags.json && flags.progress === "auto") {
    throw new UsageError("run takes --json or --progress, and not both; leave one of them out");
  }
}

async function follow(going: Run, context: Context, flags: Flags): Promise<number> {
  going.finished.catch(() => {});
  let unread = false;
  const io = heard(context.io, () => {
    unread = true;
    going.stop("stop");
  });
  const display = displayFor(going, { ...context, io }, flags);
  using strays = onStrays((text) => display.say(text));
  using interrupts = onInterrupt((code, times, signal) => {
    if (times > 2 || (signal === "SIGTERM" && times > 1)) {
      strays[Symbol.dispose]();
      display.close();
      Deno.exit(code);
    }
    const how = signal === "SIGTERM" || times === 2 ? "stop" : "drain";
    going.stop(how);
    display.say(stoppingText(how, going.running().length));
  });
  try {
    for await (const event of going) display.apply(event);
    const summary = await going.finished;
    display.end(summary);
    if (unread) return EXIT.pipeClosed;
    const code = runExitCode(summary, interrupts.code);
    return code === EXIT.ok && strays.count > 0 ? EXIT.failed : code;
  } finally {
    display.close();
  }
}

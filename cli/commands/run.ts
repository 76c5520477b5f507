/** `run`: runs what is ready, with live progress. @module */
import { DatataskError, describeError, isDatataskError, UsageError } from "../../core/errors.ts";
import type { PipelineEvent, RunSummary } from "../../pipeline/events.ts";
import type { Run } from "../../pipeline/run.ts";
import { onInterrupt } from "../interrupt.ts";
import { taskOf } from "../names.ts";
import { stoppingText } from "../progress/model.ts";
import { jsonLine } from "../progress/json.ts";
import { LiveProgress } from "../progress/live.ts";
import { PlainProgress } from "../progress/plain.ts";
import { runExitCode, summaryLines } from "../progress/summary.ts";
import { quote } from "../program.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { RUN } from "../specs/work.ts";

type Flags = FlagsOf<typeof RUN.flags>;

/** What shows the progress of a run. */
interface Display {
  /** Takes an event in. */
  apply(event: PipelineEvent): void;
  /** Says something to the person at the terminal. */
  say(text: string): void;
  /** The last words. */
  end(summary: RunSummary): void;
  /** Ends it in any case. */
  close(): void;
}

/** Runs the pipeline. */
export async function run(context: Context, flags: Flags): Promise<number> {
  checkFlags(flags);
  const pipeline = await context.load();
  for (const name of [...flags.task, ...flags.notTask]) taskOf(pipeline, name, context);
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
    const text = describeError(error);
    throw /--wait/.test(text)
      ? error
      : new DatataskError("lease-held", `${text}; or add --wait`, { cause: error });
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
  const display = displayFor(going, context, flags);
  using interrupts = onInterrupt((code, times, signal) => {
    if (times > 2 || (signal === "SIGTERM" && times > 1)) {
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
    return runExitCode(summary, interrupts.code);
  } finally {
    display.close();
  }
}

function displayFor(going: Run, context: Context, flags: Flags): Display {
  const { io, style } = context;
  const next = {
    retry: `${context.program} retry${context.repeat} --failed`,
    why: (task: string) => `${context.program} why${context.repeat} ${task}`,
  };
  const logsCommand = (task: string, job: string): string =>
    `${context.program} logs${context.repeat} ${quote(task)} ${quote(job)}`;
  const end = (summary: RunSummary): void => io.out(summaryLines(summary, next).join("\n") + "\n");
  const toErr = (text: string): void => io.err(`${text}\n`);
  if (flags.json) {
    return { apply: (event) => io.out(jsonLine(event)), say: toErr, end: () => {}, close: () => {} };
  }
  if (flags.progress === "none") return { apply: () => {}, say: toErr, end, close: () => {} };
  if (io.terminal.out && !flags.quiet && flags.progress !== "plain") {
    const live = new LiveProgress({ io, style, counts: () => going.counts(), logsCommand });
    return {
      apply: (event) => live.apply(event),
      say: (text) => live.say(text),
      end(summary) {
        live.finish(summary.tasks);
        end(summary);
      },
      close: () => live.close(),
    };
  }
  const plain = new PlainProgress({ write: (line) => io.out(`${line}\n`), quiet: flags.quiet, logsCommand });
  const timer = setInterval(() => plain.tick(Date.now()), 1000);
  return {
    apply: (event) => plain.apply(event),
    say: toErr,
    end(summary) {
      plain.flush(Date.now());
      end(summary);
    },
    close: () => clearInterval(timer),
  };
}

/** `retry`: forgets failures, so that jobs are tried again. @module */
import { UsageError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";
import { keyOf, taskOf, unknownJob } from "../names.ts";
import { counted } from "../rows.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { RETRY } from "../specs/work.ts";

/** Forgets failures. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof RETRY.flags>,
  args: readonly string[],
): Promise<number> {
  const loaded = await context.load();
  const names = flags.failed ? (args.length > 0 ? args : [...loaded.tasks.keys()]) : args.slice(0, 1);
  const jobs = flags.failed ? [] : args.slice(1).map((job) => keyOf(job));
  for (const name of names) taskOf(loaded, name, context);
  if (!flags.failed && jobs.length === 0) {
    throw new UsageError(
      `retry needs a TASK and its jobs, or --failed; write "${context.program} retry${context.repeat} --failed${
        names.map((name) => ` ${name}`).join("")
      }" for all failed jobs`,
    );
  }
  const pipeline = await context.open();
  const forgotten: { task: string; job: Key }[] = [];
  for (const task of names) {
    for (const job of await pipeline.retry(task, flags.failed ? "failed" : jobs)) {
      forgotten.push({ task, job });
    }
  }
  const missing = jobs.filter((job) => !forgotten.some((one) => one.job === job));
  if (flags.json) context.io.out(JSON.stringify(forgotten, undefined, 2) + "\n");
  else if (forgotten.length === 0 && missing.length === 0) {
    context.io.out("No job has failed; there is nothing to retry\n");
  } else if (forgotten.length > 0) {
    context.io.out(
      `${
        counted(forgotten.length, "job")
      } will be tried again by the next run, or by the one that goes on now\n`,
    );
  }
  if (missing.length > 0) throw await notFailed(pipeline, names[0]!, missing, context);
  return 0;
}

async function notFailed(
  pipeline: Pipeline,
  name: string,
  missing: readonly Key[],
  context: Context,
): Promise<UsageError> {
  const [first] = missing;
  const task = pipeline.tasks.get(name)!;
  const { state } = await pipeline.why(name, first!);
  if (state === "unknown") return await unknownJob(task, first!, context);
  const jobs = missing.map((job) => `"${job}"`).join(", ");
  return new UsageError(
    `Cannot retry ${jobs} of task ${name}: ${
      missing.length === 1 ? `it has not failed, it is ${state}` : "they have not failed"
    }; see "${context.program} why${context.repeat} ${name} ${first}"`,
  );
}

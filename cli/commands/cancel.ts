/** `cancel`: stops a running job. @module */
import { UsageError } from "../../core/errors.ts";
import { keyOf, taskOf } from "../names.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { CANCEL } from "../specs/work.ts";

/** Stops a job. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof CANCEL.flags>,
  [name, job]: readonly string[],
): Promise<number> {
  const task = taskOf(await context.load(), name!, context);
  keyOf(job!);
  const cancelled = await (await context.open()).cancel(task.name, job!);
  if (flags.json) context.io.out(JSON.stringify({ task: task.name, job, cancelled }) + "\n");
  if (!cancelled) {
    throw new UsageError(
      `Cannot cancel job "${job}" of task ${task.name}: it is not running; see "${context.program} why${context.repeat} ${task.name} ${job}"`,
    );
  }
  if (!flags.json) context.io.out(`Cancelled ${task.name}/${job}\n`);
  return 0;
}

/** `launch`: runs one job now. @module */
import { keyOf, taskOf } from "../names.ts";
import { outcomeText } from "../outcome_text.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { LAUNCH } from "../specs/work.ts";
import { onInterrupt } from "../interrupt.ts";

/** Runs one job. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof LAUNCH.flags>,
  [name, job]: readonly string[],
): Promise<number> {
  const task = taskOf(await context.load(), name!, context);
  keyOf(job!);
  const pipeline = await context.open();
  const controller = new AbortController();
  using interrupts = onInterrupt((code, times) => {
    if (times > 1) Deno.exit(code);
    context.io.err(`Stopping ${task.name}/${job} politely. Ctrl-C again to leave at once.\n`);
    controller.abort(new DOMException("Interrupted", "AbortError"));
  });
  try {
    const outcome = await pipeline.launch(task.name, job!, { force: flags.force, signal: controller.signal });
    if (flags.json) context.io.out(JSON.stringify(outcome, undefined, 2) + "\n");
    else context.io.out(`${task.name}/${job} ${outcome.success ? "" : "failed: "}${outcomeText(outcome)}\n`);
    if (!outcome.success && !flags.json) {
      context.io.err(`See its log:  ${context.program} logs${context.repeat} ${task.name} ${job}\n`);
    }
    return outcome.success ? 0 : 1;
  } catch (error) {
    if (interrupts.code === undefined) throw error;
    return interrupts.code;
  }
}

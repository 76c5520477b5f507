/** `logs`: what a job has written. @module */
import type { Bytes } from "../../core/bytes.ts";
import { NotFoundError } from "../../core/errors.ts";
import { keyOf, taskOf, unknownJob } from "../names.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { LOGS } from "../specs/look.ts";

/** Prints a log. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof LOGS.flags>,
  [name, job]: readonly string[],
): Promise<number> {
  const task = taskOf(await context.load(), name!, context);
  keyOf(job!);
  const pipeline = await context.look();
  const log = await pipeline.logs(task.name, job!, {
    follow: flags.follow,
    ...(flags.attempt === undefined ? {} : { attempt: flags.attempt }),
  });
  if (log) {
    if (!flags.json) { for await (const chunk of log) context.io.bytes(chunk); }
    else {
      for await (const line of linesOf(log)) {
        context.io.out(`${JSON.stringify({ task: task.name, job, line })}\n`);
      }
    }
    return 0;
  }
  const { state } = await pipeline.why(task.name, job!);
  if (state === "unknown") throw await unknownJob(task, job!, context);
  const attempt = flags.attempt === undefined ? "" : `attempt ${flags.attempt} of `;
  throw new NotFoundError(
    `There is no log for ${attempt}job "${job}" of task ${task.name}: it is ${state}${
      flags.attempt !== undefined
        ? ""
        : state === "done" || state === "failed"
        ? " and has written nothing"
        : state === "running"
        ? ", and whoever runs it does not answer; what a function logs is kept when it has ended"
        : ""
    }; see "${context.program} why${context.repeat} ${task.name} ${job}"`,
  );
}

/** The lines of a log, as they come. */
async function* linesOf(log: ReadableStream<Bytes>): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const text of log.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}

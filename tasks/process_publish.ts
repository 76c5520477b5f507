/**
 * Publishing what a script has made, and keeping what it has said.
 *
 * @module
 */
import { type Bytes, encodeText } from "../core/bytes.ts";
import { isDatataskError } from "../core/errors.ts";
import { LastWords } from "./last_words.ts";
import type { Attempt } from "../core/attempt.ts";
import type { Executor } from "../executors/executor.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import { Delivery, type NotedOutput } from "./process_delivery.ts";
import type { Slot } from "./process_links.ts";
import type { Ending, RunContext } from "./runner.ts";

/** A run whose outputs are to be published. */
export interface Publication {
  readonly attempt: Attempt;
  readonly context: RunContext;
  /** The values of the job. */
  readonly slots: readonly Slot[];
  /** Where the script has put them. */
  readonly outputs: readonly NotedOutput[];
  readonly delivery: Delivery;
  readonly executor: Executor;
  /** Whether a value is a standard stream. */
  readonly isStream: (slot: Slot) => boolean;
}

type Verdict = Pick<Ending, "reason" | "error">;

const missing = (message: string): Verdict => ({
  reason: "missing-output",
  error: { name: "MissingOutput", message },
});

/**
 * Publishes the outputs of a run that has succeeded: none of them unless all that are expected are there. Doing it again, in
 * whole or from where another was killed, comes to the same.
 *
 * @param run Which run.
 * @returns Whether all is published, or what is missing.
 */
export async function publishOutputs(run: Publication): Promise<Verdict> {
  const { attempt, context, slots, outputs, delivery } = run;
  const noted = new Map(outputs.map((output) => [output.name, output]));
  const ready: (readonly [Slot, NotedOutput])[] = [];
  for (const slot of slots) {
    const output = noted.get(slot.name);
    if (output === undefined) continue;
    const made = delivery.made(attempt, slot, output);
    if (made === "made") ready.push([slot, output]);
    if (made === "taken") context.published(slot.repository, output.key);
    if (made === "missing" && slot.expected) {
      return missing(Delivery.missing(attempt, output, slot.repository.name));
    }
  }
  for (const slot of slots) {
    if (slot.bound || run.isStream(slot) || !slot.expected) continue;
    if (!await slot.repository.has(slot.key)) {
      return missing(
        `The script has ended well, but "${slot.key}" is not in ${slot.repository.name} (link ${slot.name}); write it, or mark the link { required: false }`,
      );
    }
    context.published(slot.repository, slot.key);
  }
  if (ready.some(([, { staged }]) => staged)) delivery.decide(attempt);
  try {
    for (const [slot, output] of ready) {
      await delivery.publish(slot, output);
      context.published(slot.repository, output.key);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "invalid-value") throw error;
    return { reason: "failed", error: { name: "BadOutput", message: (error as Error).message } };
  }
  // Those that were brought as files are published by now.
  for (const slot of slots.filter((slot) => run.isStream(slot) && !noted.has(slot.name))) {
    const stream = await run.executor.logs(attempt, { stream: slot.name as "stdout" | "stderr" });
    await (slot.repository as BlobRepository).put(slot.key, stream);
    context.published(slot.repository, slot.key);
  }
  return { reason: "succeeded" };
}

/** What says where the standard streams of a task go. */
export interface Streams {
  readonly executor: Executor;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly mergeStderr: boolean;
}

/**
 * Puts what a script has said where logs go: all of it when it has failed, and when it has succeeded what is published nowhere else.
 *
 * @param streams Where the streams of the task go.
 * @param attempt Which run.
 * @param context Where logs go.
 * @param succeeded Whether the streams were published.
 * @returns The last line that a run that has failed has written; empty when there is none.
 */
export async function collectLogs(
  streams: Streams,
  attempt: Attempt,
  context: RunContext,
  succeeded: boolean,
): Promise<string> {
  if (!context.logs || attempt.replica > 0) return "";
  const { executor, stdout, stderr, mergeStderr } = streams;
  const wanted: ("stdout" | "stderr")[] = [];
  if (!(succeeded && stdout)) wanted.push("stdout");
  if (!mergeStderr && !(succeeded && stderr)) wanted.push("stderr");
  if (wanted.length === 0) return "";
  if (succeeded && wanted.length === 1) {
    const log = await executor.logs(attempt, { stream: wanted[0]! });
    await context.logs.put(attempt.job, executor.textLogs ? noting(log) : log);
    return "";
  }
  const lastWords = new LastWords();
  const copy = async (): Promise<void> => {
    for (const stream of wanted) {
      const log = await executor.logs(attempt, { stream });
      await log.pipeTo(lastWords.writable, { preventClose: true, preventAbort: true })
        .catch((error) => lastWords.note(lossOf(error)));
    }
    await lastWords.writable.close();
  };
  await Promise.all([
    context.logs.put(attempt.job, lastWords.readable),
    copy().catch((error) => lastWords.writable.abort(error).catch(() => {})),
  ]);
  return lastWords.line;
}

/** A log of which a part may be gone: what there is is kept, and its last line says so. */
function noting(log: ReadableStream<Bytes>): ReadableStream<Bytes> {
  const reader = log.getReader();
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        const { value, done } = await reader.read();
        if (!done) return controller.enqueue(value);
      } catch (error) {
        controller.enqueue(lossOf(error));
      }
      controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** What is to be said in a log of which a part is gone. Other trouble is thrown on. */
function lossOf(error: unknown): Bytes {
  if (!isDatataskError(error, "lost")) throw error;
  return encodeText(`\ndatatask: ${error.message}\n`);
}

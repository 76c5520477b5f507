/**
 * Large values that an executor copies from and to the place of a worker, while the worker waits: to a file that it names, or from one.
 *
 * A request takes a while at the most, so that nobody on the way takes it for dead; the worker asks again for the rest.
 *
 * @module
 */
import { type Bytes, streamOf } from "../core/bytes.ts";
import { describeError } from "../core/errors.ts";
import type { Grant } from "../tasks/agent.ts";
import type { Exchange } from "./exchange.ts";
import type { Range } from "./ranges.ts";
import { Refusal } from "./refusal.ts";
import type { Representation } from "./values.ts";

/** How long a request copies, in milliseconds: the first of a value, after which its worker knows the version that it has, and the others. */
const FIRST_MS = 1000;
const TURN_MS = 10_000;

/** The longest path, in bytes. */
const LONGEST = 1000;

/**
 * The file that a worker names to have a value copied to it, or from it.
 *
 * @param exchange The request.
 * @returns Its path below the folder of the values of the attempt; nothing when it names none.
 * @throws {Refusal} When it could be anything else.
 */
export function fileIn(exchange: Exchange): string | undefined {
  const path = exchange.header("x-datatask-file");
  if (path === undefined) return undefined;
  const plain = path.length <= LONGEST &&
    path.split("/").every((part) => /^[A-Za-z0-9._-]+$/.test(part) && part !== "." && part !== "..");
  if (plain) return path;
  throw new Refusal(
    400,
    "The request is refused: X-Datatask-File is no path below the folder of the values, of letters, digits and ._-",
  );
}

/**
 * Copies a value, or the rest of one, to a file of its worker, when that is worth while and can be done; and answers.
 *
 * @param exchange The request.
 * @param grant What its attempt may do.
 * @param file The file; nothing when the worker names none.
 * @param value The value.
 * @param range What of it is wanted: to its end.
 * @returns Whether it has answered; otherwise nothing has happened.
 */
export async function copyTo(
  exchange: Exchange,
  { attempt, runFiles }: Grant,
  file: string | undefined,
  value: Representation,
  { start, end }: Range,
): Promise<boolean> {
  const { tag } = value;
  if (!runFiles || file === undefined || exchange.request.method !== "GET") return false;
  // Without a version the rest cannot be asked for; and who has no ranges would read all of it again for each.
  if (tag === undefined || !value.ranges || end !== value.size || end < runFiles.least) return false;
  const { signal } = exchange;
  let at = start;
  let fault: { readonly error: unknown } | undefined;
  const content = streamOf(async function* (left) {
    const late = performance.now() + (start === 0 ? FIRST_MS : TURN_MS);
    try {
      for await (const chunk of await value.open(left, { start, end })) {
        signal.throwIfAborted();
        at += chunk.length;
        exchange.copied("down", chunk.length);
        yield chunk;
        if (performance.now() > late) return;
      }
    } catch (error) {
      // Who writes may have left before the end: that is no fault of the value.
      if (!left.aborted) fault = { error };
      throw error;
    }
  }, signal);
  try {
    await runFiles.write(attempt, file, content, { start, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (fault) throw fault.error;
    if (at === start) return false;
    throw notCopied(error);
  }
  exchange.text(at === end ? 201 : 202, "", { ETag: tag, "X-Datatask-Placed": String(at) });
  return true;
}

/**
 * Copies an output, or a part of the rest of one, from a file of its worker.
 *
 * @param exchange The request.
 * @param grant What its attempt may do.
 * @param file The file.
 * @param range The rest.
 * @returns The bytes; they may end before the rest does.
 */
export async function* copyFrom(
  exchange: Exchange,
  { attempt, runFiles }: Grant,
  file: string,
  { start, end }: { readonly start: number; readonly end: number | undefined },
): AsyncGenerator<Bytes, void, void> {
  const { signal } = exchange;
  if (!runFiles || end === undefined) throw notCopied(new Error("nobody copies files of this attempt"));
  const late = performance.now() + TURN_MS;
  try {
    for await (const chunk of runFiles.read(attempt, file, { start, end, signal })) {
      signal.throwIfAborted();
      exchange.copied("up", chunk.length);
      yield chunk;
      if (performance.now() > late) return;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw notCopied(error);
  }
}

/** To the worker: send or take it by yourself. */
function notCopied(error: unknown): Refusal {
  return new Refusal(502, `The file of the worker cannot be copied: ${describeError(error)}`);
}

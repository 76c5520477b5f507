/**
 * What a function logs while it runs, for other processes: asked of the coordinator, and followed to its end.
 *
 * @module
 */
import type { BlobRepository } from "../repositories/blob.ts";
import { type Bytes, decodeText, encodeText, readAll, streamOf } from "../core/bytes.ts";
import { sleep, systemClock } from "../core/clock.ts";
import type { Key } from "../core/key.ts";
import { ask } from "./requests.ts";

/** How long a coordinator may take to answer, and how long between two questions, in milliseconds. */
const ANSWER_MS = 2000;
const PAUSE_MS = 200;

/** A part of the log of an attempt that runs. */
export interface LogPart {
  /** Which attempt. */
  readonly attempt: number;
  /** The lines from the one that was asked for. */
  readonly lines: readonly string[];
  /** The number of the line after these, counted from 0. */
  readonly next: number;
  /** Whether there are more already. */
  readonly more: boolean;
}

/** Whose log. */
export interface LiveLogInit {
  /** Where requests go. */
  readonly requests: string;
  readonly task: string;
  readonly job: Key;
  /** Which attempt. Default: the one that runs. */
  readonly attempt?: number | undefined;
  /** Whether to go on until it has ended. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** Whether the coordinator is still there. */
  readonly runs: () => Promise<boolean>;
  /** Where logs are kept when an attempt has ended. */
  readonly logs: BlobRepository | undefined;
}

/**
 * The log of an attempt that runs.
 *
 * @param init Whose.
 * @returns The log; nothing when the coordinator runs no such attempt, or does not answer.
 */
export async function liveLog(init: LiveLogInit): Promise<ReadableStream<Bytes> | undefined> {
  const first = await part(init, 0, init.attempt);
  return first ? streamOf((signal) => parts({ ...init, signal }, first), init.signal) : undefined;
}

function part(
  { requests, task, job }: LiveLogInit,
  from: number,
  attempt: number | undefined,
): Promise<LogPart | false | undefined> {
  return ask(
    requests,
    { do: "log", task, job, from, ...(attempt === undefined ? {} : { attempt }) },
    ANSWER_MS,
  );
}

async function* parts(init: LiveLogInit, first: LogPart): AsyncGenerator<Bytes, void, void> {
  const { attempt } = first;
  let said: LogPart | false = first;
  let next = 0;
  let last: string | undefined;
  while (said) {
    if (said.lines.length > 0) yield encodeText(`${said.lines.join("\n")}\n`);
    ({ next } = said);
    last = said.lines.at(-1) ?? last;
    if (!said.more) {
      if (!init.follow) return;
      await sleep(systemClock, PAUSE_MS, init.signal);
    }
    const more = await part(init, next, attempt);
    if (more === undefined && await init.runs()) said = { attempt, lines: [], next, more: false };
    else said = more ?? false;
  }
  const rest = restOf(await kept(init, attempt), next, last);
  if (rest !== "") yield encodeText(rest);
}

async function kept({ logs, job, signal }: LiveLogInit, attempt: number): Promise<string> {
  const earlier = await logs?.driver.beside?.(`attempt-${attempt}`).read(job, { signal });
  const stream = earlier ?? await logs?.driver.read(job, { signal });
  return stream ? decodeText(await readAll(stream, signal)) : "";
}

/** What stands for lines of a log that were not kept. */
const LEFT_OUT = /^\.\.\. (\d+) lines left out \.\.\.$/;

/** The line that stands for lines of a log that were not kept. */
export const leftOut = (lines: number): string => `... ${lines} lines left out ...`;

/** The end of a log that was kept, after so many lines; nothing when it is that of another attempt, since this one's has gone with its process. */
function restOf(text: string, said: number, last: string | undefined): string {
  const lines = text.split("\n");
  const gap = lines.findIndex((line) => LEFT_OUT.test(line));
  const missing = gap === -1 || said <= gap ? 0 : Number(LEFT_OUT.exec(lines[gap]!)![1]) - 1;
  const at = missing === 0 ? said : Math.max(gap + 1, said - missing);
  return last === undefined || lines[at - 1] === last || at === gap + 1 ? lines.slice(at).join("\n") : "";
}

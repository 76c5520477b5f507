/**
 * One attempt under way: its signal, its time, its log, and the outcome that follows from its end.
 *
 * @module
 */
import { type Attempt, StopError, type StopReason } from "../core/attempt.ts";
import type { Clock } from "../core/clock.ts";
import { hostName } from "../core/host.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { Ending } from "../tasks/runner.ts";
import { leftOut, type LogPart } from "./live_log.ts";
import type { TaskState } from "./task_state.ts";

/** So many characters of a function's log are kept from its beginning, and as many from its end. */
const LOG_CHARACTERS = 1 << 20;

/** So many characters of a log are told at a time, and the rest of a line. */
const PART_CHARACTERS = 1 << 18;

/** Asked for once. */
let host: string | undefined;

/** One attempt under way. */
export class Flight {
  readonly attempt: Attempt;
  readonly state: TaskState;
  /** The number of the job. */
  readonly job: number;
  /** When it began, in milliseconds since 1970. */
  readonly since: number;
  /** Whether an earlier coordinator started it. */
  readonly adopted: boolean;
  /** Where it runs, for people. */
  where = "";
  #controller: AbortController | undefined;
  #cancelTimer: (() => void) | undefined;
  #head: string[] = [];
  #headSize = 0;
  #tail: string[] = [];
  #tailSize = 0;
  #dropped = 0;

  constructor(attempt: Attempt, state: TaskState, job: number, since: number, adopted: boolean) {
    this.attempt = attempt;
    this.state = state;
    this.job = job;
    this.since = since;
    this.adopted = adopted;
  }

  /** Aborted when the attempt shall end. */
  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  /** Why it was stopped, when it was. */
  get stopped(): StopReason | undefined {
    const reason: unknown = this.#controller?.signal.aborted ? this.#controller.signal.reason : undefined;
    return reason instanceof StopError ? reason.why : undefined;
  }

  /** Ends it. The first reason stands. */
  stop(why: StopReason): void {
    (this.#controller ??= new AbortController()).abort(new StopError(why));
  }

  /** Ends it when its time is over. */
  limit(clock: Clock, ms: number): void {
    if (ms !== Infinity) this.#cancelTimer = clock.after(Math.max(0, ms), () => this.stop("timeout"));
  }

  /** Calls off what would end it. */
  ended(): void {
    this.#cancelTimer?.();
  }

  /** Takes a line of its log, or several. */
  log(text: string): void {
    if (!text.includes("\n")) this.#take(text);
    else for (const line of text.split("\n")) this.#take(line);
  }

  #take(line: string): void {
    if (this.#headSize < LOG_CHARACTERS) {
      this.#head.push(line);
      this.#headSize += line.length + 1;
      return;
    }
    this.#tail.push(line);
    this.#tailSize += line.length + 1;
    while (this.#tailSize > LOG_CHARACTERS && this.#tail.length > 1) {
      this.#tailSize -= this.#tail.shift()!.length + 1;
      this.#dropped++;
    }
  }

  /** Its log so far; nothing when it has said nothing. */
  logText(): string | undefined {
    if (this.#head.length === 0) return undefined;
    const gap = this.#dropped > 0 ? [leftOut(this.#dropped)] : [];
    return [...this.#head, ...gap, ...this.#tail, ""].join("\n");
  }

  /**
   * A part of its log so far.
   *
   * @param asked From which line, and of which attempt when one is named.
   * @returns The part; nothing when this is another attempt.
   */
  logPart({ from, attempt }: { readonly from: number; readonly attempt?: number }): LogPart | undefined {
    if (attempt !== undefined && attempt !== this.attempt.attempt) return undefined;
    const tail = this.#head.length + this.#dropped;
    const total = tail + this.#tail.length;
    const lines: string[] = [];
    let next = from;
    for (let size = 0; next < total && size < PART_CHARACTERS; next++) {
      if (next >= this.#head.length && next < tail) {
        lines.push(leftOut(tail - next));
        next = tail;
      }
      const line = next < tail ? this.#head[next]! : this.#tail[next - tail]!;
      lines.push(line);
      size += line.length + 1;
    }
    return { attempt: this.attempt.attempt, lines, next, more: next < total };
  }

  /**
   * The outcome that follows from how it ended.
   *
   * @param ending How it ended.
   * @param now The time, in milliseconds since 1970.
   * @param earlier The outcomes of earlier attempts.
   * @returns The document to record.
   */
  outcome(ending: Ending, now: number, earlier: readonly Outcome[]): Outcome {
    const { reason, exitCode, signal, error, resources } = ending;
    const start = ending.start ?? this.since;
    const end = Math.max(start, ending.end ?? now);
    const timeout = reason === "timed-out";
    const where = ending.where ?? this.where;
    return {
      success: reason === "succeeded" || (timeout && this.state.task.longRunning),
      reason: reason as Outcome["reason"],
      start: isoTime(start),
      end: isoTime(end),
      seconds: (end - start) / 1000,
      attempt: this.attempt.attempt,
      timeout,
      host: host ??= hostName(),
      ...(where ? { where } : {}),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(signal === undefined ? {} : { signal }),
      ...(error === undefined ? {} : { error }),
      ...(resources === undefined ? {} : { resources }),
      ...(earlier.length === 0 ? {} : { earlier }),
    };
  }

  /** Whether there is a log to keep. */
  hasLog(ending: Ending): boolean {
    return ending.exitCode === undefined && ending.signal === undefined &&
      // A later attempt takes the place of an earlier one's log even when it has said nothing.
      (this.#head.length > 0 || ending.error !== undefined || this.attempt.attempt > 1);
  }

  /**
   * Keeps the log of a function; processes keep theirs by themselves.
   *
   * @param logs Where logs go.
   * @param ending How it ended: an exception is part of the log.
   */
  async keepLog(logs: BlobRepository | undefined, ending: Ending): Promise<void> {
    if (!logs || !this.hasLog(ending)) return;
    const text = this.logText();
    const { error } = ending;
    const trace = error ? `${error.stack ?? `${error.name}: ${error.message}`}\n` : "";
    await logs.put(this.attempt.job, (text ?? "") + trace);
  }
}

const times = new Map<number, string>();

/** A time in ISO 8601; many jobs begin and end in one millisecond. */
function isoTime(ms: number): string {
  let text = times.get(ms);
  if (text === undefined) {
    if (times.size >= 256) times.clear();
    times.set(ms, text = new Date(ms).toISOString());
  }
  return text;
}

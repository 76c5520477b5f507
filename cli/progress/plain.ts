/**
 * Progress as lines that stay: for logs and pipes.
 *
 * @module
 */
import { formatAttempt } from "../../core/attempt.ts";
import { formatDuration } from "../../core/duration.ts";
import { describeError } from "../../core/errors.ts";
import type { PipelineEvent } from "../../pipeline/events.ts";
import { printable } from "../ansi.ts";
import { near } from "../near.ts";
import { outcomeText } from "../outcome_text.ts";
import { amount, counted } from "../rows.ts";
import { Repeats } from "./repeats.ts";

/** How many lines about jobs are written in a second; what is more is counted. */
const PER_SECOND = 20;

/** What a plain display needs. */
export interface PlainOptions {
  /** Writes a line. */
  readonly write: (line: string) => void;
  /** Whether only failures and trouble are written. */
  readonly quiet: boolean;
  /** What a person types to see the log of a job. */
  readonly logsCommand: (task: string, job: string) => string;
  /** How a time is written. Default: `14:03:07`, by the clock of this place. */
  readonly time?: (at: number) => string;
}

function clockTime(at: number): string {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, "0")).join(
    ":",
  );
}

/** Writes a line for each event that matters; a flood, and trouble that repeats itself, are summed up once a second. */
export class PlainProgress {
  readonly #options: PlainOptions;
  readonly #time: (at: number) => string;
  #second = 0;
  #written = 0;
  #more = { done: 0, failed: 0, retrying: 0 };
  readonly #troubles = new Repeats();

  /** @param options Where lines go, and which. */
  constructor(options: PlainOptions) {
    this.#options = options;
    this.#time = options.time ?? clockTime;
  }

  /** Takes an event in. */
  apply(event: PipelineEvent): void {
    this.tick(event.at);
    switch (event.type) {
      case "finished": {
        const { attempt, outcome } = event;
        const name = formatAttempt(attempt);
        if (outcome.success) return this.#job(event.at, "done", `${name} ${outcomeText(outcome)}`);
        return this.#job(
          event.at,
          "failed",
          `${name} failed: ${outcomeText(outcome)}; see ${
            this.#options.logsCommand(attempt.task, attempt.job)
          }`,
        );
      }
      case "retrying":
        return this.#job(
          event.at,
          "retrying",
          `${formatAttempt(event.attempt)} failed and is tried again in ${
            formatDuration(Math.max(0, event.retryAt - event.at))
          }: ${outcomeText(event.outcome)}`,
        );
      case "waiting":
        if (event.why !== undefined && !this.#options.quiet) {
          this.#trouble(event.at, `${formatAttempt(event.attempt)} waits: ${printable(event.why)}`);
        }
        return;
      case "trouble":
        return this.#trouble(event.at, troubleText(event));
      case "skipped-names":
        return this.#line(event.at, skippedText(event));
      case "lease-waiting":
        return this.#line(
          event.at,
          `waiting for process ${event.holder.pid} on ${event.holder.host}, which runs this pipeline since ${event.holder.since}`,
        );
      case "opened":
        if (event.adopted > 0 && !this.#options.quiet) {
          this.#line(event.at, `took over ${counted(event.adopted, "job")} that an earlier run had started`);
        }
        return;
      case "released":
        if (!this.#options.quiet) {
          this.#trouble(event.at, `${formatAttempt(event.attempt)} given back: ${event.why}`);
        }
    }
  }

  /** Writes what was summed up, once its second is over. */
  tick(now: number): void {
    const second = Math.floor(now / 1000);
    if (second === this.#second) return;
    this.flush(now);
    this.#second = second;
    this.#written = 0;
  }

  /** Writes what was summed up. */
  flush(now: number): void {
    const { done, failed, retrying } = this.#more;
    const troubles = this.#troubles.more();
    const parts = [
      ...(done > 0 && !this.#options.quiet ? [`${amount(done)} more done`] : []),
      ...(failed > 0 ? [`${amount(failed)} more failed`] : []),
      ...(retrying > 0 && !this.#options.quiet ? [`${amount(retrying)} more to be tried again`] : []),
      ...(troubles > 0 ? [`${amount(troubles)} more of the trouble above`] : []),
    ];
    this.#more = { done: 0, failed: 0, retrying: 0 };
    if (parts.length > 0) this.#line(now, `… ${parts.join(", ")}`);
  }

  #job(at: number, kind: "done" | "failed" | "retrying", text: string): void {
    if (this.#options.quiet && kind !== "failed") return;
    if (++this.#written > PER_SECOND) this.#more[kind]++;
    else this.#line(at, text);
  }

  #trouble(at: number, text: string): void {
    if (this.#troubles.take(text)) this.#line(at, text);
  }

  #line(at: number, text: string): void {
    this.#options.write(`${this.#time(at)} ${text}`);
  }
}

/**
 * What is said of names that are no keys.
 *
 * @param event The event.
 * @returns How many, where, and the first few.
 */
export function skippedText(event: PipelineEvent & { readonly type: "skipped-names" }): string {
  const names = event.names.map((name) => printable(JSON.stringify(name))).join(", ");
  return `skipped ${counted(event.count, "name")} that ${
    event.count === 1 ? "is no valid key" : "are no valid keys"
  } in ${near(event.repository)}: ${names}${event.count > event.names.length ? ", …" : ""}`;
}

/**
 * What is said of trouble.
 *
 * @param event The event.
 * @returns What, and what lies beneath it, on one line.
 */
export function troubleText(event: PipelineEvent & { readonly type: "trouble" }): string {
  return near(`trouble: ${printable(event.message)}${causeOf(event)}`);
}

function causeOf(event: PipelineEvent & { readonly type: "trouble" }): string {
  const text = event.error === undefined ? "" : printable(describeError(event.error));
  return text === "" || event.message.includes(text) ? "" : `: ${text}`;
}

/**
 * Events as lines of JSON.
 *
 * @module
 */
import { describeError } from "../../core/errors.ts";
import type { PipelineEvent } from "../../pipeline/events.ts";

/** How long a line may wait for others, in milliseconds, and how much is written at once, in characters. */
const WAIT = 50;
const ENOUGH = 65_536;

/**
 * An event as a line of JSON.
 *
 * @param event The event. The error of a `trouble` becomes its text.
 * @returns The line, with its newline.
 */
export function jsonLine(event: PipelineEvent): string {
  if (event.type !== "trouble") return JSON.stringify(event) + "\n";
  return JSON.stringify({ ...event, error: event.error === undefined ? null : describeError(event.error) }) +
    "\n";
}

/** Writes events as lines, many at a time when they come fast. */
export class JsonProgress {
  readonly #write: (text: string) => void;
  #lines = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param write Writes to the output. */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Takes an event in. */
  apply(event: PipelineEvent): void {
    this.#lines += jsonLine(event);
    if (this.#lines.length >= ENOUGH) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), WAIT);
  }

  /** Writes what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") this.#write(lines);
  }
}

/**
 * Live progress on a terminal: a block of lines, repainted in place.
 *
 * @module
 */
import type { PipelineEvent, TaskCounts } from "../../pipeline/events.ts";
import { type Style, truncate } from "../ansi.ts";
import type { Io } from "../io.ts";
import { ProgressModel } from "./model.ts";
import { Painter } from "./painter.ts";
import { amount } from "../rows.ts";
import { skippedText, troubleText } from "./plain.ts";
import { Repeats } from "./repeats.ts";
import { renderProgress } from "./render.ts";

/** The least time between two pictures, in milliseconds. */
const EVERY = 100;
/** How long a picture may stand when nothing happens, in milliseconds: clocks go on. */
const STALE = 1000;

/** What live progress needs. */
export interface LiveOptions {
  /** The terminal. */
  readonly io: Io;
  /** Styles. */
  readonly style: Style;
  /** How many jobs of each task are in which state now. */
  readonly counts: () => Readonly<Record<string, TaskCounts>>;
  /** What a person types to see the log of a job. */
  readonly logsCommand: (task: string, job: string) => string;
}

/** Live progress on a terminal. */
export class LiveProgress {
  readonly #options: LiveOptions;
  readonly #model: ProgressModel;
  readonly #painter: Painter;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #troubles = new Repeats();
  #changed = true;
  #opened = false;
  #paintedAt = 0;

  /** @param options Where it goes, and where its numbers come from. */
  constructor(options: LiveOptions) {
    this.#options = options;
    this.#model = new ProgressModel(options.logsCommand);
    this.#painter = new Painter(options.io.out, () => options.io.size().columns);
    this.#timer = setInterval(() => this.#tick(), EVERY);
  }

  /** Takes an event in. */
  apply(event: PipelineEvent): void {
    this.#changed = true;
    this.#opened ||= event.type === "opened";
    this.#model.apply(event);
    if (event.type === "trouble") this.#trouble(troubleText(event));
    if (event.type === "skipped-names") this.#print(skippedText(event));
  }

  /** Says something beneath the display. */
  say(text: string): void {
    this.#model.note(text);
    this.#paint();
  }

  /** Paints how things stand in the end, and leaves it there. */
  finish(counts: Readonly<Record<string, TaskCounts>>): void {
    if (!this.#opened) return;
    const more = this.#troubles.more();
    if (more > 0) this.#print(`… ${amount(more)} more of the trouble above`);
    this.#model.note("");
    this.#paint(counts);
    this.#painter.leave();
  }

  /** Ends it. */
  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    if (this.#changed || now - this.#paintedAt >= STALE) this.#paint();
  }

  #paint(counts: Readonly<Record<string, TaskCounts>> = this.#opened ? this.#options.counts() : {}): void {
    this.#changed = false;
    this.#paintedAt = performance.now();
    const view = this.#model.view(Date.now(), counts);
    this.#painter.paint(renderProgress(view, this.#options.io.size(), this.#options.style));
  }

  #trouble(text: string): void {
    if (this.#troubles.take(text)) this.#print(text);
  }

  /** Puts a line above the display, where it stays. */
  #print(text: string): void {
    this.#painter.clear();
    this.#options.io.out(`${this.#options.style.yellow(truncate(text, 500))}\n`);
    this.#paint();
  }
}

/**
 * Copies many values side by side, and says how far it is.
 *
 * @module
 */
import { describeError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Io } from "../io.ts";
import { onInterrupt } from "../interrupt.ts";
import { Painter } from "../progress/painter.ts";
import { amount, counted, size } from "../rows.ts";
import { truncate } from "../ansi.ts";

/** How many failures are told one by one. */
const TOLD = 20;

/** How many values are copied at once. */
const WIDTH = 8;

/** What became of all values. */
export interface CopyTally {
  /** Copied. */
  copied: number;
  /** Left as they were: there already. */
  kept: number;
  /** Could not be copied. */
  failed: number;
  /** How much was copied, in bytes. */
  bytes: number;
  /** Whether it was interrupted. */
  interrupted: boolean;
}

/** What becomes of one value: its size in bytes, or nothing when it was left as it was. */
export type CopyOne = (key: Key, signal: AbortSignal) => Promise<number | undefined>;

/** Copies values, with a line about how far it is. */
export class Copying implements Disposable {
  readonly #io: Io;
  readonly #aborter = new AbortController();
  readonly #interrupts: Disposable;
  readonly #painter: Painter | undefined;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #at = "";
  #over = false;
  /** What became of all values so far. */
  readonly tally: CopyTally = { copied: 0, kept: 0, failed: 0, bytes: 0, interrupted: false };

  /**
   * @param io The streams.
   * @param quiet Whether nothing is said on the way.
   */
  constructor(io: Io, quiet: boolean) {
    this.#io = io;
    this.#interrupts = onInterrupt((code, times) => {
      if (times > 1) Deno.exit(code);
      this.tally.interrupted = true;
      this.#aborter.abort(new DOMException("Interrupted", "AbortError"));
    });
    if (quiet || !io.terminal.err) return;
    this.#painter = new Painter((text) => io.err(text), () => io.size().columns);
    this.#timer = setInterval(() => this.#painter!.paint([this.#line()]), 100);
  }

  /**
   * Copies the values of one store.
   *
   * @param name What the line calls it.
   * @param pages Its keys.
   * @param copy Copies one.
   */
  async all(name: string, pages: AsyncIterable<readonly Key[]>, copy: CopyOne): Promise<void> {
    this.#at = name;
    const keys = flat(pages);
    const worker = async (): Promise<void> => {
      for (
        let next = await keys.next();
        !next.done && !this.#aborter.signal.aborted;
        next = await keys.next()
      ) {
        await this.#one(name, next.value, copy);
      }
    };
    await Promise.all(Array.from({ length: WIDTH }, worker));
    await keys.return();
  }

  async #one(name: string, key: Key, copy: CopyOne): Promise<void> {
    try {
      const bytes = await copy(key, this.#aborter.signal);
      if (bytes === undefined) this.tally.kept++;
      else {
        this.tally.copied++;
        this.tally.bytes += bytes;
      }
    } catch (error) {
      if (this.#aborter.signal.aborted) return;
      if (++this.tally.failed > TOLD) return;
      this.#painter?.clear();
      this.#io.err(`${name}: ${describeError(error)}\n`);
    }
  }

  #line(): string {
    const { copied, kept, bytes } = this.tally;
    return truncate(
      `${this.#at}: ${counted(copied, "value")} copied (${size(bytes)}), ${amount(kept)} there already`,
      this.#io.size().columns - 1,
    );
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    if (this.#over) return;
    this.#over = true;
    const untold = this.tally.failed - TOLD;
    if (untold > 0) this.#io.err(`and ${counted(untold, "more value")} failed\n`);
    clearInterval(this.#timer);
    this.#painter?.clear();
    this.#interrupts[Symbol.dispose]();
  }
}

async function* flat<T>(pages: AsyncIterable<readonly T[]>): AsyncGenerator<T, void, void> {
  for await (const page of pages) yield* page;
}

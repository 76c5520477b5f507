/**
 * A clock that stands still until a test turns it.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import { UsageError } from "../core/errors.ts";

/** One timer. */
interface Timer {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until it is turned. Timers that fall due are called in the order of their times, and of equal times in the order
 * in which they were set; while one is called, the clock shows its time.
 *
 * @example A minute passes at once
 * ```ts
 * import { sleep } from "@datatask/datatask";
 * import { manualClock } from "@datatask/datatask/testing";
 * import assert from "node:assert/strict";
 *
 * const clock = manualClock("2001-01-01T00:00:00Z");
 * const nap = sleep(clock, 60_000);
 * clock.advance("1m");
 * await nap;
 * assert.equal(new Date(clock.now()).toISOString(), "2001-01-01T00:01:00.000Z");
 * ```
 */
export class ManualClock implements Clock {
  readonly #start: number;
  readonly #timers = new Set<Timer>();
  #elapsed = 0;
  #order = 0;

  /**
   * Makes a clock. Use `manualClock`.
   *
   * @param start What the clock shows first: milliseconds since 1970, or a date as text.
   * @throws {UsageError} When it is no date.
   */
  constructor(start: number | string = "2000-01-01T00:00:00Z") {
    this.#start = typeof start === "number" ? start : Date.parse(start);
    if (!Number.isFinite(this.#start)) {
      throw new UsageError(
        `Cannot set a clock to ${
          JSON.stringify(start)
        }; write milliseconds since 1970, or a date such as "2001-01-01T00:00:00Z"`,
      );
    }
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** In how many milliseconds the next timer is due; nothing when none waits. */
  get next(): number | undefined {
    const timer = this.#first(Infinity);
    return timer && Math.max(0, timer.due - this.#elapsed);
  }

  /** What the clock shows, in milliseconds since 1970. */
  now(): number {
    return this.#start + this.#elapsed;
  }

  /** How far the clock was turned, in milliseconds. */
  monotonic(): number {
    return this.#elapsed;
  }

  /**
   * Calls a function once, when the clock has been turned far enough. Never within this call.
   *
   * @param ms In how many milliseconds.
   * @param callback What to call.
   * @returns A function that calls it off.
   */
  after(ms: number, callback: () => void): () => void {
    const timer: Timer = { due: this.#elapsed + Math.max(0, ms), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /**
   * Turns the clock. Timers that are set while it turns are called too, when they fall due on the way.
   *
   * @param by How far: milliseconds, or text such as `"10m"`.
   * @returns How many timers were called.
   * @throws What a timer throws; the clock then stands at the time of that timer.
   */
  advance(by: Duration): number {
    const end = this.#elapsed + parseDuration(by, "time to advance");
    let called = 0;
    for (let timer = this.#first(end); timer; timer = this.#first(end)) {
      this.#timers.delete(timer);
      this.#elapsed = Math.max(this.#elapsed, timer.due);
      called++;
      timer.callback();
    }
    this.#elapsed = end;
    return called;
  }

  /**
   * Turns the clock to the next timer and calls it, with all that are due at the same moment.
   *
   * @returns Whether there was one.
   */
  advanceToNext(): boolean {
    const { next } = this;
    if (next === undefined) return false;
    this.advance(next);
    return true;
  }

  #first(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due > end) continue;
      if (!first || timer.due < first.due || (timer.due === first.due && timer.order < first.order)) {
        first = timer;
      }
    }
    return first;
  }
}

/**
 * A clock that stands still until it is turned.
 *
 * @param start What it shows first: milliseconds since 1970, or a date as text. Default: the first moment of the year 2000, UTC.
 * @returns The clock.
 */
export function manualClock(start?: number | string): ManualClock {
  return new ManualClock(start);
}

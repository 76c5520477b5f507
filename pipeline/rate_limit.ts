/**
 * How many runs of a task may begin in a period.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";

/** Counts beginnings in a sliding window, whether the runs are still live or not. */
export class RateLimit {
  readonly #limit: { readonly count: number; readonly perMs: number };
  readonly #clock: Clock;
  #begun: number[] = [];
  /** Whether somebody waits for `wait()` to be over. */
  armed = false;

  constructor(limit: { readonly count: number; readonly perMs: number }, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** How many may begin now. */
  allowance(): number {
    const oldest = this.#clock.monotonic() - this.#limit.perMs;
    let gone = 0;
    while (gone < this.#begun.length && this.#begun[gone]! <= oldest) gone++;
    if (gone > 0) this.#begun = this.#begun.slice(gone);
    return this.#limit.count - this.#begun.length;
  }

  /** In how many milliseconds the next may begin; nothing when it may now. */
  wait(): number | undefined {
    if (this.allowance() > 0) return undefined;
    return Math.max(1, this.#begun[0]! + this.#limit.perMs - this.#clock.monotonic());
  }

  /** One has begun. */
  took(): void {
    this.#begun.push(this.#clock.monotonic());
  }
}

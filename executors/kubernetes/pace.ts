/**
 * Doing something no more often than so many times in a second.
 *
 * @module
 */
import { type Clock, sleep, systemClock } from "../../core/clock.ts";

/** Lets its callers go on one after the other, evenly. */
export class Pace {
  readonly #gap: number;
  readonly #clock: Clock;
  #next = 0;

  /**
   * @param perSecond How many go on in a second at the most.
   * @param clock The time.
   */
  constructor(perSecond: number, clock: Clock = systemClock) {
    this.#gap = 1000 / perSecond;
    this.#clock = clock;
  }

  /**
   * Waits for the next turn.
   *
   * @param signal When to stop waiting; the turn is then left to nobody.
   */
  async turn(signal?: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    // A second's worth may go at once after a pause.
    this.#next = Math.max(this.#next, now - 1000) + this.#gap;
    if (this.#next > now) await sleep(this.#clock, this.#next - now, signal);
  }
}

/**
 * Doing something no more often than so many times in a second.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";

/** Lets its callers go on one after the other, evenly. */
export class Pace {
  readonly #gap: number;
  #next = 0;

  /** @param perSecond How many go on in a second at the most. */
  constructor(perSecond: number) {
    this.#gap = 1000 / perSecond;
  }

  /**
   * Waits for the next turn.
   *
   * @param signal When to stop waiting; the turn is then left to nobody.
   */
  async turn(signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    // A second's worth may go at once after a pause.
    this.#next = Math.max(this.#next, now - 1000) + this.#gap;
    if (this.#next > now) await sleep(systemClock, this.#next - now, signal);
  }
}

/**
 * Waiting between attempts to reach somebody: longer and longer, up to half a minute, for as long as there is patience.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";

/** The first pause and the longest, in milliseconds. */
const FIRST = 250;
const LONGEST = 30_000;

/** After how long people are told, in milliseconds. */
const LONG = 10_000;

/** Pauses between attempts. */
export interface Backoff {
  /** For how long it has been tried, in seconds. */
  readonly seconds: number;
  /**
   * Waits.
   *
   * @param leastMs How long at the least, in milliseconds.
   * @param signal Ends it with its reason.
   * @returns Whether it takes long, said once; nothing when patience is over.
   */
  pause(
    leastMs: number | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly long: boolean } | undefined>;
}

/**
 * Begins to be patient.
 *
 * @param patienceMs For how long, in milliseconds.
 * @returns The pauses.
 */
export function backoff(patienceMs: number): Backoff {
  const begun = performance.now();
  let next = FIRST;
  let told = false;
  const spent = (): number => performance.now() - begun;
  return {
    get seconds() {
      return Math.round(spent() / 1000);
    },
    async pause(leastMs = 0, signal) {
      if (spent() >= patienceMs) return undefined;
      const ms = Math.max(next * (0.5 + Math.random() / 2), Math.min(leastMs, LONGEST));
      next = Math.min(next * 2, LONGEST);
      await sleep(systemClock, ms, signal);
      const long = !told && spent() >= LONG;
      told ||= long;
      return { long };
    },
  };
}

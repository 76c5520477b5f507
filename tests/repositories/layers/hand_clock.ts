/** A clock for caches. */
import type { Clock } from "../../../core/clock.ts";

/**
 * A clock turned by hand. Its wall clock is an hour ahead: file systems note when a file was read by their own, which must not be taken for
 * a later time.
 */
export function handClock(): Clock & { turn(ms: number): void } {
  let passed = 0;
  const began = Date.now() + 3_600_000;
  return {
    now: () => began + passed,
    monotonic: () => passed,
    after: () => () => {},
    turn: (ms) => void (passed += ms),
  };
}

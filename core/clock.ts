/**
 * Time, as something that can be turned by hand in tests.
 *
 * @module
 */

/** Where the time comes from. */
export interface Clock {
  /** The wall clock, in milliseconds since 1970. For people and for outcomes, never for durations. */
  now(): number;
  /** A clock that never jumps, in milliseconds from some moment. For durations. */
  monotonic(): number;
  /**
   * Calls a function once, later.
   *
   * @param ms How long to wait, in milliseconds.
   * @param callback What to call.
   * @returns A function that calls it off.
   */
  after(ms: number, callback: () => void): () => void;
}

/** The longest one timer of the platform can wait. */
const LONGEST = 2 ** 31 - 1;

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const due = performance.now() + ms;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const arm = (): void => {
      const left = due - performance.now();
      timer = left > LONGEST ? setTimeout(arm, LONGEST) : setTimeout(callback, Math.max(0, left));
    };
    arm();
    return () => clearTimeout(timer);
  },
};

/**
 * Waits.
 *
 * @param clock By which clock.
 * @param ms How long, in milliseconds.
 * @param signal Ends the wait early; the promise is then rejected with its reason.
 * @returns When the time is over.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = (): void => {
      cancel();
      reject(signal!.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

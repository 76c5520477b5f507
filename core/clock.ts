/**
 * Time, as something that can be turned by hand in tests, and waiting for it.
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

/**
 * Waits for something, but not longer than some time.
 *
 * @param clock By which clock.
 * @param ms How long, in milliseconds.
 * @param signal Ends the wait early; the promise is then rejected with its reason.
 * @param wait Waits for it. Its signal comes when the time is over, or with the other.
 * @returns Whether it came in time.
 */
export async function within(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
  wait: (signal: AbortSignal) => Promise<unknown>,
): Promise<boolean> {
  signal?.throwIfAborted();
  const over = new AbortController();
  let late = false;
  const cancel = clock.after(ms, () => {
    late = true;
    over.abort();
  });
  const onAbort = (): void => over.abort(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await wait(over.signal);
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    if (!late) throw error;
    return false;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    cancel();
  }
}

/**
 * Waits for a promise, but no longer than a signal lets.
 *
 * @param signal When to stop: its reason is thrown.
 * @param promise What to wait for. It goes on all the same.
 * @returns What it gives.
 */
export function unless<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

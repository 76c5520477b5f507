/**
 * Bearing with an apiserver that is away for a while.
 *
 * @module
 */
import { sleep, systemClock, unless } from "../../core/clock.ts";
import { type ApiFault, isAway } from "./fault.ts";
import { Linked } from "./linked.ts";

/**
 * Makes a call again while the apiserver is away.
 *
 * @param call The call. It is told whether it was made before: the answer to that may have been lost.
 * @param patienceMs For how long, in milliseconds.
 * @param closing Ends it at once.
 * @param signal When to stop waiting for the next time.
 * @returns What the call gives.
 */
export async function patiently<T>(
  call: (again: boolean) => Promise<T>,
  patienceMs: number,
  closing: AbortSignal,
  signal: AbortSignal | undefined,
): Promise<T> {
  const late = performance.now() + patienceMs;
  closing.throwIfAborted();
  using over = new Linked(signal, closing);
  for (let pause = 50, again = false;; pause = Math.min(pause * 2, 2000), again = true) {
    try {
      return await unless(closing, call(again));
    } catch (error) {
      closing.throwIfAborted();
      if (!isAway(error) || performance.now() > late) throw error;
      await sleep(systemClock, (error as ApiFault).retryAfterMs ?? pause, over.signal);
    }
  }
}

/**
 * Waiting for what another process does: with a bound on how long, and without a sleep that hides a race.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";

/** How long anything may take, in milliseconds. */
const PATIENCE = 60_000;

/** Whether something is so. */
type Holds = () => boolean | Promise<boolean>;

/**
 * Waits until something is so.
 *
 * @param what What, for the error: `a script runs`. Default: how it is asked.
 * @param holds Whether it is.
 * @throws {Error} When it is not after a minute.
 */
export function until(what: string, holds: Holds): Promise<void>;
export function until(holds: Holds): Promise<void>;
export async function until(what: string | Holds, holds = what as Holds): Promise<void> {
  const late = performance.now() + PATIENCE;
  for (let times = 1; !await holds(); times++) {
    if (performance.now() > late) throw new Error(`${what}: not after ${PATIENCE / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(times, 10)));
  }
}

/**
 * Lets some time go by before something happens that may happen at any instant.
 *
 * @param ms How long, in milliseconds.
 * @param signal Ends it early.
 */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(systemClock, ms, signal).catch(() => {});
}

/**
 * Tells whether a process is there, and not only waiting to be asked how it ended.
 *
 * @param pid Which.
 */
export function alive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

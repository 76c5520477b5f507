/**
 * Keeping a watch going for as long as an executor is open, whatever happens to the apiserver meanwhile.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import { type Subject, type Thing, watchAll, type WatchListener } from "./watch.ts";

/** How a watch is kept going. */
export interface Keeping {
  /** How long an apiserver may be away, in milliseconds. */
  readonly patience: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Told once, when everything was listed. */
  readonly ready: () => void;
}

/**
 * Watches until it fails for good.
 *
 * @param api Where.
 * @param subject What.
 * @param listener Who is told.
 * @param keeping How long, and who is told when it has begun.
 * @returns Never, but by throwing.
 * @throws {ApiFault} When the apiserver was away for too long or refuses; the reason of the signal.
 */
export async function keepWatching<T extends Thing>(
  api: Api,
  subject: Subject,
  listener: WatchListener<T>,
  { patience, signal, ready }: Keeping,
): Promise<never> {
  let failing: number | undefined;
  let pause = 50;
  let known = false;
  const fine = (): void => {
    failing = undefined;
    pause = 50;
  };
  const careful: WatchListener<T> = {
    listing: () => listener.listing(),
    seen(thing) {
      fine();
      listener.seen(thing);
    },
    gone: (thing) => listener.gone(thing),
    async listed() {
      fine();
      await listener.listed();
      known = true;
      ready();
    },
  };
  while (true) {
    try {
      await watchAll<T>(api, subject, careful, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiFault)) throw error;
      // An apiserver that has just come back may know nobody for a moment: once it was fine, all trouble may pass.
      failing ??= performance.now();
      if ((!known && !error.away) || performance.now() - failing > patience) throw error;
      await sleep(systemClock, error.retryAfterMs ?? pause, signal);
      pause = Math.min(pause * 2, 2000);
    }
  }
}

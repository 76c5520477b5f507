/**
 * Follows what others do to the repositories: by watching where the store can tell, and by listing at an interval that adapts.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { ObservedKeys } from "./observed.ts";
import type { PipelineState } from "./state.ts";

/** The shortest and the longest time between two listings of a store that tells nothing, in milliseconds. */
const SHORTEST = 1000;
const LONGEST = 60_000;

/** A listing may take up one part in so many of the time. */
const SHARE = 20;

/** What to follow, and how. */
export interface FollowOptions {
  readonly state: PipelineState;
  readonly clock: Clock;
  /** Whether to watch; otherwise stores are only listed, and not often. */
  readonly eager: boolean;
  readonly onTrouble: (leaf: ObservedKeys, error: unknown) => void;
}

/**
 * Follows all stores until it is disposed of.
 *
 * @param options What and how.
 * @returns What ends it.
 */
export function follow(options: FollowOptions): AsyncDisposable {
  const ending = new AbortController();
  const { signal } = ending;
  const work = [...options.state.observer.leaves].map(async (leaf) => {
    const changes = options.eager ? leaf.repository.watch({ signal }) : undefined;
    try {
      if (changes) return await watchAndList(leaf, changes, options, signal);
    } catch (error) {
      if (signal.aborted) return;
      options.onTrouble(leaf, error);
    }
    await relist(leaf, options, signal, options.eager ? SHORTEST : 10 * SHORTEST);
  });
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await Promise.all(work);
    },
  };
}

/**
 * What a watch does not tell is found by a listing now and then: a system tells nothing of what other machines do in a folder that they
 * share, nor of a link that leads out of it.
 */
async function watchAndList(
  leaf: ObservedKeys,
  changes: NonNullable<ReturnType<ObservedKeys["repository"]["watch"]>>,
  options: FollowOptions,
  signal: AbortSignal,
): Promise<void> {
  if (leaf.repository.driver.supports.reach === "process") return await watch(leaf, changes, signal);
  const over = new AbortController();
  const listing = relist(leaf, options, AbortSignal.any([signal, over.signal]), LONGEST);
  try {
    await watch(leaf, changes, signal);
  } finally {
    over.abort();
    await listing;
  }
}

async function watch(
  leaf: ObservedKeys,
  changes: NonNullable<ReturnType<ObservedKeys["repository"]["watch"]>>,
  signal: AbortSignal,
): Promise<void> {
  const iterator = changes[Symbol.asyncIterator]();
  let next = iterator.next();
  next.catch(() => {});
  // The watch begins here; what changed between the first listing and now is in none of its changes.
  await leaf.list({ signal });
  try {
    for (let result = await next; !result.done && !signal.aborted; result = await next) {
      if (result.value === "rescan") await leaf.list({ signal });
      else leaf.announce(result.value.key, result.value.present);
      next = iterator.next();
    }
  } finally {
    await iterator.return?.();
  }
}

async function relist(
  leaf: ObservedKeys,
  { clock, onTrouble }: FollowOptions,
  signal: AbortSignal,
  shortest: number,
): Promise<void> {
  let wait = shortest;
  while (!signal.aborted) {
    await new Promise<void>((resolve) => {
      const cancel = clock.after(Math.max(wait, leaf.listingMs * SHARE), () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      const stop = (): void => {
        cancel();
        resolve();
      };
      signal.addEventListener("abort", stop, { once: true });
    });
    if (signal.aborted) return;
    try {
      wait = await leaf.list({ signal }) ? shortest : Math.min(LONGEST, wait * 1.5);
    } catch (error) {
      if (signal.aborted) return;
      onTrouble(leaf, error);
      wait = Math.min(LONGEST, wait * 2);
    }
  }
}

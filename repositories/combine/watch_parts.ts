/**
 * Watches of several repositories as one.
 *
 * @module
 */
import { Channel } from "../../core/channel.ts";
import type { Key } from "../../core/key.ts";
import type { Change, KeyDriver, OperationOptions } from "../driver.ts";
import { mapChanges } from "../layers/wrap.ts";
import type { AnyRepository } from "./view.ts";

/**
 * A watch of a view: what changes in any part, as it changes the view.
 *
 * @param parts The parts.
 * @param has Whether the view has a key; without it, every change is `rescan`.
 * @returns The watch, or nothing when a part cannot tell of changes.
 */
export function watchParts(
  parts: readonly AnyRepository[],
  has?: (key: Key, options: OperationOptions) => Promise<boolean>,
): ((options: OperationOptions) => AsyncIterable<Change>) | undefined {
  const drivers = parts.map((part) => part.driver as KeyDriver);
  if (!drivers.every((driver) => driver.watch)) return undefined;
  return (options) =>
    mapChanges(merge(drivers, options), options, async ({ key }) => {
      return has ? { key, present: await has(key, options) } : "rescan";
    });
}

async function* merge(
  drivers: readonly KeyDriver[],
  options: OperationOptions,
): AsyncGenerator<Change, void, void> {
  const left = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
  const channel = new Channel<Change>();
  const watching = drivers.map(async (driver) => {
    for await (const change of driver.watch!({ ...options, signal })) channel.push(change);
  });
  // All go on until all have ended; one that fails ends the others.
  const ended = Promise.all(watching).then(
    () => channel.close(),
    (reason) => {
      channel.close({ reason });
      left.abort();
    },
  );
  try {
    yield* channel;
  } finally {
    left.abort();
    await Promise.allSettled(watching);
    await ended;
  }
}

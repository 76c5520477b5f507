/**
 * Turns of those who work on one key in this process.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import { untilAborted } from "./stream_chunks.ts";

/** Lets one at a time work on a key. */
export class KeyTurns {
  readonly #last = new Map<Key, Promise<void>>();

  /**
   * Waits for its turn.
   *
   * @param key On which key.
   * @param signal Ends the wait; its reason is then thrown.
   * @returns Gives the turn to the next; may be called twice.
   */
  async take(key: Key, signal: AbortSignal | undefined): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#last.get(key);
    const last = before ? before.then(() => promise) : promise;
    this.#last.set(key, last);
    const release = (): void => {
      resolve();
      if (this.#last.get(key) === last) this.#last.delete(key);
    };
    try {
      if (before) await untilAborted(before, signal);
    } catch (error) {
      // Whoever is next still waits for those before us.
      resolve();
      throw error;
    }
    return release;
  }
}

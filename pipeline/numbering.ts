/**
 * Numbers new keys in the order of their names, across several repositories that are listed at once: jobs of equal priority go in the
 * order of numbers, which must not depend on which listing is through first.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { KeySpace } from "./key_space.ts";

/** Waits until every listing has said which keys it has found, then numbers them all. */
export class Numbering {
  readonly #keys: KeySpace;
  readonly #done = Promise.withResolvers<void>();
  /** Most keys are found by several listings, and are sorted once. */
  #found = new Set<Key>();
  #missing: number;

  /**
   * @param keys Gives the numbers.
   * @param listings How many listings take part.
   */
  constructor(keys: KeySpace, listings: number) {
    this.#keys = keys;
    this.#missing = listings;
  }

  /**
   * What a listing has found. Each says so once, or leaves.
   *
   * @param keys Keys that were new to it.
   * @returns When all are numbered.
   */
  async found(keys: readonly Key[]): Promise<void> {
    for (const key of keys) this.#found.add(key);
    this.leave();
    await this.#done.promise;
  }

  /** A listing has ended without having found anything new. */
  leave(): void {
    if (--this.#missing > 0) return;
    for (const key of [...this.#found].sort()) this.#keys.id(key);
    this.#found.clear();
    this.#done.resolve();
  }
}

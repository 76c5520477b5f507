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
  /** Most keys are found by several listings: each is looked up once for each of them, and sorted once. */
  readonly #places = new Map<Key, number>();
  /** The number of the key at each place, once they are given. */
  #ids = new Uint32Array();
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
   * @returns Their numbers, when all listings have found what they find.
   */
  async found(keys: readonly Key[]): Promise<Uint32Array> {
    const numbers = new Uint32Array(keys.length);
    for (let i = 0; i < keys.length; i++) numbers[i] = this.#place(keys[i]!);
    this.leave();
    await this.#done.promise;
    for (let i = 0; i < numbers.length; i++) numbers[i] = this.#ids[numbers[i]!]!;
    return numbers;
  }

  #place(key: Key): number {
    let place = this.#places.get(key);
    if (place === undefined) this.#places.set(key, place = this.#places.size);
    return place;
  }

  /** A listing has ended without having found anything new. */
  leave(): void {
    if (--this.#missing > 0) return;
    this.#ids = new Uint32Array(this.#places.size);
    for (const key of [...this.#places.keys()].sort()) this.#ids[this.#places.get(key)!] = this.#keys.id(key);
    this.#places.clear();
    this.#done.resolve();
  }
}

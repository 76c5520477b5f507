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
  readonly #ends: number;
  /** How many of the listings of ends have found the key at each place. */
  #ended = new Uint32Array();

  /**
   * @param keys Gives the numbers.
   * @param listings How many listings take part.
   * @param ends How many of them list what a task has done. Nothing is left to do for a key that all of these have found, so that nobody
   * cares about its place, and sorting is saved where most is done. 0: all are sorted.
   */
  constructor(keys: KeySpace, listings: number, ends: number) {
    this.#keys = keys;
    this.#missing = listings;
    this.#ends = ends;
  }

  /**
   * What a listing has found. Each says so once, or leaves.
   *
   * @param keys Keys that were new to it.
   * @param end Whether it lists what a task has done.
   * @returns Their numbers, when all listings have found what they find.
   */
  async found(keys: readonly Key[], end: boolean): Promise<Uint32Array> {
    const numbers = new Uint32Array(keys.length);
    for (let i = 0; i < keys.length; i++) numbers[i] = this.#place(keys[i]!);
    if (end) this.#count(numbers);
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

  #count(places: Uint32Array): void {
    if (this.#ended.length < this.#places.size) {
      const before = this.#ended;
      this.#ended = new Uint32Array(this.#places.size);
      this.#ended.set(before);
    }
    for (let i = 0; i < places.length; i++) this.#ended[places[i]!]!++;
  }

  /** A listing has ended without having found anything new. */
  leave(): void {
    if (--this.#missing > 0) return;
    this.#ids = new Uint32Array(this.#places.size);
    const open: Key[] = [];
    for (const [key, place] of this.#places) {
      if (this.#ends > 0 && this.#ended[place] === this.#ends) this.#ids[place] = this.#keys.id(key);
      else open.push(key);
    }
    for (const key of open.sort()) this.#ids[this.#places.get(key)!] = this.#keys.id(key);
    this.#places.clear();
    this.#done.resolve();
  }
}

/**
 * Keys as small integers, each interned once.
 *
 * @module
 */
import type { Key } from "../core/key.ts";

/** Gives each key a number, the same one for ever. */
export class KeySpace {
  readonly #ids = new Map<Key, number>();
  readonly #keys: Key[] = [];

  /** How many keys are known. */
  get size(): number {
    return this.#keys.length;
  }

  /** The number of a key, given now when it is new. */
  id(key: Key): number {
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#keys.length;
      this.#ids.set(key, id);
      this.#keys.push(key);
    }
    return id;
  }

  /** The number of a key, when it has one. */
  known(key: Key): number | undefined {
    return this.#ids.get(key);
  }

  /** The key of a number. */
  key(id: number): Key {
    return this.#keys[id]!;
  }
}

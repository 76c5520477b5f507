/**
 * Sets of interned keys, as bits: a million keys are 125 KB, and a set operation on them takes microseconds.
 *
 * @module
 */

/** A set of small integers. */
export class KeySet {
  #words: Uint32Array;
  #size = 0;

  /** @param words Bits to begin with; taken over, not copied. */
  constructor(words: Uint32Array = new Uint32Array(32)) {
    this.#words = words;
    this.#size = count(words);
  }

  /** A set of these. */
  static of(...ids: readonly number[]): KeySet {
    const set = new KeySet();
    for (const id of ids) set.add(id);
    return set;
  }

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** The bits. Read only. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Whether it is in. */
  has(id: number): boolean {
    const word = id >>> 5;
    return word < this.#words.length && (this.#words[word]! & (1 << (id & 31))) !== 0;
  }

  /** Puts it in. Returns whether it was not in before. */
  add(id: number): boolean {
    const word = id >>> 5;
    if (word >= this.#words.length) this.#grow(word + 1);
    const bit = 1 << (id & 31);
    if (this.#words[word]! & bit) return false;
    this.#words[word]! |= bit;
    this.#size++;
    return true;
  }

  /** Takes it out. Returns whether it was in. */
  delete(id: number): boolean {
    if (!this.has(id)) return false;
    this.#words[id >>> 5]! &= ~(1 << (id & 31));
    this.#size--;
    return true;
  }

  /** Puts it in or takes it out. Returns whether that changed anything. */
  set(id: number, present: boolean): boolean {
    return present ? this.add(id) : this.delete(id);
  }

  /** The smallest member that is not below `from`; -1 when there is none. */
  next(from: number): number {
    const words = this.#words;
    let word = from >>> 5;
    if (word >= words.length) return -1;
    let bits = words[word]! & (-1 << (from & 31));
    while (bits === 0) {
      if (++word >= words.length) return -1;
      bits = words[word]!;
    }
    return word * 32 + (31 - Math.clz32(bits & -bits));
  }

  /** All members, in order. */
  *[Symbol.iterator](): Generator<number, void, void> {
    for (let id = this.next(0); id !== -1; id = this.next(id + 1)) yield id;
  }

  /** A set of the same members. */
  clone(): KeySet {
    return new KeySet(this.#words.slice());
  }

  #grow(words: number): void {
    const grown = new Uint32Array(Math.max(words, this.#words.length * 2));
    grown.set(this.#words);
    this.#words = grown;
  }
}

function count(words: Uint32Array): number {
  let size = 0;
  for (let i = 0; i < words.length; i++) {
    let v = words[i]!;
    if (v === 0) continue;
    v -= (v >>> 1) & 0x55555555;
    v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
    size += (((v + (v >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
  }
  return size;
}

/** Anything of which membership can be told by bits. */
type Bits = { readonly words: Uint32Array };

/** Members of any of the sets. */
export function union(sets: readonly Bits[]): KeySet {
  const words = new Uint32Array(Math.max(1, ...sets.map((set) => set.words.length)));
  for (const set of sets) for (let i = 0; i < set.words.length; i++) words[i]! |= set.words[i]!;
  return new KeySet(words);
}

/** Members of all of the sets; of none when there are no sets. */
export function intersection(sets: readonly Bits[]): KeySet {
  if (sets.length === 0) return new KeySet();
  const words = sets[0]!.words.slice(0, Math.min(...sets.map((set) => set.words.length)));
  for (const set of sets.slice(1)) for (let i = 0; i < words.length; i++) words[i]! &= set.words[i]!;
  return new KeySet(words);
}

/** Members of the first and of none of the others. */
export function difference(set: Bits, others: readonly Bits[]): KeySet {
  const words = set.words.slice();
  for (const other of others) {
    const end = Math.min(words.length, other.words.length);
    for (let i = 0; i < end; i++) words[i]! &= ~other.words[i]!;
  }
  return new KeySet(words);
}

/** Members of exactly one of two sets. */
export function changed(a: Bits, b: Bits): KeySet {
  const [long, short] = a.words.length >= b.words.length ? [a.words, b.words] : [b.words, a.words];
  const words = long.slice();
  for (let i = 0; i < short.length; i++) words[i]! ^= short[i]!;
  return new KeySet(words);
}

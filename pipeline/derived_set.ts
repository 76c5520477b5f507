/**
 * Sets that follow from other sets, kept up to date change by change.
 *
 * @module
 */
import { difference, intersection, KeySet, union } from "./key_set.ts";
import { type LiveSet, SubscribableSet } from "./observed.ts";

/** From so many changes on, whole words are computed in place of single bits. */
const BULK = 4096;

/** A set that follows from others: how one bit follows, and how all of them do. */
class DerivedSet extends SubscribableSet {
  readonly #bit: (id: number) => boolean;
  readonly #all: () => KeySet;

  /**
   * @param from The sets it follows from.
   * @param bit Whether an id is in.
   * @param all All that are in.
   */
  constructor(from: readonly LiveSet[], bit: (id: number) => boolean, all: () => KeySet) {
    super();
    this.#bit = bit;
    this.#all = all;
    for (const source of from) source.subscribe((ids) => this.#follow(ids));
    this.set = all();
  }

  #follow(ids: Iterable<number>): void {
    if (ids instanceof KeySet && ids.size >= BULK) {
      this.replace(this.#all());
      return;
    }
    const told: number[] = [];
    for (const id of ids) {
      const present = this.#bit(id);
      // A member that stays one may have a new value: whoever reads values through this set must hear of it.
      if (this.set.set(id, present) || present) told.push(id);
    }
    if (told.length > 0) this.tell(told);
  }
}

/** Members of any of the sets. One set stands for itself. */
export function anyOf(sets: readonly LiveSet[]): LiveSet {
  if (sets.length === 1) return sets[0]!;
  return new DerivedSet(
    sets,
    (id) => sets.some(({ set }) => set.has(id)),
    () => union(sets.map(({ set }) => set)),
  );
}

/** Members of all of the sets. One set stands for itself. */
export function allOf(sets: readonly LiveSet[]): LiveSet {
  if (sets.length === 1) return sets[0]!;
  return new DerivedSet(
    sets,
    (id) => sets.length > 0 && sets.every(({ set }) => set.has(id)),
    () => intersection(sets.map(({ set }) => set)),
  );
}

/** Members of the first set and of none of the others. */
export function butNot(source: LiveSet, others: readonly LiveSet[]): LiveSet {
  if (others.length === 0) return source;
  return new DerivedSet(
    [source, ...others],
    (id) => source.set.has(id) && !others.some(({ set }) => set.has(id)),
    () => difference(source.set, others.map(({ set }) => set)),
  );
}

/** All members of a set while another one has any; none while it has none. */
export class AnyOrNone extends SubscribableSet {
  /**
   * @param all What is in.
   * @param gate Whether it is.
   */
  constructor(all: LiveSet, gate: LiveSet) {
    super();
    const open = (): boolean => gate.set.size > 0;
    let was = open();
    if (was) this.set = all.set.clone();
    all.subscribe((ids) => {
      if (open()) { for (const id of ids) this.put(id, all.set.has(id)); }
    });
    gate.subscribe(() => {
      if (open() === was) return;
      was = open();
      this.replace(was ? all.set.clone() : new KeySet());
    });
  }
}

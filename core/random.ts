/**
 * Numbers at random that can be had again from their seed.
 *
 * @module
 */

/** A source of numbers in [0, 1). */
export type Random = () => number;

/**
 * A source of random numbers that a seed determines (mulberry32, by Tommy Ettinger).
 *
 * @param seed Any integer.
 * @returns The source.
 */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

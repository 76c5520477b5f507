/**
 * Figures of a measurement, for a person and for the table of `deno task bench`.
 *
 * @module
 */
import process from "node:process";

/** What a figure should be. */
export interface Goal {
  /** Not more than this. */
  readonly atMost?: number;
  /** Not less than this. */
  readonly atLeast?: number;
}

/** A figure that has a goal, as it is kept for the table. */
export interface Figure {
  /** What was measured. */
  readonly what: string;
  /** It, in words. */
  readonly text: string;
  /** What it should be, in words. */
  readonly goal: string;
  /** Whether it is. */
  readonly met: boolean;
}

/** Names the file that collects figures for the table. */
export const FIGURES = "DATATASK_FIGURES";

/** Says a figure. */
export function say(what: string, text: string): void {
  console.log(`${what.padEnd(72)} ${text}`);
}

/**
 * Says a figure that has a goal, and keeps it for the table.
 *
 * @param what What was measured.
 * @param value It.
 * @param unit What is put behind it: `ms`, `x`.
 * @param goal What it should be.
 * @param remark More words about it.
 */
export function figure(what: string, value: number, unit: string, goal: Goal, remark = ""): void {
  const shown = (n: number): string =>
    `${n >= 1000 ? Math.round(n).toLocaleString("en") : n >= 10 ? n.toFixed(0) : n.toFixed(2)} ${unit}`;
  const [atMost, atLeast] = [goal.atMost ?? Infinity, goal.atLeast ?? -Infinity];
  const met = value <= atMost && value >= atLeast;
  const wanted = goal.atMost === undefined ? `>= ${shown(atLeast)}` : `<= ${shown(atMost)}`;
  say(what, `${shown(value)}${remark && ` (${remark})`}, goal ${wanted}${met ? "" : ": MISSED"}`);
  const file = Deno.env.get(FIGURES);
  const kept: Figure = { what, text: shown(value), goal: wanted, met };
  if (file) Deno.writeTextFileSync(file, `${JSON.stringify(kept)}\n`, { append: true });
}

/**
 * How long work takes that only computes or waits for a disk, in milliseconds: the time of the clock or, when that is less, of the processor. Others
 * who use the machine lengthen the first, and helping threads the second.
 *
 * @param work What to do.
 * @returns How long it took, and what came of it.
 */
export async function timed<T>(work: () => T | Promise<T>): Promise<[ms: number, result: T]> {
  const begun = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return [Math.min(performance.now() - begun, (user + system) / 1000), result];
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

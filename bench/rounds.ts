/**
 * Ways to do the same job, measured against the first of them.
 *
 * @module
 */
import { sleep, systemClock } from "../core/clock.ts";
import { median } from "./figure.ts";

/** How quick one way is. */
export interface Pace {
  /** Milliseconds per job: the median of the rounds. */
  readonly ms: number;
  /** Its rate as a part of that of the first way: the median of the rounds. */
  readonly ratio: number;
}

/** What is measured. */
export interface RoundsOptions {
  /** How many jobs each way does, in all rounds together. */
  readonly jobs: number;
  /** How many at a time. */
  readonly width: number;
  /** How many rounds. */
  readonly rounds: number;
  /** How long to wait after each round, in milliseconds: what a server has still to do for one way is not to slow down the next. Default: 0. */
  readonly pauseMs?: number;
}

/**
 * Measures ways to do a job. Rounds of all are interleaved, so that whatever else the machine does falls on all alike.
 *
 * @param ways What does one job, by name; the first is what the others are compared with.
 * @param options How many jobs, at a time, and rounds.
 * @returns How quick each is.
 */
export async function inRounds<N extends string>(
  ways: Readonly<Record<N, () => Promise<void>>>,
  { jobs, width, rounds, pauseMs = 0 }: RoundsOptions,
): Promise<Readonly<Record<N, Pace>>> {
  const names = Object.keys(ways) as N[];
  const times = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<N, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      times[name].push(await perJob(ways[name], width, Math.ceil(jobs / rounds)));
      await sleep(systemClock, pauseMs);
    }
  }
  const bare = times[names[0]!];
  const pace = (all: readonly number[]): Pace => ({
    ms: median(all),
    ratio: median(all.map((time, round) => bare[round]! / time)),
  });
  return Object.fromEntries(names.map((name) => [name, pace(times[name])])) as Record<N, Pace>;
}

async function perJob(job: () => Promise<void>, width: number, jobs: number): Promise<number> {
  let left = jobs;
  const begin = performance.now();
  await Promise.all(Array.from({ length: width }, async () => {
    while (left-- > 0) await job();
  }));
  return (performance.now() - begin) / jobs;
}

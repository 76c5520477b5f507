/**
 * Why runs that were started do not go on: looked for now and then, and told when it is new.
 *
 * @module
 */
import { formatAttempt } from "../core/attempt.ts";
import type { Clock } from "../core/clock.ts";
import type { PipelineEvent } from "./events.ts";
import type { Flight } from "./flight.ts";

/** How long a run may take to begin before it is asked what it waits for, and how long between two looks at the least and at the most, in milliseconds. */
const SOON = 5000;
const LATE = 30_000;

/** So many runs of a task are looked at. */
const MOST = 20;

/** What is looked at, and who is told. */
export interface WaitsInit {
  /** The attempts under way. */
  readonly flights: () => Iterable<Flight>;
  readonly clock: Clock;
  readonly emit: (event: PipelineEvent) => void;
}

/** Knows what runs wait for, and tells what is new. */
export class Waits {
  readonly #init: WaitsInit;
  readonly #told = new Map<string, string>();

  /** @param init What is looked at, and who is told. */
  constructor(init: WaitsInit) {
    this.#init = init;
  }

  /**
   * Looks at all runs that have been under way for a while.
   *
   * @param signal When to stop.
   */
  async look(signal: AbortSignal): Promise<void> {
    const { clock } = this.#init;
    const tasks = new Map<string, Map<string, Flight>>();
    for (const flight of this.#init.flights()) {
      const { name, runner } = flight.state.task;
      if (!runner.waits || clock.now() - flight.since < SOON) continue;
      if (!tasks.has(name)) tasks.set(name, new Map());
      tasks.get(name)!.set(formatAttempt(flight.attempt), flight);
    }
    for (const name of this.#told.keys()) {
      if (![...tasks.values()].some((flights) => flights.has(name))) this.#told.delete(name);
    }
    await Promise.all([...tasks.values()].map((flights) => this.#lookAt(flights, signal)));
  }

  async #lookAt(flights: ReadonlyMap<string, Flight>, signal: AbortSignal): Promise<void> {
    const [{ state: { task } }] = flights.values() as unknown as [Flight];
    const found = new Map<string, string>();
    for await (const { attempt, why } of task.runner.waits!(task.name, { signal })) {
      // Of all of them when none is named: where they run nobody answers.
      for (const name of attempt ? [formatAttempt(attempt)] : flights.keys()) {
        if (flights.has(name) && found.size < MOST) found.set(name, why);
      }
      if (found.size >= MOST) break;
    }
    for (const [name, { attempt }] of flights) {
      const why = found.get(name);
      if (this.#told.get(name) === why) continue;
      if (why === undefined) this.#told.delete(name);
      else this.#told.set(name, why);
      this.#init.emit({ type: "waiting", at: this.#init.clock.now(), attempt, why });
    }
  }
}

/**
 * Looks now and then at what runs wait for.
 *
 * @param coordinator Who has started them.
 * @param clock The time.
 * @param emit Told what is new.
 * @returns What ends it.
 */
export function watchWaits(
  coordinator: { readonly flights: () => Iterable<Flight> },
  clock: Clock,
  emit: (event: PipelineEvent) => void,
): AsyncDisposable {
  const waits = new Waits({ flights: () => coordinator.flights(), clock, emit });
  const aborter = new AbortController();
  let looking: Promise<void> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout>;
  const next = (ms: number): void => {
    timer = setTimeout(() => {
      // What cannot be seen now is looked for again; what is wrong there is told by whoever waits for a run.
      looking = waits.look(aborter.signal).catch(() => {}).then(() => {
        if (!aborter.signal.aborted) next(Math.min(ms * 2, LATE));
      });
    }, ms);
  };
  next(SOON);
  return {
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      aborter.abort();
      await looking;
    },
  };
}

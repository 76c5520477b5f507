/**
 * What a run gets from the scheduler.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { Key } from "../core/key.ts";
import type { Quota } from "../core/quota.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { Repository } from "../repositories/repository.ts";
import type { KeyFeed, RunContext } from "../tasks/runner.ts";
import type { PipelineEvent } from "./events.ts";
import type { Flight } from "./flight.ts";
import type { PipelineState } from "./state.ts";

/** What it is made from. */
export interface FlightContextInit {
  readonly state: PipelineState;
  readonly clock: Clock;
  /** Where the logs of a task go. */
  readonly logs: (task: string) => BlobRepository | undefined;
  readonly emit: (event: PipelineEvent) => void;
  /** Whether nobody else runs the pipeline. When somebody may, what is under way is let go of. */
  readonly ours: () => boolean;
}

/** What a run gets from the scheduler. */
export class FlightContext implements RunContext {
  readonly #flight: Flight;
  readonly #init: FlightContextInit;

  constructor(flight: Flight, init: FlightContextInit) {
    this.#flight = flight;
    this.#init = init;
  }

  /** Looked at before anything counts: this process may have been stopped for a while. */
  get signal(): AbortSignal {
    this.#init.ours();
    return this.#flight.signal;
  }

  get graceMs(): number {
    return this.#flight.state.task.graceMs;
  }

  get quota(): Quota {
    return this.#flight.state.task.quota;
  }

  get clock(): Clock {
    return this.#init.clock;
  }

  get logs(): BlobRepository | undefined {
    return this.#flight.attempt.replica === 0 ? this.#init.logs(this.#flight.attempt.task) : undefined;
  }

  log(line: string): void {
    this.#flight.log(line);
    this.#init.emit({ type: "log", at: this.#init.clock.now(), attempt: this.#flight.attempt, line });
  }

  located(where: string): void {
    this.#flight.where = where;
    this.#init.emit({ type: "located", at: this.#init.clock.now(), attempt: this.#flight.attempt, where });
  }

  feed(link: string, signal?: AbortSignal): KeyFeed {
    const { state, job, attempt: { replica }, signal: own } = this.#flight;
    const either = signal ? AbortSignal.any([own, signal]) : own;
    return this.#init.state.feeds.feed(state, link, { job, replica }, either);
  }

  published(repository: Repository, key: Key): void {
    this.#init.state.observer.announce(repository, key, true);
  }
}

/**
 * Recording how attempts ended: outputs were published before, and what is written here is the commit.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { Ending } from "../tasks/runner.ts";
import type { PipelineEvent } from "./events.ts";
import type { Flight } from "./flight.ts";
import type { Line, OnTrouble } from "./line.ts";
import { retryDelay, worthRetrying } from "./retry.ts";
import type { PipelineState } from "./state.ts";

/** What a recorder needs of the pipeline. */
export interface RecorderInit {
  readonly state: PipelineState;
  readonly clock: Clock;
  readonly random: Random;
  readonly logs: (task: string) => BlobRepository | undefined;
  readonly emit: (event: PipelineEvent) => void;
  /** Whether nobody else runs the pipeline. When somebody may, nothing is recorded any more. */
  readonly ours: () => boolean;
}

/** What a recorder asks of the coordinator. */
export interface RecorderHost {
  readonly onTrouble: OnTrouble;
  /** Whether nothing more is started, so that there is no time for more tries. */
  readonly draining: () => boolean;
  /** Does something that the end of the run waits for. */
  readonly inBackground: (work: () => Promise<void>) => void;
}

/** What became of a job: it is over, it is tried again after a while (milliseconds), or its end could not be recorded. */
export type Recorded = { readonly over: Outcome } | { readonly retryIn: number } | "stuck";

/** How often a write is tried. */
const TRIES = 5;

/** Records how attempts ended. */
export class Recorder {
  readonly #init: RecorderInit;
  readonly #host: RecorderHost;

  constructor(init: RecorderInit, host: RecorderHost) {
    this.#init = init;
    this.#host = host;
  }

  /**
   * Records how an attempt ended.
   *
   * @param line Its task.
   * @param flight The attempt.
   * @param ending How it ended.
   * @returns What became of the job.
   */
  async record(line: Line, flight: Flight, ending: Ending): Promise<Recorded> {
    const { earlier, state: { task } } = line;
    const { clock, random, logs } = this.#init;
    const before = earlier.get(flight.job) ?? [];
    const outcome = flight.outcome(ending, clock.now(), before);
    const log = logs(task.name);
    if (log && flight.hasLog(ending)) {
      await this.#persist(line, flight, "keep the log", () => flight.keepLog(log, ending), 1);
    }
    const begun = before[0] ? Date.parse(before[0].start) : flight.since;
    const left = task.totalTimeoutMs - (clock.now() - begun);
    const wait = this.#again(line, flight.job, outcome, left)
      ? retryDelay(task.retry, flight.attempt.attempt, random)
      : Infinity;
    return wait < left
      ? await this.#retry(line, flight, ending, outcome, wait)
      : await this.#commit(line, flight, ending, outcome);
  }

  /** Keeps the attempt on record, so that a later coordinator counts it too. */
  async #retry(
    line: Line,
    flight: Flight,
    ending: Ending,
    outcome: Outcome,
    wait: number,
  ): Promise<Recorded> {
    const { attempt, job } = flight;
    const { clock, emit, logs, state: { observer } } = this.#init;
    const { attempts } = line.state.task.outcomes;
    const retryAt = clock.now() + wait;
    const { earlier: _, ...alone } = outcome;
    const outcomes = [...line.earlier.get(job) ?? [], alone];
    const written = await this.#persist(line, flight, "record the attempt", async () => {
      await keepAttemptLog(logs(attempt.task), attempt);
      await attempts.set(attempt.job, { outcomes, retryAt: new Date(retryAt).toISOString() });
    });
    if (!written) return "stuck";
    observer.announce(attempts, attempt.job, true);
    line.earlier.set(job, outcomes);
    emit({ type: "retrying", at: clock.now(), attempt, outcome, retryAt });
    this.#host.inBackground(async () => await ending.release?.());
    return { retryIn: wait };
  }

  /** Records that the job is over. */
  async #commit(line: Line, flight: Flight, ending: Ending, outcome: Outcome): Promise<Recorded> {
    const { attempt, job } = flight;
    const { state } = line;
    const { clock, emit, state: { observer } } = this.#init;
    const { outcomes } = state.task;
    const commit = (): Promise<void> => outcomes.commit(attempt.job, outcome);
    if (!await this.#persist(line, flight, "record the outcome", commit)) return "stuck";
    observer.announce(outcome.success ? outcomes.success : outcomes.failed, attempt.job, true);
    emit({ type: "finished", at: clock.now(), attempt, outcome });
    if (state.attempted.set.has(job) || (outcome.success && state.failed.set.has(job)) || ending.release) {
      this.#host.inBackground(() => this.#tidy(line, flight, ending, outcome));
    }
    line.earlier.delete(job);
    return { over: outcome };
  }

  /** Removes what the recorded outcome has made superfluous. A crash in between is made up for by the next run. */
  async #tidy({ state }: Line, { job, attempt }: Flight, ending: Ending, outcome: Outcome): Promise<void> {
    const { observer } = this.#init.state;
    const { attempts, failed } = state.task.outcomes;
    if (state.attempted.set.has(job)) {
      await attempts.delete(attempt.job);
      observer.announce(attempts, attempt.job, false);
    }
    if (outcome.success && state.failed.set.has(job)) {
      await failed.delete(attempt.job);
      observer.announce(failed, attempt.job, false);
    }
    await ending.release?.();
  }

  /** Whether a job is tried again; not when asking its task throws. */
  #again({ state }: Line, job: number, outcome: Outcome, leftMs: number): boolean {
    try {
      return worthRetrying(state.task.retry, outcome, leftMs);
    } catch (error) {
      const key = this.#init.state.keys.key(job);
      const message =
        `Cannot ask retry.when of task ${state.task.name} about job "${key}"; it is not tried again`;
      this.#host.onTrouble(state, job, message, error);
      return false;
    }
  }

  /** Writes with a few tries; says what went wrong. */
  async #persist(
    line: Line,
    flight: Flight,
    what: string,
    write: () => Promise<void>,
    tries = TRIES,
  ): Promise<boolean> {
    const { job, task } = flight.attempt;
    for (let n = 1;; n++) {
      if (!this.#init.ours()) return false;
      try {
        await write();
        return true;
      } catch (error) {
        this.#host.onTrouble(line.state, flight.job, `Cannot ${what} of job "${job}" of task ${task}`, error);
        if (n >= tries || this.#host.draining()) return false;
        await new Promise<void>((resolve) => this.#init.clock.after(100 * 2 ** n, resolve));
      }
    }
  }
}

/** Keeps the log of an attempt that will be followed by another, which writes its own in its place. */
async function keepAttemptLog(logs: BlobRepository | undefined, attempt: Attempt): Promise<void> {
  const beside = logs?.driver.beside?.(`attempt-${attempt.attempt}`);
  const stream = beside && await logs!.driver.read(attempt.job);
  if (!stream) return;
  await beside.prepare?.();
  await beside.write(attempt.job, stream);
}

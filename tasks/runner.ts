/**
 * The contract between the scheduler and a kind of task: how one attempt is run to its end.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Clock } from "../core/clock.ts";
import type { Key } from "../core/key.ts";
import type { Quota } from "../core/quota.ts";
import type { ResourceUse } from "../executors/executor.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Agent } from "./agent.ts";
import type { OutcomeReason, RecordedError } from "./outcome.ts";

/** What tasks share when they run in the same place. Tasks whose pools have one name share it. */
export interface Pool {
  /** What people call it: `in-process`, `local`. */
  readonly name: string;
  /** What all runs together may use; a resource that is not named has no limit. */
  readonly capacity: Quota;
  /** What one run may use at the most, of which a quota may be a share, where that is less than the capacity: that of the largest of several machines. */
  readonly most?: Quota | undefined;
  /** How many runs at once at the most. */
  readonly width: number;
}

/** The items of a streaming input, each once. Whoever has called `next()` and got no answer waits; a stream may end when all who read wait. */
export interface KeyFeed extends AsyncIterableIterator<Key, void, void> {
  /**
   * Items that are there, without waiting for more.
   *
   * @param atMost How many.
   * @returns Them. They are not given again.
   */
  ready(atMost: number): readonly Key[];
}

/** What a run gets from the scheduler. */
export interface RunContext {
  /** Aborted with a `StopError` when the run shall end. */
  readonly signal: AbortSignal;
  /** How long a polite stop may take before force, in milliseconds. */
  readonly graceMs: number;
  /** What the run may use. */
  readonly quota: Quota;
  /** What it says goes here. Lines may come at any rate; they are written in order. */
  log(line: string): void;
  /** Where logs of processes go when the run has ended. Nothing: they are thrown away. */
  readonly logs: BlobRepository | undefined;
  /** Says where it runs, for people. */
  located(where: string): void;
  /** Says that a value was put into a repository, so that nobody has to list it in order to know. Call it after each published output. */
  published(repository: Repository, key: Key): void;
  /**
   * The items of a streaming input of the job: those that are there, then those that come, each once. It ends when nobody can bring another.
   * Each call begins anew.
   *
   * @param link The name of the link.
   * @param signal When to stop; the run's own signal stops it too.
   */
  feed(link: string, signal?: AbortSignal): KeyFeed;
  /** The time. */
  readonly clock: Clock;
}

/** How a run ended. */
export interface Ending {
  /** How. A run that was stopped ends with the reason of the stop, whatever its exit code. */
  readonly reason: OutcomeReason | "shut-down" | "gave-way";
  /** When it began, in milliseconds since 1970, where the runner knows better than the scheduler. */
  readonly start?: number | undefined;
  /** When it ended, likewise. */
  readonly end?: number | undefined;
  /** The exit code of a process. */
  readonly exitCode?: number | undefined;
  /** The signal that ended a process. */
  readonly signal?: string | undefined;
  /** What went wrong. */
  readonly error?: RecordedError | undefined;
  /** What it used. */
  readonly resources?: ResourceUse | undefined;
  /** Where it ran. */
  readonly where?: string | undefined;
  /** Gives back what is kept of the run; called once its end is recorded, and not before. */
  readonly release?: (() => Promise<void>) | undefined;
}

/** A run that an earlier coordinator started. */
export interface FoundRun {
  /** Which. */
  readonly attempt: Attempt;
  /** When it was started, in milliseconds since 1970. */
  readonly since: number;
  /** Where it is, for people. */
  readonly where: string;
  /** Why it has not begun, where it has not, or does not go on. */
  readonly waiting?: string | undefined;
}

/** A run that waits where it was started. */
export interface WaitingRun {
  /** Which; all of them where nobody answers. */
  readonly attempt?: Attempt | undefined;
  /** What for. */
  readonly why: string;
}

/** What a runner gets when it is opened. */
export interface RunnerOpen {
  /** A folder for what must outlive the coordinator. */
  readonly state: string;
  /** When to stop. */
  readonly signal?: AbortSignal | undefined;
  /** Whether it is opened to see what is there: what can wait for the first run that is started is not made before. Default: `false`. */
  readonly look?: boolean | undefined;
  /** Gives the agent of the pipeline, which starts when it is first asked for. Absent: there is none, and what needs it fails. */
  readonly agent?: (() => Promise<Agent>) | undefined;
}

/** How to look for runs of earlier coordinators. */
export interface FindOptions {
  /** When to stop. */
  readonly signal?: AbortSignal | undefined;
  /** Whether what was brought for runs that are no more is removed: only for who starts runs, before it has started any. Default: `false`. */
  readonly sweep?: boolean | undefined;
}

/** How the attempts of a task are run. */
export interface Runner {
  /** Where they run. */
  readonly pool: Pool;
  /** What a run uses when the task does not say. */
  readonly defaultQuota: Quota;
  /** Makes ready. `state` is a folder for what must outlive the coordinator. Safe to call twice. */
  open?(options: RunnerOpen): Promise<void>;
  /** Gives back what `open` took. */
  close?(): Promise<void>;
  /**
   * Runs one attempt to its end: brings inputs, runs the body, publishes outputs when it has succeeded. It never rejects for the work's
   * sake; a rejection is trouble of the infrastructure, and the attempt does not count.
   */
  run(attempt: Attempt, context: RunContext): Promise<Ending> | Ending;
  /** Runs of earlier coordinators, alive or ended, that were never released. */
  find?(task: string, options?: FindOptions): AsyncIterable<FoundRun>;
  /** Runs that this process has started and that are under way, for reports: nothing is taken over or given back. */
  located?(task: string, options: { readonly signal: AbortSignal }): AsyncIterable<FoundRun>;
  /** Runs that have not begun, or do not go on, and why; all of the task where no attempt is named: nobody answers there. */
  waits?(task: string, options: { readonly signal: AbortSignal }): AsyncIterable<WaitingRun>;
  /** Takes over a run that `find` has found and sees it to its end, as `run` does. */
  adopt?(attempt: Attempt, context: RunContext): Promise<Ending>;
  /**
   * Ends a run that `find` has found, when it still runs, and gives back all that is kept of it; publishes nothing. For runs of jobs that are
   * over, and of attempts that are not the newest.
   */
  discard?(attempt: Attempt): Promise<void>;
  /** What a live run has written so far, and goes on to write. */
  follow?(
    attempt: Attempt,
    options: { readonly signal: AbortSignal; readonly follow: boolean },
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

/**
 * The contract of whoever runs functions of modules outside of the coordinator's own thread, with a conversation while they run.
 *
 * Such a run lives no longer than its coordinator: whoever comes next runs the attempt again.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Clock } from "../core/clock.ts";
import type { Quota } from "../core/quota.ts";
import type { ResourceUse } from "./executor.ts";
import type { Permissions } from "./permissions.ts";

/** A function to run, and all that it may reach. */
export interface FunctionWork {
  /** The address of the module whose default export is the function: `file:///…`, `https://…`, `jsr:…`. */
  readonly module: string;
  /** What it may do besides using what it is called with. Nothing, where nothing is said. */
  readonly permissions: Permissions;
  /** What it is called with. Functions, streams and iterables in it stay here: the run uses them from afar, and only while it lasts. */
  readonly context: Readonly<Record<string, unknown>>;
}

/** What a run gets. */
export interface FunctionRunOptions {
  /** Aborted when the run shall end: the function is told, and what is still there after the grace is killed. */
  readonly signal: AbortSignal;
  /** How long a polite stop may take before force, in milliseconds. */
  readonly graceMs: number;
  /** What the run may use. `memory` is enforced where that is possible. */
  readonly quota: Quota;
  /** The time. */
  readonly clock: Clock;
  /** What it says goes here, a line at a time. */
  log(line: string): void;
  /** Says where it runs, for people. */
  located(where: string): void;
}

/** How a run has ended. */
export interface FunctionEnd {
  /** What the function has thrown, or what else went wrong. Absent: it has returned. */
  readonly error?: { readonly reason: unknown } | undefined;
  /** What it used, as far as it is known. */
  readonly resources?: ResourceUse | undefined;
}

/** Runs functions of modules. Made by {@linkcode workerPool}. */
export interface FunctionExecutor {
  /** Tells it from executors of processes. */
  readonly kind: "functions";
  /** What people call it: `workers`. Tasks on executors of one name share its capacity. */
  readonly name: string;
  /** What all its runs together may use. A resource that is not named has no limit. */
  readonly capacity: Quota;
  /** How many run at once at the most. */
  readonly width: number;
  /** Makes ready. Each call is met by one of `close`. */
  open(): Promise<void>;
  /** Ends what was started, once it was called as often as `open`. */
  close(): Promise<void>;
  /**
   * Runs a function to its end. When this resolves, nothing of the run is left. It rejects when no run could be started for reasons that are
   * not the work's: no program, no folder.
   *
   * @param attempt Which.
   * @param work What.
   * @param options How.
   * @returns How it has ended.
   */
  run(attempt: Attempt, work: FunctionWork, options: FunctionRunOptions): Promise<FunctionEnd>;
}

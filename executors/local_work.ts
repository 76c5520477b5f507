/**
 * What the executor of this machine does, once something is asked of it.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import { checkAttempt, stillRuns, unknownRun } from "./attempts.ts";
import type { CallOptions, Executor, LogOptions, ProcessWork, RunStatus, StartOptions } from "./executor.ts";
import { localError } from "./local_error.ts";
import { interpreterOf } from "./local_interpreter.ts";
import { followFile } from "./local_logs.ts";
import { LocalRuns } from "./local_runs.ts";
import type { RunEnvironment } from "./local_shell.ts";
import { endSession } from "./local_stop.ts";
import { RunStore } from "./local_store.ts";
import { Opening } from "./opening.ts";
import { ownIdentity } from "./process_identity.ts";

/** What can be asked of an executor; what it is aside. */
type Calls = Omit<Executor<ProcessWork>, "accepts" | "capacity" | "sees">;

/** Runs work as processes of this machine: what {@linkcode localExecutor} loads with the first call. */
export class LocalWork implements Calls {
  /** What people call the executor. */
  readonly name: string;
  readonly #environment: RunEnvironment;
  readonly #opening: Opening<LocalRuns>;

  /**
   * Makes it, with nothing open.
   *
   * @param name What people call the executor.
   * @param environment What runs find in their environment.
   */
  constructor(name: string, environment: RunEnvironment) {
    this.name = name;
    this.#opening = new Opening(name);
    this.#environment = environment;
  }

  /** Opens it with the folder where runs are kept. */
  async open(
    options: CallOptions & { readonly state: string; readonly look?: boolean | undefined },
  ): Promise<void> {
    await this.#opening.open(options, (state) => this.#prepare(state, options.look ?? false));
  }

  async #prepare(state: string, look: boolean): Promise<LocalRuns> {
    try {
      const identity = await ownIdentity();
      const store = new RunStore(`${state}/runs`, identity);
      if (!look) await store.prepare();
      return new LocalRuns(store, identity, this.#environment);
    } catch (error) {
      throw localError(`open executor ${this.name} with its state in ${state}`, error, "io", state);
    }
  }

  /** Lets go of the runs, which go on. */
  async close(): Promise<void> {
    await (await this.#opening.close())?.close();
  }

  /** Tells whether processes can be started. */
  async probe(): Promise<{ readonly healthy: boolean; readonly reason?: string }> {
    try {
      const runs = await this.#opening.get("probe");
      await runs.store.prepare();
      await runs.warm();
      const reason = runs.store.full();
      return reason === undefined ? { healthy: true } : { healthy: false, reason };
    } catch (error) {
      const told = localError("start processes", error, "cannot-start", this.#opening.state ?? "");
      return { healthy: false, reason: (told as Error).message };
    }
  }

  /** Starts a run. */
  async start(attempt: Attempt, work: ProcessWork, options: StartOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const subject = formatAttempt(attempt);
    checkAttempt(this.name, attempt);
    const runs = await this.#opening.get(`start ${subject}`);
    const interpreter = interpreterOf({ subject, script: work.script, environment: work.environment });
    const { script, environment, notes, stdin } = work;
    try {
      await runs.start(attempt, {
        script,
        environment,
        notes,
        stdin,
        splitStderr: !work.mergeStderr,
        interpreter,
      }, options.signal);
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      throw runs.store.gone(subject, this.name) ??
        localError(`start ${subject} on ${this.name}`, error, "cannot-start", runs.store.root);
    }
  }

  /** All runs that are kept. */
  async *list(
    options: CallOptions & { readonly task?: string } = {},
  ): AsyncGenerator<RunStatus, void, void> {
    const runs = await this.#opening.get("list runs");
    for (const [name, attempt] of runs.store.names(options.task)) {
      options.signal?.throwIfAborted();
      const status = await runs.status(name, attempt);
      if (status) yield status;
    }
  }

  /** Waits for the end of a run. */
  async wait(
    attempt: Attempt,
    options: CallOptions = {},
  ): Promise<RunStatus & { state: "finished" | "lost" }> {
    const runs = await this.#opening.get(`wait for ${formatAttempt(attempt)}`);
    const status = await runs.ended(RunStore.nameOf(attempt), attempt, options.signal);
    if (status) return status;
    throw unknownRun(this.name, "wait for", attempt);
  }

  /** Ends a run. */
  async stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void> {
    const runs = await this.#opening.get(`stop ${formatAttempt(attempt)}`);
    const name = RunStore.nameOf(attempt);
    const session = await runs.session(name, attempt, options.signal);
    if (session === undefined) return;
    runs.noReuse(name);
    await endSession({
      session,
      graceMs: options.graceMs,
      over: () => runs.isOver(name),
      within: (ms) => runs.endedWithin(name, attempt, ms, options.signal),
      record: (code) => runs.store.finish(name, code),
    });
    await runs.clear(session);
  }

  /** What a run has written. */
  async logs(attempt: Attempt, options: LogOptions = {}): Promise<ReadableStream<Bytes>> {
    const runs = await this.#opening.get(`read the log of ${formatAttempt(attempt)}`);
    const name = RunStore.nameOf(attempt);
    if (!await runs.status(name, attempt)) throw unknownRun(this.name, "read the log of", attempt);
    const path = `${runs.store.root}/${name}/${options.stream ?? "stdout"}`;
    return followFile(
      path,
      options.follow
        ? {
          writing: async () => (await runs.status(name, attempt))?.state === "running",
          ended: runs.own(name)?.ended,
          signal: options.signal,
        }
        : undefined,
    );
  }

  /** Removes all that is kept of a run. */
  async forget(attempt: Attempt): Promise<void> {
    const runs = await this.#opening.get(`forget ${formatAttempt(attempt)}`);
    const name = RunStore.nameOf(attempt);
    if (!runs.isOver(name) && (await runs.status(name, attempt))?.state === "running") {
      throw stillRuns(this.name, attempt);
    }
    await runs.forget(name);
  }
}

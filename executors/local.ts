/**
 * Runs work as processes of this machine, so that they outlive the coordinator and are found again.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import { ExecutorError } from "../core/errors.ts";
import { parseQuota, type Quota, type QuotaInit } from "../core/quota.ts";
import { checkKey } from "../core/key.ts";
import type { CallOptions, Executor, LogOptions, ProcessWork, RunStatus, StartOptions } from "./executor.ts";
import { interpreterOf } from "./local_interpreter.ts";
import { followFile } from "./local_logs.ts";
import { LocalRuns } from "./local_runs.ts";
import { endSession } from "./local_stop.ts";
import { localError, RunStore } from "./local_store.ts";
import { ownIdentity } from "./process_identity.ts";

/** Options of {@linkcode localExecutor}. */
export interface LocalExecutorOptions {
  /** What people call it. Default: `local`. */
  readonly name?: string;
  /** What all its runs together may use. Default: the cores and the memory of this machine. */
  readonly capacity?: QuotaInit;
  /**
   * What runs find in their environment besides what their work adds: that of this process (`inherit`, the default), next to nothing
   * (`minimal`: `PATH`, `HOME`, `LANG`), or just this.
   */
  readonly environment?: "inherit" | "minimal" | Readonly<Record<string, string>>;
}

function machine(): Quota {
  try {
    return { cpu: navigator.hardwareConcurrency, memory: Deno.systemMemoryInfo().total };
  } catch {
    // Without --allow-sys the memory is not known, and has no limit.
    return { cpu: navigator.hardwareConcurrency };
  }
}

function environmentOf(
  option: LocalExecutorOptions["environment"],
): { readonly clear: boolean; readonly add: Record<string, string> } {
  if (option === undefined || option === "inherit") return { clear: false, add: {} };
  if (option !== "minimal") return { clear: true, add: { ...option } };
  const add: Record<string, string> = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/", LANG: "C.UTF-8" };
  for (const name of Object.keys(add)) {
    if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") continue;
    const value = Deno.env.get(name);
    if (value !== undefined) add[name] = value;
  }
  return { clear: true, add };
}

/**
 * Runs work as processes of this machine.
 *
 * Each run has a folder of its own below the state folder, a session and process group of its own, and a small shell that records how it ended. Runs
 * go on when the coordinator leaves or is killed, Ctrl-C does not reach them, and the next coordinator finds them. What a script leaves
 * running in the background is ended with it, unless it has moved to a session of its own (`setsid`).
 *
 * @param options Its name, its capacity, and the environment of its runs.
 * @returns The executor.
 * @throws {DefinitionError} When the capacity is no quota.
 * @example Run a script
 * ```ts
 * import { localExecutor } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const executor = localExecutor();
 * const state = await Deno.makeTempDir();
 * await executor.open({ state });
 * const attempt = { task: "hello", job: "world", replica: 0, attempt: 1 };
 * const work = { kind: "process", script: "echo hello", environment: {}, mergeStderr: true, notes: {} } as const;
 * await executor.start(attempt, work, { quota: {} });
 * const status = await executor.wait(attempt);
 * assert(status.state === "finished" && status.exitCode === 0);
 * assert.equal(await new Response(await executor.logs(attempt)).text(), "hello\n");
 * await executor.forget(attempt);
 * await executor.close();
 * await Deno.remove(state, { recursive: true });
 * ```
 */
export function localExecutor(options: LocalExecutorOptions = {}): Executor<ProcessWork> {
  return new LocalExecutor(options);
}

class LocalExecutor implements Executor<ProcessWork> {
  readonly name: string;
  readonly accepts: ReadonlySet<string> = new Set(["process"]);
  readonly capacity: Quota;
  readonly sees = "files" as const;
  readonly #environment: { readonly clear: boolean; readonly add: Record<string, string> };
  #open: { readonly state: string; readonly runs: Promise<LocalRuns> } | undefined;

  constructor(options: LocalExecutorOptions) {
    this.name = options.name ?? "local";
    this.capacity = options.capacity
      ? parseQuota(options.capacity, `capacity of executor ${this.name}:`)
      : machine();
    this.#environment = environmentOf(options.environment);
  }

  async open(options: CallOptions & { readonly state: string }): Promise<void> {
    options.signal?.throwIfAborted();
    const state = options.state.startsWith("/") ? options.state : `${Deno.cwd()}/${options.state}`;
    if (this.#open && this.#open.state !== state) {
      throw new ExecutorError(
        "conflict",
        `Cannot open executor ${this.name} with its state in ${state}: it is open with ${this.#open.state}; close it first, or make another`,
        { operation: "open", subject: this.name },
      );
    }
    this.#open ??= { state, runs: this.#prepare(state) };
    try {
      await this.#open.runs;
    } catch (error) {
      this.#open = undefined;
      throw localError(`open executor ${this.name} with its state in ${state}`, error, "io");
    }
  }

  async #prepare(state: string): Promise<LocalRuns> {
    const identity = await ownIdentity();
    const store = new RunStore(`${state}/runs`, identity);
    await store.prepare();
    return new LocalRuns(store, identity, this.#environment);
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await (await open?.runs)?.close();
  }

  #runs(action: string): Promise<LocalRuns> {
    if (this.#open) return this.#open.runs;
    throw new ExecutorError(
      "cannot-start",
      `Cannot ${action} on executor ${this.name}: it is not open; call open() first`,
      { operation: action.split(" ")[0]!, subject: this.name },
    );
  }

  async probe(): Promise<{ readonly healthy: boolean; readonly reason?: string }> {
    try {
      const runs = await this.#runs("probe");
      await runs.store.prepare();
      await runs.warm();
      return { healthy: true };
    } catch (error) {
      return {
        healthy: false,
        reason: (localError(`start processes`, error, "cannot-start") as Error).message,
      };
    }
  }

  async start(attempt: Attempt, work: ProcessWork, options: StartOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const subject = formatAttempt(attempt);
    checkKey(attempt.task, "start a run of task", this.name);
    checkKey(attempt.job, "start", `task ${attempt.task}`);
    const runs = await this.#runs(`start ${subject}`);
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
        localError(`start ${subject} on ${this.name}`, error, "cannot-start");
    }
  }

  async *list(
    options: CallOptions & { readonly task?: string } = {},
  ): AsyncGenerator<RunStatus, void, void> {
    const runs = await this.#runs("list runs");
    for (const [name, attempt] of runs.store.names(options.task)) {
      options.signal?.throwIfAborted();
      const status = await runs.status(name, attempt);
      if (status) yield status;
    }
  }

  async wait(
    attempt: Attempt,
    options: CallOptions = {},
  ): Promise<RunStatus & { state: "finished" | "lost" }> {
    const runs = await this.#runs(`wait for ${formatAttempt(attempt)}`);
    const status = await runs.ended(RunStore.nameOf(attempt), attempt, options.signal);
    if (status) return status;
    throw this.#unknown("wait for", attempt);
  }

  async stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void> {
    const runs = await this.#runs(`stop ${formatAttempt(attempt)}`);
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

  async logs(attempt: Attempt, options: LogOptions = {}): Promise<ReadableStream<Bytes>> {
    const runs = await this.#runs(`read the log of ${formatAttempt(attempt)}`);
    const name = RunStore.nameOf(attempt);
    if (!await runs.status(name, attempt)) throw this.#unknown("read the log of", attempt);
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

  async forget(attempt: Attempt): Promise<void> {
    const runs = await this.#runs(`forget ${formatAttempt(attempt)}`);
    const name = RunStore.nameOf(attempt);
    if (!runs.isOver(name) && (await runs.status(name, attempt))?.state === "running") {
      throw new ExecutorError(
        "conflict",
        `Cannot forget ${formatAttempt(attempt)} on ${this.name}: it still runs; stop it, or wait for it`,
        { operation: "forget", subject: attempt.task, key: attempt.job },
      );
    }
    await runs.forget(name);
  }

  #unknown(action: string, attempt: Attempt): ExecutorError {
    return new ExecutorError(
      "unknown-run",
      `Cannot ${action} ${
        formatAttempt(attempt)
      } on ${this.name}: no such run is kept; it was never started, or was forgotten`,
      { operation: action, subject: attempt.task, key: attempt.job },
    );
  }
}

/**
 * An executor that runs nothing: for tests of what is built on executors, with every trouble of the world on demand.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import { type Bytes, encodeText, toStream } from "../core/bytes.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { ExecutorError } from "../core/errors.ts";
import { parseQuota, type Quota, type QuotaInit } from "../core/quota.ts";
import { stillRuns, unknownRun } from "../executors/attempts.ts";
import type { CallOptions, Executor, ProcessWork, RunStatus, StartOptions } from "../executors/executor.ts";

/** What a fake run is asked with: which attempt, and its work. */
export interface FakeRun {
  /** Which. */
  readonly attempt: Attempt;
  /** What it was to do. */
  readonly work: ProcessWork;
}

/** What a fake does: the same for all runs, or asked for each. */
export type FakeAnswer<T> = T | ((run: FakeRun) => T);

/** Options of {@linkcode fakeExecutor}. */
export interface FakeExecutorOptions {
  /** Where the time comes from. Default: the clock of this machine. */
  readonly clock?: Clock;
  /** What people call it. Default: `fake`. */
  readonly name?: string;
  /** What all its runs together may use. Default: no limit. */
  readonly capacity?: QuotaInit;
  /** How long a run takes, in milliseconds. Default: 0. `Infinity` runs until it is stopped. */
  readonly runFor?: FakeAnswer<number>;
  /** What a run leaves with. Default: 0. */
  readonly exitCode?: FakeAnswer<number>;
  /** Why a start is refused; nothing to have it start. Default: nothing. */
  readonly refuse?: FakeAnswer<string | undefined>;
  /** Whether a run is lost in place of ending. Default: `false`. */
  readonly vanish?: FakeAnswer<boolean>;
  /** Why a run that is there does not go on; nothing when it does. Default: nothing. */
  readonly waiting?: FakeAnswer<string | undefined>;
  /** What a run writes. Default: nothing. */
  readonly output?: FakeAnswer<string>;
}

interface Kept extends FakeRun {
  status: RunStatus;
  readonly ended: PromiseWithResolvers<void>;
  cancel: (() => void) | undefined;
}

const keyOf = ({ task, job, replica, attempt }: Attempt): string =>
  JSON.stringify([task, job, replica, attempt]);

const ask = <T>(answer: FakeAnswer<T> | undefined, run: FakeRun, otherwise: T): T =>
  answer === undefined
    ? otherwise
    : typeof answer === "function"
    ? (answer as (run: FakeRun) => T)(run)
    : answer;

/**
 * An executor that runs nothing, and says of each run what it is told to.
 *
 * @param options How long runs take, how they end, and what goes wrong.
 * @returns The executor.
 * @example A run that fails
 * ```ts
 * import { fakeExecutor } from "@datatask/datatask/testing";
 * import assert from "node:assert/strict";
 *
 * const executor = fakeExecutor({ exitCode: ({ attempt }) => attempt.job === "bad" ? 1 : 0 });
 * const attempt = { task: "t", job: "bad", replica: 0, attempt: 1 };
 * const work = { kind: "process", script: "", environment: {}, mergeStderr: true, notes: {} } as const;
 * await executor.start(attempt, work, { quota: {} });
 * const status = await executor.wait(attempt);
 * assert(status.state === "finished" && status.exitCode === 1);
 * ```
 */
export function fakeExecutor(options: FakeExecutorOptions = {}): Executor<ProcessWork> {
  return new FakeExecutor(options);
}

class FakeExecutor implements Executor<ProcessWork> {
  readonly name: string;
  readonly accepts: ReadonlySet<string> = new Set(["process"]);
  readonly capacity: Quota;
  readonly sees = "files" as const;
  readonly #options: FakeExecutorOptions;
  readonly #clock: Clock;
  readonly #runs = new Map<string, Kept>();

  constructor(options: FakeExecutorOptions) {
    this.#options = options;
    this.name = options.name ?? "fake";
    this.capacity = parseQuota(options.capacity ?? {}, `capacity of executor ${this.name}:`);
    this.#clock = options.clock ?? systemClock;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  probe(): Promise<{ readonly healthy: boolean }> {
    return Promise.resolve({ healthy: true });
  }

  // deno-lint-ignore require-await
  async start(attempt: Attempt, work: ProcessWork, options: StartOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const run: FakeRun = { attempt, work };
    const key = keyOf(attempt);
    if (this.#runs.has(key)) throw this.#refusal("already-exists", attempt, "it was started before");
    const refused = ask(this.#options.refuse, run, undefined);
    if (refused !== undefined) throw this.#refusal("cannot-start", attempt, refused);
    const base = { attempt, since: this.#clock.now(), where: `fake ${this.#runs.size}`, notes: work.notes };
    const kept: Kept = {
      ...run,
      status: { ...base, state: "running", waiting: ask(this.#options.waiting, run, undefined) },
      ended: Promise.withResolvers<void>(),
      cancel: undefined,
    };
    this.#runs.set(key, kept);
    const ms = ask(this.#options.runFor, run, 0);
    if (ms <= 0) this.#end(kept, ask(this.#options.exitCode, run, 0));
    else if (ms !== Infinity) {
      kept.cancel = this.#clock.after(ms, () => this.#end(kept, ask(this.#options.exitCode, run, 0)));
    }
  }

  #end(kept: Kept, end: number | "SIGTERM"): void {
    if (kept.status.state !== "running") return;
    kept.cancel?.();
    const { attempt, since, where, notes } = kept.status;
    const base = { attempt, since, where, notes };
    kept.status = ask(this.#options.vanish, kept, false)
      ? { ...base, state: "lost", reason: "the fake was told to lose it" }
      : {
        ...base,
        state: "finished",
        until: this.#clock.now(),
        ...(typeof end === "number" ? { exitCode: end } : { signal: end }),
      };
    kept.ended.resolve();
  }

  async *list(options: CallOptions & { readonly task?: string } = {}): AsyncGenerator<RunStatus, void, void> {
    for (const { status } of [...this.#runs.values()]) {
      options.signal?.throwIfAborted();
      if (options.task === undefined || status.attempt.task === options.task) yield await status;
    }
  }

  async wait(
    attempt: Attempt,
    options: CallOptions = {},
  ): Promise<RunStatus & { state: "finished" | "lost" }> {
    const kept = this.#known("wait for", attempt);
    const { signal } = options;
    signal?.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([kept.ended.promise, aborted.promise]);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    return kept.status as RunStatus & { state: "finished" | "lost" };
  }

  stop(attempt: Attempt): Promise<void> {
    const kept = this.#runs.get(keyOf(attempt));
    if (kept) this.#end(kept, "SIGTERM");
    return Promise.resolve();
  }

  // deno-lint-ignore require-await
  async logs(attempt: Attempt): Promise<ReadableStream<Bytes>> {
    const kept = this.#known("read the log of", attempt);
    return toStream(encodeText(ask(this.#options.output, kept, "")));
  }

  // deno-lint-ignore require-await
  async forget(attempt: Attempt): Promise<void> {
    const key = keyOf(attempt);
    if (this.#runs.get(key)?.status.state === "running") throw stillRuns(this.name, attempt);
    this.#runs.delete(key);
  }

  #known(action: string, attempt: Attempt): Kept {
    const kept = this.#runs.get(keyOf(attempt));
    if (kept) return kept;
    throw unknownRun(this.name, action, attempt);
  }

  #refusal(code: "already-exists" | "cannot-start", attempt: Attempt, why: string): ExecutorError {
    return new ExecutorError(code, `Cannot start ${formatAttempt(attempt)} on ${this.name}: ${why}`, {
      operation: "start",
      subject: attempt.task,
      key: attempt.job,
    });
  }
}

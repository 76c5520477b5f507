/**
 * The face of the runner of scripts. Behind it is nothing until a pipeline opens it: programs that define tasks need not run them.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Quota } from "../core/quota.ts";
import type { Executor, Work } from "../executors/executor.ts";
import type { ProcessPlan, ProcessRunner } from "./process_runner.ts";
import type {
  Ending,
  FindOptions,
  FoundRun,
  Pool,
  RunContext,
  Runner,
  RunnerOpen,
  WaitingRun,
} from "./runner.ts";

/** How many runs of an executor at once, whatever they need. */
const WIDTH = 1024;

/**
 * A runner of scripts.
 *
 * @param executor Where they run.
 * @param plan Gives what to do; called once, with the first call of the runner.
 * @returns The runner.
 */
export function scriptRunner<W extends Work>(
  executor: Executor<W>,
  plan: () => ProcessPlan<W> | Promise<ProcessPlan<W>>,
): Runner {
  return new ScriptRunner(executor, plan);
}

class ScriptRunner<W extends Work> implements Runner {
  readonly pool: Pool;
  readonly defaultQuota: Quota = { cpu: 1 };
  readonly #plan: () => ProcessPlan<W> | Promise<ProcessPlan<W>>;
  #loading: Promise<ProcessRunner<W>> | undefined;
  /** What was loaded: once it is there, calls go to it without a detour. */
  #runner: ProcessRunner<W> | undefined;

  constructor({ name, capacity, most }: Executor<W>, plan: () => ProcessPlan<W> | Promise<ProcessPlan<W>>) {
    this.pool = { name, capacity, most, width: WIDTH };
    this.#plan = plan;
  }

  #load(): Promise<ProcessRunner<W>> {
    return this.#loading ??= Promise.all([import("./process_runner.ts"), this.#plan()]).then((
      [{ ProcessRunner }, plan],
    ) => this.#runner = new ProcessRunner(plan));
  }

  #call<T>(ask: (runner: ProcessRunner<W>) => Promise<T>): Promise<T> {
    return this.#runner ? ask(this.#runner) : this.#load().then(ask);
  }

  open(options: RunnerOpen): Promise<void> {
    return this.#call((runner) => runner.open(options));
  }

  async close(): Promise<void> {
    // What was never loaded has nothing open.
    await (await this.#loading)?.close();
  }

  run(attempt: Attempt, context: RunContext): Promise<Ending> {
    return this.#call((runner) => runner.run(attempt, context));
  }

  adopt(attempt: Attempt, context: RunContext): Promise<Ending> {
    return this.#call((runner) => runner.adopt(attempt, context));
  }

  async *find(
    task: string,
    options?: FindOptions,
  ): AsyncGenerator<FoundRun, void, void> {
    yield* (this.#runner ?? await this.#load()).find(task, options);
  }

  async *located(
    task: string,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<FoundRun, void, void> {
    yield* (this.#runner ?? await this.#load()).located(task, options);
  }

  async *waits(
    task: string,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<WaitingRun, void, void> {
    yield* (this.#runner ?? await this.#load()).waits(task, options);
  }

  discard(attempt: Attempt): Promise<void> {
    return this.#call((runner) => runner.discard(attempt));
  }

  follow(
    attempt: Attempt,
    options: { readonly signal: AbortSignal; readonly follow: boolean },
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return this.#call((runner) => runner.follow(attempt, options));
  }
}

/**
 * Workers of this machine in which functions of modules run, with no more permissions than they need.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import { DefinitionError } from "../core/errors.ts";
import { parseQuantity, parseQuota, type Quota, type QuotaInit } from "../core/quota.ts";
import type { FunctionEnd, FunctionExecutor, FunctionRunOptions, FunctionWork } from "./function_work.ts";
import type { PoolInit, Workers } from "./workers/pool.ts";

/** Options of {@linkcode workerPool}. */
export interface WorkerPoolOptions {
  /** What people call it. Tasks whose pools have one name share its capacity. Default: `workers`. */
  readonly name?: string;
  /**
   * What a worker is. A `subprocess` (the default) is a process of Deno: it can be ended whatever it does, its memory can be limited, and its end is
   * not ours. A `worker` is a thread of this process, quicker to start: it needs `deno run --unstable-worker-options`, its memory has no limit of
   * its own, and a body that never awaits cannot be ended.
   */
  readonly kind?: "subprocess" | "worker";
  /** How many workers at the most. Default: as many as there are cores. */
  readonly size?: number;
  /** What all its runs together may use. A resource that is not named has no limit. */
  readonly capacity?: QuotaInit;
  /** When a worker is ended in place of being used again. */
  readonly recycle?: {
    /** After so many jobs. Default: 1000. */
    readonly jobs?: number;
    /** When it holds so much memory after a job. Default: `"1Gi"`. */
    readonly memory?: number | string;
    /** So long after it was started. Default: 1 h. */
    readonly age?: Duration;
    /** When it has had nothing to do for so long. Default: 30 s. */
    readonly idle?: Duration;
  };
  /** The program of Deno. Default: the one that runs this. */
  readonly deno?: string;
}

/**
 * Workers of this machine in which the bodies of function tasks run: see {@linkcode moduleBody}.
 *
 * By default a worker may do nothing but compute: what a body reads and writes by its links comes and goes through the coordinator, and what else it
 * needs is declared at the task. A worker waits for the next job of the same task when it is done, so that a job costs well below a millisecond. A body that
 * exits, crashes, hangs or runs out of memory has failed, and nothing else with it. Workers end with their coordinator, however it ends; the
 * next one runs these attempts again.
 *
 * @param options How many, of what kind, and when they are not used again.
 * @returns The pool, for `executor` of function tasks.
 * @throws {DefinitionError} When a number, a quantity or a duration is none.
 * @example
 * ```ts
 * import { workerPool } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const pool = workerPool({ size: 4, recycle: { jobs: 100 } });
 * assert.equal(pool.width, 4);
 * ```
 */
export function workerPool(options: WorkerPoolOptions = {}): FunctionExecutor {
  return new WorkerPool(options);
}

/** The face of the pool. Behind it is nothing until a run is asked for. */
class WorkerPool implements FunctionExecutor {
  readonly kind = "functions" as const;
  readonly name: string;
  readonly capacity: Quota;
  readonly width: number;
  readonly #init: Omit<PoolInit, "deno">;
  readonly #deno: string | undefined;
  #opened = 0;
  #workers: Promise<Workers> | undefined;

  constructor(options: WorkerPoolOptions) {
    const { name = "workers", kind = "subprocess", size = navigator.hardwareConcurrency, recycle = {} } =
      options;
    const whole = (what: string, value: number): number => {
      if (Number.isInteger(value) && value >= 1) return value;
      throw new DefinitionError(`Pool ${name} has ${what} ${value}; write a whole number of at least 1`);
    };
    this.name = name;
    this.capacity = parseQuota(options.capacity ?? {}, `capacity of pool ${name}:`);
    this.width = whole("size", size);
    this.#deno = options.deno;
    this.#init = {
      kind,
      size: this.width,
      recycle: {
        jobs: whole("recycle.jobs", recycle.jobs ?? 1000),
        memory: parseQuantity(recycle.memory ?? "1Gi", `recycle.memory of pool ${name}`),
        ageMs: parseDuration(recycle.age ?? "1h", `recycle.age of pool ${name}`),
        idleMs: parseDuration(recycle.idle ?? "30s", `recycle.idle of pool ${name}`),
      },
    };
  }

  open(): Promise<void> {
    this.#opened++;
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.#opened === 0 || --this.#opened > 0) return;
    const workers = this.#workers;
    this.#workers = undefined;
    await (await workers)?.close();
  }

  async run(_attempt: Attempt, work: FunctionWork, options: FunctionRunOptions): Promise<FunctionEnd> {
    this.#workers ??= import("./workers/pool.ts").then(({ Workers }) =>
      new Workers({ ...this.#init, deno: this.#deno ?? Deno.execPath() })
    );
    return await (await this.#workers).run(work, options);
  }
}

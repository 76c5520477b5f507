/**
 * Workers that wait for work: each is used again for the same module with the same permissions, until it is too old, too large, or unfit.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import type { FunctionEnd, FunctionRunOptions, FunctionWork } from "../function_work.ts";
import { startSubprocess, type WorkerSpec } from "./subprocess.ts";
import { startThread } from "./thread.ts";
import { Worker, type WorkerHost } from "./worker.ts";

/** When a worker is not used again. */
export interface RecycleLimits {
  /** After so many runs. */
  readonly jobs: number;
  /** When it holds so many bytes after a run. */
  readonly memory: number;
  /** So many milliseconds after it was started. */
  readonly ageMs: number;
  /** When it has had nothing to do for so many milliseconds. */
  readonly idleMs: number;
}

/** What a pool is made with. */
export interface PoolInit {
  /** Processes, or threads of this one. */
  readonly kind: "subprocess" | "worker";
  /** How many workers at the most. */
  readonly size: number;
  /** The program of Deno. */
  readonly deno: string;
  /** When workers are not used again. */
  readonly recycle: RecycleLimits;
}

/** A worker that waits. */
interface Idle {
  readonly worker: Worker;
  readonly key: string;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Workers, at most so many. */
export class Workers {
  readonly #init: PoolInit;
  readonly #idle: Idle[] = [];
  readonly #all = new Set<Worker>();
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #next = 0;

  /** @param init What it is made with. */
  constructor(init: PoolInit) {
    this.#init = init;
  }

  /** Runs a function to its end. */
  async run(work: FunctionWork, options: FunctionRunOptions): Promise<FunctionEnd> {
    const spec: WorkerSpec = {
      module: work.module,
      permissions: work.permissions,
      memory: options.quota.memory,
    };
    const key = JSON.stringify(spec);
    try {
      await this.#place(options.signal);
    } catch (reason) {
      return { error: { reason } };
    }
    try {
      while (true) {
        const { worker, fresh } = await this.#worker(key, spec);
        const loaded = await this.#loaded(worker, work.module, options.signal);
        if (loaded) return { error: loaded };
        const { error, begun, resources } = await worker.run(work.context, options);
        await this.#back(key, worker);
        // A worker that died while it waited has not run anything.
        if (error && !begun && !fresh && !options.signal.aborted && !worker.fit) continue;
        return { error, resources };
      }
    } catch (error) {
      if (error instanceof TypeError) return { error: { reason: error } };
      throw error;
    } finally {
      this.#taken--;
      this.#waiting.shift()?.();
    }
  }

  /** Ends all workers. */
  async close(): Promise<void> {
    for (const { timer } of this.#idle.splice(0)) clearTimeout(timer);
    await Promise.all([...this.#all].map((worker) => worker.host.kill()));
  }

  /** Waits for a place among all. */
  async #place(signal: AbortSignal): Promise<void> {
    while (this.#taken >= this.#init.size) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener("abort", leave);
          resolve();
        };
        const leave = (): void => {
          this.#waiting.splice(this.#waiting.indexOf(wake), 1);
          resolve();
        };
        this.#waiting.push(wake);
        signal.addEventListener("abort", leave, { once: true });
      });
    }
    signal.throwIfAborted();
    this.#taken++;
  }

  /** A worker that waits, or a new one. */
  async #worker(
    key: string,
    spec: WorkerSpec,
  ): Promise<{ readonly worker: Worker; readonly fresh: boolean }> {
    while (true) {
      const at = this.#idle.findLastIndex((idle) => idle.key === key);
      if (at === -1) break;
      const [{ worker, timer }] = this.#idle.splice(at, 1) as [Idle];
      clearTimeout(timer);
      if (worker.fit) return { worker, fresh: false };
    }
    // Those that wait for other work make room: the one first that has waited longest.
    while (this.#idle.length > 0 && this.#idle.length + this.#taken > this.#init.size) {
      const { worker, timer } = this.#idle.shift()!;
      clearTimeout(timer);
      await worker.host.kill();
    }
    const worker = new Worker(await this.#start(spec));
    this.#all.add(worker);
    void worker.host.gone.then(() => this.#all.delete(worker));
    return { worker, fresh: true };
  }

  async #start(spec: WorkerSpec): Promise<WorkerHost> {
    if (this.#init.kind === "worker") return startThread(spec, ++this.#next);
    return await startSubprocess(spec, this.#init.deno);
  }

  /** Waits until a worker has loaded its module. Returns what went wrong. */
  async #loaded(
    worker: Worker,
    module: string,
    signal: AbortSignal,
  ): Promise<{ readonly reason: unknown } | undefined> {
    const stop = (): void => void worker.host.kill();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      await worker.ready;
      return undefined;
    } catch (why) {
      await worker.host.kill();
      if (signal.aborted) return { reason: signal.reason };
      if (/^it ended with code 12[67]: /.test((why as Error).message)) throw this.#noProgram();
      const error = new ExecutorError(
        "run-failed",
        `Cannot use the module ${module}: ${(why as Error).message}`,
        { operation: "load", subject: module },
      );
      Object.defineProperty(error, "stack", { value: undefined });
      return { reason: error };
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** The fault of the pool, and not of a body. */
  #noProgram(): ExecutorError {
    const { deno } = this.#init;
    return new ExecutorError(
      "cannot-start",
      `Cannot start a worker: there is no program ${deno} that this process may run; correct the option deno of workerPool()`,
      { operation: "start", subject: deno },
    );
  }

  /** Takes back a worker after a run: it waits for the next one, or is ended. */
  async #back(key: string, worker: Worker): Promise<void> {
    const { jobs, memory, ageMs, idleMs } = this.#init.recycle;
    const again = worker.fit && worker.jobs < jobs && worker.memory < memory &&
      performance.now() - worker.since < ageMs;
    if (!again) return await worker.host.kill();
    const timer = setTimeout(() => {
      this.#idle.splice(this.#idle.findIndex((idle) => idle.worker === worker), 1);
      void worker.host.kill();
    }, idleMs);
    Deno.unrefTimer(timer);
    this.#idle.push({ key, worker, timer });
  }
}

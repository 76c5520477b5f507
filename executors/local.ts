/**
 * Runs work as processes of this machine, so that they outlive the coordinator and are found again.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import { parseQuota, type Quota, type QuotaInit } from "../core/quota.ts";
import type { CallOptions, Executor, LogOptions, ProcessWork, RunStatus, StartOptions } from "./executor.ts";
import type { RunEnvironment } from "./local_shell.ts";
import type { LocalWork } from "./local_work.ts";

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

function environmentOf(option: LocalExecutorOptions["environment"]): RunEnvironment {
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

/** The face of the executor. Behind it is nothing until something is asked of it: most programs that define tasks do not run them here. */
class LocalExecutor implements Executor<ProcessWork> {
  readonly name: string;
  readonly accepts: ReadonlySet<string> = new Set(["process"]);
  readonly capacity: Quota;
  readonly sees = "files" as const;
  readonly #environment: RunEnvironment;
  #loading: Promise<LocalWork> | undefined;
  /** What was loaded: once it is there, calls go to it without a detour. */
  #work: LocalWork | undefined;

  constructor(options: LocalExecutorOptions) {
    this.name = options.name ?? "local";
    this.capacity = options.capacity
      ? parseQuota(options.capacity, `capacity of executor ${this.name}:`)
      : machine();
    this.#environment = environmentOf(options.environment);
  }

  #load(): Promise<LocalWork> {
    return this.#loading ??= import("./local_work.ts").then(({ LocalWork }) =>
      this.#work = new LocalWork(this.name, this.#environment)
    );
  }

  #call<T>(ask: (work: LocalWork) => Promise<T>): Promise<T> {
    return this.#work ? ask(this.#work) : this.#load().then(ask);
  }

  open(
    options: CallOptions & { readonly state: string; readonly look?: boolean | undefined },
  ): Promise<void> {
    return this.#call((work) => work.open(options));
  }

  async close(): Promise<void> {
    // What was never loaded has nothing open.
    await (await this.#loading)?.close();
  }

  probe(): Promise<{ readonly healthy: boolean; readonly reason?: string }> {
    return this.#call((work) => work.probe());
  }

  start(attempt: Attempt, work: ProcessWork, options: StartOptions): Promise<void> {
    return this.#call((local) => local.start(attempt, work, options));
  }

  async *list(options?: CallOptions & { readonly task?: string }): AsyncGenerator<RunStatus, void, void> {
    yield* (this.#work ?? await this.#load()).list(options);
  }

  wait(attempt: Attempt, options?: CallOptions): Promise<RunStatus & { state: "finished" | "lost" }> {
    return this.#call((work) => work.wait(attempt, options));
  }

  stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void> {
    return this.#call((work) => work.stop(attempt, options));
  }

  logs(attempt: Attempt, options?: LogOptions): Promise<ReadableStream<Bytes>> {
    return this.#call((work) => work.logs(attempt, options));
  }

  forget(attempt: Attempt): Promise<void> {
    return this.#call((work) => work.forget(attempt));
  }
}

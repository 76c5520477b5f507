/**
 * Runs work as processes of another host, over SSH, so that they outlive the connection and the coordinator and are found again.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import type { Bytes } from "../../core/bytes.ts";
import { describeError, ExecutorError } from "../../core/errors.ts";
import { checkKey } from "../../core/key.ts";
import { parseQuota, type Quota } from "../../core/quota.ts";
import type {
  CallOptions,
  Executor,
  LogOptions,
  ProcessWork,
  Reach,
  RunStatus,
  StartOptions,
} from "../executor.ts";
import { sharedUrl } from "../loopback.ts";
import { SshLogs } from "./logs.ts";
import { addressText, type SshExecutorOptions } from "./options.ts";
import { folderOf, SshRuns } from "./runs.ts";
import { startRun } from "./start.ts";

/** How often force looks for processes that were born meanwhile, before the watching shell goes too. */
const ROUNDS = 20;

/**
 * Runs work as processes of another host.
 *
 * One connection carries all: requests go to one shell there, another tells of ends as they come. Each run has a folder of its own, a
 * session of its own, and a small shell that records how it ended, so that it goes on when the connection is lost, when the server is
 * started again and when the coordinator is killed; the next coordinator finds it. A lost connection is made again. What a script leaves
 * running in the background is ended with it, unless it has moved to a session of its own.
 *
 * The host needs a POSIX shell and its usual tools, and one of `setsid`, `perl` and `python3`; nothing is installed there. Its key is
 * checked. A host that is not reached makes calls fail with code `unavailable`.
 *
 * @param options Where the host is, who we are there, and what runs there find.
 * @returns The executor.
 * @throws {DefinitionError} When the capacity is no quota.
 * @example An executor for a host
 * ```ts
 * import { sshExecutor } from "@datatask/datatask/ssh";
 * import assert from "node:assert/strict";
 *
 * const executor = sshExecutor({ host: "worker-1", user: "ada", identity: "~/.ssh/id_ed25519", capacity: { cpu: 16 } });
 * assert.equal(executor.name, "ssh ada@worker-1");
 * assert.equal(executor.sees, "nothing");
 * ```
 */
export function sshExecutor(options: SshExecutorOptions): Executor<ProcessWork> {
  return new SshExecutor(options);
}

interface Open {
  readonly runs: SshRuns;
  readonly logs: SshLogs;
}

class SshExecutor implements Executor<ProcessWork> {
  readonly name: string;
  readonly accepts: ReadonlySet<string> = new Set(["process"]);
  readonly capacity: Quota;
  readonly sees: "files" | "nothing";
  readonly reach: Reach = {
    folder: async (attempt, { signal } = {}) => {
      const { runs } = await this.#opened(`find a folder for ${formatAttempt(attempt)}`);
      const root = await runs.link.use("find a folder", (host) => Promise.resolve(host.facts.root), signal);
      return `${root}/${folderOf(attempt)}/values`;
    },
    address: async (server, { signal } = {}) => {
      const shared = sharedUrl(server);
      if (shared !== undefined) return shared;
      const { runs } = await this.#opened("bring values to runs");
      return `file://${encodeURI(await runs.link.reach(server, signal))}`;
    },
  };
  readonly #options: SshExecutorOptions;
  #open: { readonly state: string; readonly it: Promise<Open> } | undefined;

  constructor(options: SshExecutorOptions) {
    this.name = options.name ?? `ssh ${addressText(options)}`;
    this.capacity = parseQuota(options.capacity ?? {}, `capacity of executor ${this.name}:`);
    this.sees = options.sharesFiles ? "files" : "nothing";
    this.#options = options;
  }

  async open(options: CallOptions & { readonly state: string }): Promise<void> {
    options.signal?.throwIfAborted();
    const { state, signal } = options;
    if (this.#open && this.#open.state !== state) {
      throw new ExecutorError(
        "conflict",
        `Cannot open executor ${this.name} with its state in ${state}: it is open with ${this.#open.state}; close it first, or make another`,
        { operation: "open", subject: this.name },
      );
    }
    // Whoever opens it while another does waits for the same connection.
    const open = this.#open ??= { state, it: this.#prepare(state, signal) };
    try {
      await open.it;
    } catch (error) {
      if (this.#open === open) this.#open = undefined;
      throw error;
    }
  }

  async #prepare(state: string, signal: AbortSignal | undefined): Promise<Open> {
    const { shell = "/bin/sh", maxSessions = 10 } = this.#options;
    const runs = new SshRuns(this.name, this.#options, await this.#id(state));
    try {
      await runs.link.use("open", () => Promise.resolve(), signal);
      return { runs, logs: new SshLogs(runs, shell, maxSessions) };
    } catch (error) {
      await runs.close();
      throw error;
    }
  }

  /** The folder on the host that belongs to this state and this name: made up once, and the same from then on. */
  async #id(state: string): Promise<string> {
    const path = `${state}/${encodeURIComponent(this.name)}.id`;
    try {
      await Deno.mkdir(state, { recursive: true });
      const fresh = `${path}.${crypto.randomUUID()}`;
      await Deno.writeTextFile(fresh, crypto.randomUUID());
      // A link is there whole or not at all, and only the first one is made.
      await Deno.link(fresh, path).catch((error) => {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      });
      await Deno.remove(fresh);
      return await Deno.readTextFile(path);
    } catch (error) {
      throw new ExecutorError(
        error instanceof Deno.errors.NotCapable ? "denied" : "io",
        `Cannot open executor ${this.name} with its state in ${state}: ${(error as Error).message}`,
        { operation: "open", subject: this.name, cause: error },
      );
    }
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await (await open?.it.catch(() => undefined))?.runs.close();
  }

  #opened(action: string): Promise<Open> {
    if (this.#open) return this.#open.it;
    throw new ExecutorError(
      "cannot-start",
      `Cannot ${action} on executor ${this.name}: it is not open; call open() first`,
      { operation: action.split(" ")[0]!, subject: this.name },
    );
  }

  async probe(options: CallOptions = {}): Promise<{ readonly healthy: boolean; readonly reason?: string }> {
    try {
      const { runs } = await this.#opened("probe");
      options.signal?.throwIfAborted();
      // At once, and not when the host is there again.
      const host = await runs.link.host();
      const { code, lines } = await host.ask("room");
      return code === 0 ? { healthy: true } : { healthy: false, reason: lines.join(", ") };
    } catch (error) {
      options.signal?.throwIfAborted();
      return { healthy: false, reason: describeError(error) };
    }
  }

  async start(attempt: Attempt, work: ProcessWork, options: StartOptions): Promise<void> {
    options.signal?.throwIfAborted();
    checkKey(attempt.task, "start a run of task", this.name);
    checkKey(attempt.job, "start", `task ${attempt.task}`);
    const { runs } = await this.#opened(`start ${formatAttempt(attempt)}`);
    await startRun(runs, attempt, work, this.#options.environment ?? {}, options.signal);
  }

  async *list(
    options: CallOptions & { readonly task?: string } = {},
  ): AsyncGenerator<RunStatus, void, void> {
    const { runs } = await this.#opened("list runs");
    yield* runs.list(options.task, options.signal);
  }

  async wait(
    attempt: Attempt,
    options: CallOptions = {},
  ): Promise<RunStatus & { state: "finished" | "lost" }> {
    const { runs } = await this.#opened(`wait for ${formatAttempt(attempt)}`);
    const status = await runs.ended(attempt, options.signal);
    if (status) return status;
    throw this.#unknown("wait for", attempt);
  }

  async stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void> {
    const { runs } = await this.#opened(`stop ${formatAttempt(attempt)}`);
    const { signal, graceMs } = options;
    const shell = await runs.shell(attempt, signal);
    if (shell === undefined) return;
    const ask = (...words: string[]): Promise<unknown> =>
      runs.link.use(`stop ${formatAttempt(attempt)}`, (host) => host.ask(...words), signal);
    if (graceMs > 0) {
      await ask("polite", shell);
      if (await runs.endedWithin(attempt, graceMs, signal)) return;
    }
    for (let round = 1; round <= ROUNDS; round++) {
      await ask("force", shell);
      if (await runs.endedWithin(attempt, 50 * round, signal)) return;
    }
    // It breeds faster than it is killed, or its shell is stuck: all at once, the shell included.
    await ask("kill9", shell);
    await ask("clear", shell);
    await ask("ended", folderOf(attempt), "137");
  }

  async logs(attempt: Attempt, options: LogOptions = {}): Promise<ReadableStream<Bytes>> {
    const { runs, logs } = await this.#opened(`read the log of ${formatAttempt(attempt)}`);
    if (!await runs.status(attempt)) throw this.#unknown("read the log of", attempt);
    const { stream = "stdout", follow = false, signal } = options;
    return logs.read({ attempt, stream, follow, signal });
  }

  async forget(attempt: Attempt, options: CallOptions = {}): Promise<void> {
    const { runs } = await this.#opened(`forget ${formatAttempt(attempt)}`);
    const status = await runs.status(attempt, options.signal);
    if (!status) return;
    if (status.state === "running") {
      throw new ExecutorError(
        "conflict",
        `Cannot forget ${formatAttempt(attempt)} on ${this.name}: it still runs; stop it, or wait for it`,
        { operation: "forget", subject: attempt.task, key: attempt.job },
      );
    }
    await runs.drop(attempt);
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

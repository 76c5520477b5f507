/**
 * Runs work as processes of another host, over SSH, so that they outlive the connection and the coordinator and are found again.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import type { Bytes } from "../../core/bytes.ts";
import { DefinitionError, describeError, ExecutorError } from "../../core/errors.ts";
import { systemClock } from "../../core/clock.ts";
import { parseQuota, type Quota } from "../../core/quota.ts";
import { checkAttempt, stillRuns, unknownRun } from "../attempts.ts";
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
import { Opening } from "../opening.ts";
import { stateIdentity } from "../state_identity.ts";
import type { Answer } from "./host.ts";
import { sshFiles } from "./files.ts";
import { SshLogs } from "./logs.ts";
import { addressText, LEAST_SESSIONS, SESSIONS, type SshExecutorOptions } from "./options.ts";
import { folderOf, SshRuns } from "./runs.ts";
import { startRun } from "./start.ts";

/** How often force looks for processes that were born meanwhile, before the watching shell goes too. */
const ROUNDS = 20;

/** How long a run may take to begin before it is asked to end, in milliseconds: a fork that still has the traps of its shell would not hear it. */
const BEGIN_MS = 1000;

/** What is answered while there is nobody who would hear it. */
const UNBEGUN = 5;

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
 * @throws {DefinitionError} When the capacity is no quota, or there are too few channels to work with.
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
      const { runs } = await this.#opening.get(`find a folder for ${formatAttempt(attempt)}`);
      const root = await runs.link.use("find a folder", (host) => Promise.resolve(host.facts.root), signal);
      return `${root}/${folderOf(attempt)}/values`;
    },
    address: async (server, { signal } = {}) => {
      const shared = sharedUrl(server);
      if (shared !== undefined) return shared;
      const { runs } = await this.#opening.get("bring values to runs");
      return `file://${encodeURI(await runs.link.reach(server, signal))}`;
    },
    files: sshFiles(async () => (await this.#opening.get("copy a file of a run")).runs),
  };
  readonly #options: SshExecutorOptions;
  readonly #opening: Opening<Open>;

  constructor(options: SshExecutorOptions) {
    this.name = options.name ?? `ssh ${addressText(options)}`;
    this.#opening = new Opening(this.name);
    this.capacity = parseQuota(options.capacity ?? {}, `capacity of executor ${this.name}:`);
    this.sees = options.sharesFiles ? "files" : "nothing";
    const { maxSessions = SESSIONS } = options;
    if (!Number.isInteger(maxSessions) || maxSessions < LEAST_SESSIONS) {
      throw new DefinitionError(
        `Executor ${this.name} has maxSessions ${maxSessions}; write a whole number of at least ${LEAST_SESSIONS}, and let the server of the host allow as many (MaxSessions)`,
      );
    }
    this.#options = options;
  }

  async open(options: CallOptions & { readonly state: string }): Promise<void> {
    await this.#opening.open(options, (state) => this.#prepare(state, options.signal));
  }

  async #prepare(state: string, signal: AbortSignal | undefined): Promise<Open> {
    const { shell = "/bin/sh", maxSessions = SESSIONS } = this.#options;
    const runs = new SshRuns(this.name, this.#options, await this.#id(state));
    try {
      await runs.link.use("open", () => Promise.resolve(), signal);
      return { runs, logs: new SshLogs(runs, shell, maxSessions) };
    } catch (error) {
      await runs.close();
      throw error;
    }
  }

  /** The folder on the host that belongs to this state and this name. */
  async #id(state: string): Promise<string> {
    try {
      return await stateIdentity(`${state}/${encodeURIComponent(this.name)}.id`);
    } catch (error) {
      throw new ExecutorError(
        error instanceof Deno.errors.NotCapable ? "denied" : "io",
        `Cannot open executor ${this.name} with its state in ${state}: ${(error as Error).message}`,
        { operation: "open", subject: this.name, cause: error },
      );
    }
  }

  async close(): Promise<void> {
    await (await this.#opening.close())?.runs.close();
  }

  async probe(options: CallOptions = {}): Promise<{ readonly healthy: boolean; readonly reason?: string }> {
    try {
      const { runs } = await this.#opening.get("probe");
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
    checkAttempt(this.name, attempt);
    const { runs } = await this.#opening.get(`start ${formatAttempt(attempt)}`);
    await startRun(runs, attempt, work, this.#options.environment ?? {}, options.signal);
  }

  async *list(
    options: CallOptions & { readonly task?: string } = {},
  ): AsyncGenerator<RunStatus, void, void> {
    const { runs } = await this.#opening.get("list runs");
    yield* runs.list(options.task, options.signal);
  }

  async wait(
    attempt: Attempt,
    options: CallOptions = {},
  ): Promise<RunStatus & { state: "finished" | "lost" }> {
    const { runs } = await this.#opening.get(`wait for ${formatAttempt(attempt)}`);
    const status = await runs.ended(attempt, options.signal);
    if (status) return status;
    throw unknownRun(this.name, "wait for", attempt);
  }

  async stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void> {
    const { runs } = await this.#opening.get(`stop ${formatAttempt(attempt)}`);
    const { signal, graceMs } = options;
    const shell = await runs.shell(attempt, signal);
    if (shell === undefined) return;
    const ask = (how: string, ...words: string[]): Promise<Answer> =>
      runs.link.use(
        `stop ${formatAttempt(attempt)}`,
        (host) => host.ask(how, folderOf(attempt), shell, ...words),
        signal,
      );
    if (graceMs > 0) {
      const asked = systemClock.monotonic();
      const after = (): number => systemClock.monotonic() - asked;
      while ((await ask("polite", after() < BEGIN_MS ? "" : "now")).code === UNBEGUN && after() < graceMs) {
        if (await runs.endedWithin(attempt, 5, signal)) return;
      }
      if (await runs.endedWithin(attempt, graceMs, signal)) return;
    }
    for (let round = 1; round <= ROUNDS; round++) {
      await ask("force");
      if (await runs.endedWithin(attempt, 50 * round, signal)) return;
    }
    // It breeds faster than it is killed, or its shell is stuck: all at once, the shell included.
    await ask("kill9");
  }

  async logs(attempt: Attempt, options: LogOptions = {}): Promise<ReadableStream<Bytes>> {
    const { runs, logs } = await this.#opening.get(`read the log of ${formatAttempt(attempt)}`);
    if (!await runs.status(attempt)) throw unknownRun(this.name, "read the log of", attempt);
    const { stream = "stdout", follow = false, signal } = options;
    return logs.read({ attempt, stream, follow, signal });
  }

  async forget(attempt: Attempt, options: CallOptions = {}): Promise<void> {
    const { runs } = await this.#opening.get(`forget ${formatAttempt(attempt)}`);
    const status = await runs.status(attempt, options.signal);
    if (!status) return;
    if (status.state === "running") throw stillRuns(this.name, attempt);
    await runs.drop(attempt);
  }
}

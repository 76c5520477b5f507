/**
 * The runs of one local executor: those of this process, whose shells answer when they end, and those of earlier ones, which are looked at.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import { sleep, systemClock, unless, within } from "../core/clock.ts";
import type { RunStatus } from "./executor.ts";
import { MemoryWatch } from "./local_memory.ts";
import { LocalShell, type RunEnvironment } from "./local_shell.ts";
import { type NewRun, RunStore, type StoredRun } from "./local_store.ts";
import { type JobHead, type RunRecord, signalName } from "./local_wrapper.ts";
import {
  bearName,
  isCoordinator,
  isShell,
  type OwnIdentity,
  send,
  sessionMembers,
} from "./process_identity.ts";

/** How often a run of another coordinator is looked at, in milliseconds: at first, and at the most. */
const SOON = 5;
const LATE = 200;

/** How long a coordinator or a shell that lives may take from the folder to the claim, in milliseconds. */
const START_MS = 30_000;

/** How long a claim may stay without its first line, in milliseconds: it is one write away. */
const CLAIM_MS = 2000;

/** How many shells wait for work at the most. */
const MAX_IDLE = 64;

/** How often a job that no shell took is given to another. */
const MAX_TRIES = 3;

/** A run that this process has started. */
export interface OwnRun {
  /** What was said of it. */
  readonly head: JobHead;
  /** Settled when it has ended. Never rejects. */
  readonly ended: Promise<void>;
  /** Who runs it. */
  shell: LocalShell;
  /** Whether it has ended. */
  over: boolean;
  /** Whether it has left nothing running. */
  clean: boolean;
  /** Whether its shell may run another. */
  reuse: boolean;
  /** The most memory that was seen, in bytes. */
  peak: number | undefined;
}

/** What a run that has ended is. */
export type EndedStatus = RunStatus & { state: "finished" | "lost" };

/** The runs of one executor. */
export class LocalRuns {
  /** Their folders. */
  readonly store: RunStore;
  readonly #identity: OwnIdentity;
  readonly #environment: RunEnvironment;
  readonly #own = new Map<string, OwnRun>();
  readonly #memory = new MemoryWatch();
  readonly #idle: LocalShell[] = [];
  #closed = false;

  /**
   * @param store Their folders.
   * @param identity Who this process is.
   * @param environment The environment of all of them.
   */
  constructor(
    store: RunStore,
    identity: OwnIdentity,
    environment: RunEnvironment,
  ) {
    this.store = store;
    this.#identity = identity;
    this.#environment = environment;
  }

  /** Has a shell ready, and so sees whether one can be had. */
  async warm(): Promise<void> {
    await Promise.resolve();
    this.#idle.push(this.#shell());
  }

  #shell(): LocalShell {
    return this.#idle.pop() ?? new LocalShell(this.store.root, this.#environment);
  }

  /** Starts a run. */
  async start(attempt: Attempt, run: NewRun, signal: AbortSignal | undefined): Promise<void> {
    const name = RunStore.nameOf(attempt);
    const shell = this.#shell();
    let head: JobHead;
    try {
      head = await this.store.create(attempt, run, [shell.pid, shell.name], signal);
    } catch (error) {
      this.#idle.push(shell);
      throw error;
    }
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const own: OwnRun = { head, ended, shell, over: false, clean: false, reuse: true, peak: undefined };
    this.#own.set(name, own);
    const sent = shell.send(name);
    const over = (): void => {
      own.over = true;
      resolve();
    };
    // What cannot be read now is read again by who asks for the status.
    this.#see(name, own).then(over, over);
    await sent;
  }

  async #see(name: string, own: OwnRun): Promise<void> {
    for (let tries = 1;; tries++) {
      const { shell } = own;
      this.#memory.add(shell.pid);
      if (tries > 1) await shell.send(name);
      const answer = await shell.answer(name);
      own.peak = this.#memory.take(shell.pid);
      own.clean = answer === "clean" && own.reuse;
      if (answer === "clean" && own.reuse && !this.#closed && this.#idle.length < MAX_IDLE) {
        this.#idle.push(shell);
      } else await shell.end();
      // A shell that was killed before it claimed the run has not run it, and nobody else can run it twice.
      if (answer !== "gone" || this.#closed || tries === MAX_TRIES) return;
      if (this.store.read(name, own.head)?.record !== undefined) return;
      try {
        own.shell = this.#shell();
      } catch {
        return;
      }
    }
  }

  /** A run of this process. */
  own(name: string): OwnRun | undefined {
    return this.#own.get(name);
  }

  /** Has the shell of a run run nothing after it. */
  noReuse(name: string): void {
    const own = this.#own.get(name);
    if (own) own.reuse = false;
  }

  /** Whether a run has ended, as far as a look tells. */
  isOver(name: string): boolean {
    const own = this.#own.get(name);
    if (own) return own.over;
    const record = this.store.read(name)?.record;
    return typeof record === "object" && (record.void || record.code !== undefined);
  }

  /**
   * What is known of a run.
   *
   * Every folder is decidable: never started (then it is removed and not shown), running, finished, or lost.
   *
   * @param name Its folder.
   * @param attempt Which it is.
   * @returns Its status; nothing when there is none.
   */
  async status(name: string, attempt: Attempt): Promise<RunStatus | undefined> {
    const own = this.#own.get(name);
    while (true) {
      const stored = this.store.read(name, own?.head);
      if (!stored) {
        // What a coordinator that was killed while it forgot the run has left.
        await this.store.remove(name);
        return undefined;
      }
      const { record } = stored;
      if (own && !own.over) return this.#running(attempt, stored, own);
      if (own && (record === undefined || record === "begun")) return this.#neverBegun(attempt, stored);
      if (typeof record === "object" && record.code !== undefined) {
        return this.#finished(name, attempt, stored, record, own);
      }
      if (record === undefined) {
        const starting = await this.#beingStarted(stored, own);
        if (starting === "coordinator") return this.#running(attempt, stored, own);
        if (starting === "shell") {
          // Its coordinator is gone: it has been sent the job and claims it now, or has not, and leaves now.
          await sleep(systemClock, SOON);
          continue;
        }
        if (this.store.take(name)) {
          await this.#drop(name);
          return undefined;
        }
        continue;
      }
      if (record === "begun") {
        if (stored.head.boot === this.#identity.boot && Date.now() - stored.touched < CLAIM_MS) {
          return this.#running(attempt, stored, own);
        }
        await this.#drop(name);
        return undefined;
      }
      if (record.void) {
        await this.#drop(name);
        return undefined;
      }
      const gone = await this.#gone(name, stored, record);
      if (gone === undefined) return this.#running(attempt, stored, own);
      if (gone !== "finished") return { ...this.#base(attempt, stored), state: "lost", reason: gone };
    }
  }

  /** A run of this process that no shell could claim, and that none will any more. */
  #neverBegun(attempt: Attempt, stored: StoredRun): RunStatus {
    const reason = this.store.full() ?? "its shell was killed, or could write nothing into its folder";
    return { ...this.#base(attempt, stored), state: "lost", reason: `it has not begun: ${reason}` };
  }

  /** Why a run without an end is no longer there; nothing when it is, `"finished"` when it has ended meanwhile. */
  async #gone(name: string, { head }: StoredRun, { pid, shell }: RunRecord): Promise<string | undefined> {
    if (head.boot !== this.#identity.boot) return "the machine was restarted while it ran";
    if (await isShell(pid, shell)) return undefined;
    const record = this.store.read(name, head)?.record;
    if (typeof record !== "object" || record.code !== undefined) return "finished";
    await this.clear(pid, shell);
    return `its watching shell, pid ${pid}, was killed, and the rest of its processes with it`;
  }

  /** Ends what is left in the session of a shell that is gone. */
  async clear(session: number, shell?: string): Promise<void> {
    for (let round = 0; round < 20; round++) {
      const members = await sessionMembers(session);
      if (members.length === 0 || (shell !== undefined && !await bearName(members, shell))) return;
      for (const { pid } of members) send(pid, "SIGKILL");
      await sleep(systemClock, 5 * (round + 1));
    }
  }

  /** Who is about to claim a run that nobody has claimed. */
  async #beingStarted(
    { head }: StoredRun,
    own: OwnRun | undefined,
  ): Promise<"coordinator" | "shell" | undefined> {
    if (own || head.boot !== this.#identity.boot || Date.now() - head.since > START_MS) return undefined;
    if (await isCoordinator(head.by)) return "coordinator";
    return await isShell(...head.shell) ? "shell" : undefined;
  }

  #base(attempt: Attempt, { head, record }: StoredRun) {
    const pid = typeof record === "object" ? record.pid : undefined;
    const where = pid === undefined ? "not yet a process" : `pid ${pid}`;
    return { attempt, since: head.since, where, notes: head.notes };
  }

  #running(attempt: Attempt, stored: StoredRun, own: OwnRun | undefined): RunStatus {
    const base = this.#base(attempt, stored);
    if (own) return { ...base, where: `pid ${own.shell.pid}`, state: "running" };
    if (typeof stored.record === "object") return { ...base, state: "running" };
    return { ...base, state: "running", waiting: `it is being started by process ${stored.head.by[0]}` };
  }

  #finished(
    name: string,
    attempt: Attempt,
    stored: StoredRun,
    record: RunRecord,
    own: OwnRun | undefined,
  ): RunStatus {
    const code = record.code!;
    const bySignal = code > 128 && code < 128 + 65 && !this.store.leftWithCode(name);
    // What a script says of a full disk has no room there either.
    const full = code !== 0 && own && this.store.isSilent(name) ? this.store.full() : undefined;
    return {
      ...this.#base(attempt, stored),
      state: "finished",
      until: stored.touched,
      ...(bySignal ? { signal: signalName(code - 128) } : { exitCode: code }),
      resources: { ...record.resources, ...(own?.peak ? { peakMemoryBytes: own.peak } : {}) },
      ...(full && { reason: `the script left with code ${code} and nothing in its log: ${full}` }),
    };
  }

  /** Waits for the end of a run. */
  async ended(
    name: string,
    attempt: Attempt,
    signal: AbortSignal | undefined,
  ): Promise<EndedStatus | undefined> {
    const own = this.#own.get(name);
    signal?.throwIfAborted();
    if (own && !own.over) {
      const { shell } = own;
      shell.ref();
      try {
        await unless(signal, own.ended);
      } finally {
        shell.unref();
      }
    }
    for (let wait = SOON;; wait = Math.min(wait * 2, LATE)) {
      const status = await this.status(name, attempt);
      if (status?.state !== "running") return status;
      await sleep(systemClock, wait, signal);
    }
  }

  /** Whether a run ends within some time. */
  endedWithin(
    name: string,
    attempt: Attempt,
    ms: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    return within(systemClock, ms, signal, (signal) => this.ended(name, attempt, signal));
  }

  /** The session of a run that runs, once it has one; nothing when it has ended. */
  async session(
    name: string,
    attempt: Attempt,
    signal: AbortSignal | undefined,
  ): Promise<number | undefined> {
    while (true) {
      if ((await this.status(name, attempt))?.state !== "running") return undefined;
      const record = this.store.read(name)?.record;
      if (typeof record === "object") return record.code === undefined ? record.pid : undefined;
      await sleep(systemClock, SOON, signal);
    }
  }

  /** Gives back what is kept of a run. */
  async forget(name: string): Promise<void> {
    const clean = this.#own.get(name)?.clean;
    this.#own.delete(name);
    await (clean && !this.#closed ? this.store.recycle(name) : this.store.remove(name));
  }

  async #drop(name: string): Promise<void> {
    this.#own.delete(name);
    await this.store.remove(name);
  }

  /** Leaves: shells that wait are ended, those that run go on. */
  async close(): Promise<void> {
    this.#closed = true;
    const idle = this.#idle.splice(0);
    const busy = [...this.#own.values()].filter((own) => !own.over);
    await this.store.close();
    await Promise.all([...idle.map((shell) => shell.end()), ...busy.map(({ shell }) => shell.leave())]);
  }
}

/**
 * The runs on one host: what is known of them, and who waits for their end.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import { sleep, systemClock, within } from "../../core/clock.ts";
import type { RunStatus } from "../executor.ts";
import { signalName } from "../local_wrapper.ts";
import { Batch } from "./batch.ts";
import type { Told } from "./host.ts";
import { Link, orAborted } from "./link.ts";
import { parseRuns, type RawRun, type RunHead, type SshRecord, toldRun } from "./record.ts";
import type { SshExecutorOptions } from "./options.ts";

/** How often runs are looked at that somebody waits for, in milliseconds: where ends are told, and where they are not. */
const SELDOM = 2000;
const OFTEN = 150;

/** How many runs are asked about with one request at the most. */
const TOGETHER = 200;

/** How long a shell that lives may take to begin, in milliseconds. */
const START_MS = 30_000;

/** What a run that has ended is. */
export type EndedStatus = RunStatus & { state: "finished" | "lost" };

type Claimed = Extract<SshRecord, { is: "claimed" }>;

/** The folder of a run. */
export const folderOf = (attempt: Attempt): string =>
  `${attempt.task}/${attempt.job}.${attempt.replica}.${attempt.attempt}`;

function attemptOf(folder: string): Attempt | undefined {
  const [, task, job, replica, attempt] = /^([^/]+)\/(.+)\.(\d+)\.(\d+)$/.exec(folder) ?? [];
  return task === undefined
    ? undefined
    : { task, job: job!, replica: Number(replica), attempt: Number(attempt) };
}

/** The runs on one host. */
export class SshRuns {
  /** The way to the host. */
  readonly link: Link;
  readonly #where: string;
  readonly #looks: Batch<string, ReadonlyMap<string, RawRun>>;
  readonly #ended = new Map<string, EndedStatus>();
  /** Runs of this process of which no end was heard. */
  readonly #quiet = new Map<string, RunHead>();
  readonly #waiters = new Map<string, Set<() => void>>();
  #sweeping: AbortController | undefined;

  /**
   * @param name The executor.
   * @param options How the host is reached.
   * @param id The folder there that is ours.
   */
  constructor(name: string, options: SshExecutorOptions, id: string) {
    this.#where = options.host;
    this.link = new Link(name, options, id, { end: (told) => this.#hear(told), lost: () => this.#wakeAll() });
    this.#looks = new Batch(
      (names) =>
        this.link.use("look at runs", async (host) => parseRuns((await host.ask("look", ...names)).lines)),
      TOGETHER,
    );
  }

  /** Notes a run that this process starts. */
  begun(name: string, head: RunHead): void {
    this.#ended.delete(name);
    this.#quiet.set(name, head);
  }

  /** Notes that the end of a run may have been told before it was waited for. */
  doubt(name: string): void {
    this.#wake(name);
  }

  #hear({ name, uid, record }: Told): void {
    const head = this.#quiet.get(name);
    const raw = head?.uid === uid ? toldRun(head, record) : undefined;
    if (raw?.record?.is === "claimed" && raw.record.code !== undefined) {
      this.#finished(name, attemptOf(name)!, raw, raw.record);
    }
    this.#wake(name);
  }

  #wake(name: string): void {
    this.#quiet.delete(name);
    for (const wake of this.#waiters.get(name) ?? []) wake();
  }

  #wakeAll(): void {
    this.#quiet.clear();
    for (const name of this.#waiters.keys()) this.#wake(name);
  }

  /**
   * What is known of a run. Every folder is decidable: running, finished, or lost.
   *
   * @param attempt Which.
   * @param signal When to stop.
   * @returns Its status; nothing when there is none.
   */
  async status(attempt: Attempt, signal?: AbortSignal): Promise<RunStatus | undefined> {
    const name = folderOf(attempt);
    const known = this.#ended.get(name);
    if (known) return known;
    const raw = (await orAborted(this.#looks.add(name), signal)).get(name);
    return raw && await this.#decide(name, attempt, raw);
  }

  /** All runs. */
  async *list(
    task: string | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RunStatus, void, void> {
    const { lines } = await this.link.use(
      "list runs",
      (host) => host.ask("list", ...(task ? [task] : [])),
      signal,
    );
    for (const [name, raw] of parseRuns(lines)) {
      signal?.throwIfAborted();
      const attempt = attemptOf(name);
      if (!attempt) continue;
      const { record } = raw;
      const plain = record?.is === "claimed" && record.code !== undefined && record.code <= 128;
      const status = plain ? this.#finished(name, attempt, raw, record) : await this.status(attempt, signal);
      if (status) yield status;
    }
  }

  async #decide(name: string, attempt: Attempt, first: RawRun): Promise<RunStatus | undefined> {
    let raw: RawRun | undefined = first;
    const { boot } = (await this.link.host()).facts;
    const again = async (): Promise<RawRun | undefined> => (await this.#looks.add(name)).get(name);
    for (let tries = 0; raw; tries++) {
      const { head, record } = raw;
      if (record === undefined) {
        if (await this.#beingStarted(head, boot)) {
          return { ...this.#base(attempt, raw), state: "running", waiting: "its process is being started" };
        }
        await this.link.use("take a run", (host) => host.ask("take", name));
      } else if (record.is === "void") {
        return this.#lost(
          name,
          attempt,
          raw,
          "it was never begun: the host or the connection went away first",
        );
      } else if (record.is === "begun") {
        if (tries > 20) return this.#lost(name, attempt, raw, "the host went away as it began");
        await sleep(systemClock, 20);
      } else if (record.code !== undefined) {
        return this.#finished(name, attempt, raw, record);
      } else if (record.boot !== boot) {
        return this.#lost(name, attempt, raw, "the host was restarted while it ran");
      } else if (raw.alive) {
        return { ...this.#base(attempt, raw), state: "running" };
      } else if (tries > 0) {
        await this.link.use("end a run", (host) => host.ask("clear", record.shell));
        const pid = record.shell.split(".")[0];
        return this.#lost(
          name,
          attempt,
          raw,
          `its watching shell, pid ${pid}, was killed, and the rest of its processes with it`,
        );
      }
      raw = await again();
    }
    return undefined;
  }

  async #beingStarted(head: RunHead, boot: string): Promise<boolean> {
    if (head.boot !== boot || Date.now() - head.since > START_MS) return false;
    return await this.link.use("look at runs", async (host) => {
      if (host.facts.me === head.by) return true;
      return (await host.ask("alive", head.by)).lines.includes(head.by);
    });
  }

  #base(attempt: Attempt, { head, record }: RawRun) {
    const where = record?.is === "claimed"
      ? `pid ${record.shell.split(".")[0]} on ${this.#where}`
      : `${this.#where}, not yet a process`;
    return { attempt, since: head.since, where, notes: head.notes };
  }

  #lost(name: string, attempt: Attempt, raw: RawRun, reason: string): EndedStatus {
    const status: EndedStatus = { ...this.#base(attempt, raw), state: "lost", reason };
    this.#ended.set(name, status);
    return status;
  }

  #finished(name: string, attempt: Attempt, raw: RawRun, record: Claimed): EndedStatus {
    const code = record.code!;
    const bySignal = code > 128 && code < 128 + 65 && !raw.ownCode;
    const status: EndedStatus = {
      ...this.#base(attempt, raw),
      state: "finished",
      // By the coordinator's clock, whatever that of the host says.
      until: raw.head.since + record.ms,
      ...(bySignal ? { signal: signalName(code - 128) } : { exitCode: code }),
      resources: record.resources,
    };
    this.#ended.set(name, status);
    return status;
  }

  /**
   * Waits for the end of a run.
   *
   * @param attempt Which.
   * @param signal When to stop.
   * @returns How it ended; nothing when there is none.
   */
  async ended(attempt: Attempt, signal: AbortSignal | undefined): Promise<EndedStatus | undefined> {
    const name = folderOf(attempt);
    while (true) {
      signal?.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiters = this.#waiters.get(name) ?? new Set();
      this.#waiters.set(name, waiters.add(resolve));
      this.#sweep();
      try {
        if (!this.#quiet.has(name)) {
          const status = await this.status(attempt, signal);
          if (status?.state !== "running") return status;
        }
        await orAborted(promise, signal);
      } finally {
        waiters.delete(resolve);
        if (waiters.size === 0 && this.#waiters.get(name) === waiters) this.#waiters.delete(name);
        if (this.#waiters.size === 0) this.#sweeping?.abort();
      }
    }
  }

  /** Whether a run ends within some time, in milliseconds. */
  endedWithin(attempt: Attempt, ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    return within(systemClock, ms, signal, (signal) => this.ended(attempt, signal));
  }

  /** Looks now and then at all that is waited for, in one request: a watching shell that was killed tells nobody. */
  #sweep(): void {
    if (this.#sweeping && !this.#sweeping.signal.aborted) return;
    const controller = new AbortController();
    this.#sweeping = controller;
    const round = async (): Promise<void> => {
      while (!controller.signal.aborted) {
        const host = await this.link.host().catch(() => undefined);
        await sleep(systemClock, host?.tells === false ? OFTEN : SELDOM, controller.signal);
        if (host?.lost !== false) continue;
        const names = [...this.#waiters.keys()];
        await Promise.all(names.map(async (name) => {
          const raw = (await this.#looks.add(name)).get(name);
          const { record } = raw ?? {};
          if (!raw || (record?.is === "claimed" ? !raw.alive || record.code !== undefined : true)) {
            this.#wake(name);
          }
        }));
      }
    };
    // What goes wrong here is found by those who wait, too.
    round().catch(() => {}).finally(() => {
      if (this.#sweeping !== controller) return;
      this.#sweeping = undefined;
      if (!controller.signal.aborted) this.#wakeAll();
    });
  }

  /** The watching shell of a run that runs; nothing when it has ended. */
  async shell(attempt: Attempt, signal: AbortSignal | undefined): Promise<string | undefined> {
    const name = folderOf(attempt);
    for (let wait = 5;; wait = Math.min(wait * 2, 200)) {
      if (this.#ended.has(name)) return undefined;
      const raw = (await orAborted(this.#looks.add(name), signal)).get(name);
      if (!raw) return undefined;
      if (raw.record?.is === "claimed" && raw.record.code === undefined && raw.alive) return raw.record.shell;
      if ((await this.#decide(name, attempt, raw))?.state !== "running") return undefined;
      await sleep(systemClock, wait, signal);
    }
  }

  /** Gives back what is kept of a run. */
  async drop(attempt: Attempt): Promise<void> {
    const name = folderOf(attempt);
    await this.link.use("forget a run", (host) => host.drop(name));
    this.#ended.delete(name);
    this.#quiet.delete(name);
  }

  /** Leaves: runs go on. */
  async close(): Promise<void> {
    await this.link.close();
    this.#sweeping?.abort();
    this.#wakeAll();
  }

  /** `summary/moby-dick on ssh worker-1`, for errors. */
  text(attempt: Attempt): string {
    return `${formatAttempt(attempt)} on ${this.link.name}`;
  }
}

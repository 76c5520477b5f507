/**
 * Several executors as one: each run goes to the one of them that has the most room.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import type { Bytes } from "../../core/bytes.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { DefinitionError, ExecutorError, isDatataskError } from "../../core/errors.ts";
import type { Quota } from "../../core/quota.ts";
import { unknownRun } from "../attempts.ts";
import type { CallOptions, Executor, LogOptions, Reach, RunStatus, StartOptions, Work } from "../executor.ts";
import { Choice, type Open } from "./choice.ts";
import { faultsOf, largest, together } from "./definition.ts";
import { filesOf } from "./files.ts";
import { Member } from "./member.ts";
import { type Placed, Places } from "./places.ts";
import { Opening } from "../opening.ts";

/** Options of a group of executors. */
export interface ExecutorGroupOptions<W extends Work> {
  /** What people call it. Tasks on executors of one name share its capacity. */
  readonly name: string;
  /** Its members, of one kind and with names of their own. Each says by its `capacity` how much it takes. */
  readonly executors: readonly Executor<W>[];
  /** Tells when to ask a member again that did not answer. Default: the clock of this machine. */
  readonly clock?: Clock | undefined;
}

/**
 * Several executors as one, such as the hosts of a pool: each run goes to the one that has the most room for it, and stays there.
 *
 * Its capacity is that of all members together, and a run waits until one of them has room for it. A member that is away gets no runs until
 * it is back; what runs there is taken for running until it can be asked. A run that no member could ever hold fails, and says so.
 *
 * @param options Its name and its members.
 * @returns The executor.
 * @throws {DefinitionError} When there is no member, when two have one name, or when they differ in what they take and see.
 * @example Two pools of one machine
 * ```ts
 * import { localExecutor } from "@datatask/datatask";
 * import { executorGroup } from "@datatask/datatask/group";
 * import assert from "node:assert/strict";
 *
 * const machines = executorGroup({
 *   name: "machines",
 *   executors: [
 *     localExecutor({ name: "left", capacity: { cpu: 2 } }),
 *     localExecutor({ name: "right", capacity: { cpu: 4 } }),
 *   ],
 * });
 * assert.deepEqual(machines.capacity, { cpu: 6 });
 * ```
 */
export function executorGroup<W extends Work>(options: ExecutorGroupOptions<W>): Executor<W> {
  const faults = faultsOf(options);
  if (faults.length > 0) throw new DefinitionError(faults);
  return new ExecutorGroup(options);
}

class ExecutorGroup<W extends Work> implements Executor<W> {
  readonly name: string;
  readonly accepts: ReadonlySet<string>;
  readonly capacity: Quota;
  readonly most: Quota;
  readonly sees: "files" | "nothing";
  readonly textLogs?: boolean | undefined;
  readonly reach?: Reach | undefined;
  readonly #executors: readonly Executor<W>[];
  readonly #clock: Clock;
  readonly #opening: Opening<Open<W>>;
  readonly #choice: Choice<W>;

  constructor({ name, executors, clock = systemClock }: ExecutorGroupOptions<W>) {
    const first = executors[0]!;
    this.#clock = clock;
    this.name = name;
    this.accepts = first.accepts;
    this.capacity = together(executors);
    this.most = largest(executors);
    this.sees = first.sees;
    this.textLogs = first.textLogs;
    this.#executors = executors;
    this.#opening = new Opening(name);
    this.#choice = new Choice(name, clock);
    if (first.reach) {
      this.reach = {
        folder: async (attempt, options = {}) => {
          const open = await this.#opening.get(`find a folder for ${formatAttempt(attempt)}`);
          const member = await this.#choice.reserve(attempt, options.quota ?? {}, open, options.signal);
          return await this.#ask(member, (executor) => executor.reach!.folder(attempt, options));
        },
        address: async (server, options = {}) => {
          const { attempt, signal } = options;
          const member = attempt
            ? await this.#memberOf("bring values to", attempt, signal)
            : (await this.#opening.get("bring values to runs")).members[0]!;
          return await this.#ask(member, (executor) => executor.reach!.address(server, options));
        },
        files: filesOf(executors, (attempt, signal) => this.#memberOf("copy a file of", attempt, signal)),
      };
    }
  }

  async open(
    options: CallOptions & { readonly state: string; readonly look?: boolean | undefined },
  ): Promise<void> {
    await this.#opening.open(options, (state) => this.#prepare({ ...options, state }));
  }

  async #prepare(
    { state, look, signal }: CallOptions & { readonly state: string; readonly look?: boolean | undefined },
  ): Promise<Open<W>> {
    const own = `${state}/${encodeURIComponent(this.name)}`;
    const places = new Places(this.name, `${own}/places`);
    await places.load();
    const members = this.#executors.map((executor) =>
      new Member(executor, { state: `${own}/${encodeURIComponent(executor.name)}`, look }, this.#clock)
    );
    try {
      await this.#openAll(members, signal);
      for (const member of members) await this.#takeUp(member, places, signal);
      return { members, places };
    } catch (error) {
      await Promise.all(members.map((member) => member.close()));
      throw error;
    }
  }

  async #openAll(members: readonly Member<W>[], signal: AbortSignal | undefined): Promise<void> {
    const opened = await Promise.all(members.map((member) => member.open(signal)));
    const faulty = members.find((member) => member.fault !== undefined);
    if (faulty) throw faulty.fault;
    if (opened.some(Boolean)) return;
    throw new ExecutorError(
      "unavailable",
      `Cannot open executor ${this.name}: none of its members answers; ${members[0]!.away}`,
      { operation: "open", subject: this.name, retry: "later" },
    );
  }

  /** Counts what earlier coordinators have left with a member; all of it, when the member cannot be asked. */
  async #takeUp(member: Member<W>, places: Places, signal: AbortSignal | undefined): Promise<void> {
    const kept = [...places.all].filter(({ executor }) => executor === member.executor.name);
    const there = new Set<string>();
    if (member.opened) {
      for await (const { attempt, state } of member.executor.list({ signal })) {
        if (state === "running") there.add(formatAttempt(attempt));
      }
    }
    for (const { attempt, quota } of kept) {
      const run = formatAttempt(attempt);
      if (!member.opened || there.has(run)) member.take(run, quota);
    }
  }

  async close(): Promise<void> {
    const open = await this.#opening.close();
    if (!open) return; // Others have it open, and may be about to start something.
    this.#choice.clear();
    await Promise.all(open.members.map((member) => member.close()));
  }

  async probe(options: CallOptions = {}): Promise<{ readonly healthy: boolean; readonly reason?: string }> {
    const { members } = await this.#opening.get("probe");
    const found = await Promise.all(members.map(async (member) => {
      if (!await member.open(options.signal)) return { healthy: false, reason: member.away };
      return await member.executor.probe(options);
    }));
    const reasons = members.flatMap(({ executor }, i) =>
      found[i]!.healthy ? [] : [`${executor.name}: ${found[i]!.reason}`]
    );
    return {
      healthy: found.some(({ healthy }) => healthy),
      ...(reasons.length > 0 && { reason: reasons.join("; ") }),
    };
  }

  async start(attempt: Attempt, work: W, options: StartOptions): Promise<void> {
    const { quota, signal } = options;
    const run = formatAttempt(attempt);
    const open = await this.#opening.get(`start ${run}`);
    const member = await this.#choice.reserve(attempt, quota, open, signal);
    this.#choice.starts(run);
    const { places } = open;
    const { name } = member.executor;
    try {
      await places.set({ attempt, executor: name, quota, since: Date.now(), notes: work.notes });
      await this.#ask(member, (executor) => executor.start(attempt, work, options));
    } catch (error) {
      // Another coordinator has started it: it is what is kept.
      if (isDatataskError(error, "already-exists")) throw error;
      this.#choice.give(member, run);
      await places.delete(attempt);
      throw error;
    }
  }

  async *list(
    options: CallOptions & { readonly task?: string } = {},
  ): AsyncGenerator<RunStatus, void, void> {
    const { members, places } = await this.#opening.get("list runs");
    for (const member of members) {
      if (await member.open(options.signal)) yield* member.executor.list(options);
      else yield* this.#untold(member, places, options.task);
    }
  }

  /** The runs of a member that is away: nobody can say that they have ended. */
  *#untold(member: Member<W>, places: Places, task: string | undefined): Generator<RunStatus, void, void> {
    const waiting = `its executor cannot be asked: ${member.away}`;
    for (const { attempt, executor, since, notes } of places.all) {
      if (executor !== member.executor.name || (task !== undefined && attempt.task !== task)) continue;
      yield { attempt, since, where: executor, notes, state: "running", waiting };
    }
  }

  async wait(
    attempt: Attempt,
    options: CallOptions = {},
  ): Promise<RunStatus & { state: "finished" | "lost" }> {
    const member = await this.#memberOf("wait for", attempt, options.signal);
    await member.opens(options.signal);
    const status = await this.#ask(member, (executor) => executor.wait(attempt, options));
    this.#choice.give(member, formatAttempt(attempt));
    return status;
  }

  async stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void> {
    const member = await this.#memberOf("stop", attempt, options.signal).catch((error) => {
      if (!isDatataskError(error, "unknown-run")) throw error;
    });
    if (!member) return;
    await this.#answers(member, `stop ${formatAttempt(attempt)}`, options.signal);
    await this.#ask(member, (executor) => executor.stop(attempt, options));
    this.#choice.give(member, formatAttempt(attempt));
  }

  async logs(attempt: Attempt, options: LogOptions = {}): Promise<ReadableStream<Bytes>> {
    const member = await this.#memberOf("read the log of", attempt, options.signal);
    await this.#answers(member, `read the log of ${formatAttempt(attempt)}`, options.signal);
    return await this.#ask(member, (executor) => executor.logs(attempt, options));
  }

  async forget(attempt: Attempt, options: CallOptions = {}): Promise<void> {
    const { places } = await this.#opening.get(`forget ${formatAttempt(attempt)}`);
    const member = await this.#memberOf("forget", attempt, options.signal).catch((error) => {
      if (!isDatataskError(error, "unknown-run")) throw error;
    });
    if (!member) return;
    await this.#answers(member, `forget ${formatAttempt(attempt)}`, options.signal);
    await this.#ask(member, (executor) => executor.forget(attempt, options));
    await places.delete(attempt);
    this.#choice.give(member, formatAttempt(attempt));
  }

  /** Asks a member; takes note when it does not answer. */
  async #ask<T>(member: Member<W>, call: (executor: Executor<W>) => Promise<T>): Promise<T> {
    try {
      const answer = await call(member.executor);
      member.back();
      return answer;
    } catch (error) {
      if (isDatataskError(error, "unavailable")) member.failed(error);
      throw error;
    }
  }

  async #answers(member: Member<W>, action: string, signal: AbortSignal | undefined): Promise<void> {
    if (await member.open(signal)) return;
    throw new ExecutorError(
      "unavailable",
      `Cannot ${action} on ${this.name}: ${member.executor.name} does not answer: ${member.away}`,
      { operation: action.split(" ")[0]!, subject: this.name, retry: "later" },
    );
  }

  /** The member that a run is with, or will be. */
  async #memberOf(action: string, attempt: Attempt, signal: AbortSignal | undefined): Promise<Member<W>> {
    signal?.throwIfAborted();
    const { members, places } = await this.#opening.get(`${action} ${formatAttempt(attempt)}`);
    const reserved = this.#choice.reserved(formatAttempt(attempt));
    if (reserved) return reserved;
    const placed: Placed | undefined = await places.get(attempt);
    const member = placed && members.find(({ executor }) => executor.name === placed.executor);
    if (member) return member;
    throw unknownRun(this.name, action, attempt);
  }
}

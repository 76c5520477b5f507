/**
 * Which member of a group a run goes to.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import { type Clock, sleep, unless } from "../../core/clock.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { Quota } from "../../core/quota.ts";
import type { Work } from "../executor.ts";
import type { Member } from "./member.ts";
import type { Places } from "./places.ts";

/** How long a place is kept for a run that is not started yet, in milliseconds. */
const RESERVED_MS = 600_000;

/** How often it is looked at whether a member is back, while nothing has room, in milliseconds. */
const AGAIN_MS = 1000;

/** What a group holds while it is open. */
export interface Open<W extends Work> {
  /** Its members. */
  readonly members: readonly Member<W>[];
  /** Where runs went. */
  readonly places: Places;
}

/** Chooses members for runs, and keeps places for those that are about to start. */
export class Choice<W extends Work> {
  readonly #group: string;
  readonly #clock: Clock;
  /** Until when, by the monotonic clock. */
  readonly #reserved = new Map<string, { readonly member: Member<W>; readonly until: number }>();
  /** Resolved when a run has given back what it used. */
  #room = Promise.withResolvers<void>();

  /**
   * @param group What people call the group.
   * @param clock Tells when to ask a member again that did not answer.
   */
  constructor(group: string, clock: Clock) {
    this.#group = group;
    this.#clock = clock;
  }

  /** The member that a place is kept with for a run that is about to start. */
  reserved(run: string): Member<W> | undefined {
    return this.#reserved.get(run)?.member;
  }

  /** A run starts now, and has its place for good. */
  starts(run: string): void {
    this.#reserved.delete(run);
  }

  /** A run gives back what it used. */
  give(member: Member<W>, run: string): void {
    member.give(run);
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  /** Keeps no places any more. */
  clear(): void {
    this.#reserved.clear();
  }

  /** The member that has the most room for a run; waits until one has enough. */
  async reserve(
    attempt: Attempt,
    quota: Quota,
    { members, places }: Open<W>,
    signal: AbortSignal | undefined,
  ): Promise<Member<W>> {
    const run = formatAttempt(attempt);
    const kept = await places.get(attempt);
    const owner = kept && members.find(({ executor }) => executor.name === kept.executor);
    if (owner) {
      owner.take(run, quota);
      return owner;
    }
    for (;;) {
      signal?.throwIfAborted();
      this.#expire();
      const before = this.#reserved.get(run);
      if (before) return before.member;
      const room = this.#room.promise;
      const member = await this.#roomiest(run, members, quota, signal);
      if (member) {
        member.take(run, quota);
        this.#reserved.set(run, { member, until: this.#clock.monotonic() + RESERVED_MS });
        return member;
      }
      const again = new AbortController();
      const either = signal ? AbortSignal.any([signal, again.signal]) : again.signal;
      try {
        await Promise.race([unless(either, room), sleep(this.#clock, AGAIN_MS, either)]);
      } finally {
        again.abort();
      }
    }
  }

  async #roomiest(
    run: string,
    members: readonly Member<W>[],
    quota: Quota,
    signal: AbortSignal | undefined,
  ): Promise<Member<W> | undefined> {
    const able = members.filter((member) => member.holds(quota));
    if (able.length === 0) {
      throw new ExecutorError(
        "cannot-start",
        `Cannot start ${run} on ${this.#group}: none of its members has as much as it needs (${
          Object.entries(quota).map(([name, amount]) => `${name}: ${amount}`).join(", ")
        }); ask for less, or add a larger one`,
        { operation: "start", subject: this.#group },
      );
    }
    await Promise.all(able.map((member) => member.open(signal)));
    const there = able.filter((member) => member.away === undefined);
    if (there.length === 0) {
      throw new ExecutorError(
        "unavailable",
        `Cannot start ${run} on ${this.#group}: no member that could take it answers: ${
          able.map((member) => `${member.executor.name}: ${member.away}`).join("; ")
        }`,
        { operation: "start", subject: this.#group, retry: "later" },
      );
    }
    let best: Member<W> | undefined;
    let least: readonly [number, number] = [Infinity, Infinity];
    for (const member of there) {
      const now = [member.fullness(quota), member.runs] as const;
      if (now[0] === Infinity || now[0] > least[0] || (now[0] === least[0] && now[1] >= least[1])) continue;
      [best, least] = [member, now];
    }
    return best;
  }

  /** Lets go of places that were kept for runs which never began. */
  #expire(): void {
    const now = this.#clock.monotonic();
    for (const [run, { member, until }] of this.#reserved) {
      if (until > now) continue;
      this.#reserved.delete(run);
      this.give(member, run);
    }
  }
}

/**
 * A member of a group: an executor that may be away for a while, and what its runs use.
 *
 * @module
 */
import { type Clock, sleep } from "../../core/clock.ts";
import { describeError, isDatataskError } from "../../core/errors.ts";
import { exceeded, type Quota } from "../../core/quota.ts";
import type { Executor, Work } from "../executor.ts";

/** How long after a failure an executor is left alone, in milliseconds: the first time, and at the most. */
const AWAY_MS = 1000;
const LONGEST_AWAY_MS = 60_000;

/** A member of a group. */
export class Member<W extends Work> {
  /** The executor. */
  readonly executor: Executor<W>;
  readonly #how: { readonly state: string; readonly look?: boolean | undefined };
  readonly #clock: Clock;
  readonly #quotas = new Map<string, Quota>();
  #opening: Promise<void> | undefined;
  #opened = false;
  #failures = 0;
  #until = 0;
  #why: unknown;

  /**
   * @param executor The executor.
   * @param how How it is opened: with which folder for its state, and whether to look only.
   * @param clock Tells when to try again.
   */
  constructor(
    executor: Executor<W>,
    how: { readonly state: string; readonly look?: boolean | undefined },
    clock: Clock,
  ) {
    this.executor = executor;
    this.#how = how;
    this.#clock = clock;
  }

  /** Whether it can be asked. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Why it cannot be used now; nothing when it can. */
  get away(): string | undefined {
    if (this.#opened && this.#clock.monotonic() >= this.#until) return undefined;
    return this.#why === undefined ? "it is not open" : describeError(this.#why);
  }

  /** How many runs it has. */
  get runs(): number {
    return this.#quotas.size;
  }

  /** Takes note that a run uses something of it. */
  take(run: string, quota: Quota): void {
    this.#quotas.set(run, quota);
  }

  /** Takes note that a run uses nothing any more. */
  give(run: string): void {
    this.#quotas.delete(run);
  }

  /** Whether there will ever be room for so much. */
  holds(quota: Quota): boolean {
    return exceeded(quota, this.executor.capacity) === undefined;
  }

  /** How full it would be with so much more: above 1 when it does not fit. */
  fullness(quota: Quota): number {
    let fullest = 0;
    for (const [name, capacity] of Object.entries(this.executor.capacity)) {
      let used = quota[name] ?? 0;
      for (const each of this.#quotas.values()) used += each[name] ?? 0;
      if (exceeded({ [name]: used }, { [name]: capacity })) return Infinity;
      fullest = Math.max(fullest, capacity > 0 ? used / capacity : 0);
    }
    return fullest;
  }

  /** Opens it, when it is not open and was not tried a moment ago. Returns whether it is open. */
  async open(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#opened) return true;
    if (this.#clock.monotonic() < this.#until) return false;
    const opening = this.#opening ??= this.executor.open({ ...this.#how, signal });
    try {
      await opening;
      this.#opened = true;
      this.back();
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#opening === opening) this.failed(error);
    } finally {
      if (this.#opening === opening) this.#opening = undefined;
    }
    return this.#opened;
  }

  /** Waits until it is open. */
  async opens(signal: AbortSignal | undefined): Promise<void> {
    while (!await this.open(signal)) {
      await sleep(this.#clock, Math.max(50, this.#until - this.#clock.monotonic()), signal);
    }
  }

  /** Takes note of a failure of the way to it: it is left alone for a while. */
  failed(error: unknown): void {
    this.#why = error;
    this.#until = this.#clock.monotonic() + Math.min(AWAY_MS * 2 ** this.#failures++, LONGEST_AWAY_MS);
  }

  /** Takes note that it answers. */
  back(): void {
    this.#failures = 0;
    this.#until = 0;
    this.#why = undefined;
  }

  /** Why it did not open, when that is nothing that passes. */
  get fault(): unknown {
    const passes = isDatataskError(this.#why, "unavailable") || isDatataskError(this.#why, "io");
    return this.#opened || passes ? undefined : this.#why;
  }

  /** Closes it. */
  async close(): Promise<void> {
    const { opened } = this;
    this.#opened = false;
    if (opened) await this.executor.close();
  }
}

/**
 * What is known of runs while an executor is open: one record for each, which hears of every change, and whose end does not change any more.
 *
 * @module
 */
import type { RunStatus } from "../executor.ts";
import type { Ended, Entry, JobPart } from "./entry.ts";
import type { Identity } from "./identity.ts";
import type { Judged } from "./status.ts";

/** What a new record begins with. */
export interface NewEntry {
  readonly name: string;
  readonly identity: Identity;
  readonly judged: Judged;
  readonly pod: string;
  readonly uid: string;
  readonly job?: JobPart;
}

/** The runs of one state folder. */
export class Entries {
  readonly #entries = new Map<string, Entry>();
  /** Names of runs that this process is about to start. */
  readonly #starting = new Set<string>();
  readonly #patience: number;

  /** @param patience How long trouble that may pass is waited for, in milliseconds. */
  constructor(patience: number) {
    this.#patience = patience;
  }

  /** What is known of a run. */
  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** All that are known now. */
  all(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** Marks a run as one that this process is about to start. Returns false when it is already. */
  claim(name: string): boolean {
    if (this.#starting.has(name)) return false;
    this.#starting.add(name);
    return true;
  }

  /** It was started, or not. */
  release(name: string): void {
    this.#starting.delete(name);
  }

  /** Whether this process is about to start it. */
  isStarting(name: string): boolean {
    return this.#starting.has(name);
  }

  /** Begins a record. Who listens to the one before it, listens to this. */
  add({ name, identity, judged, pod, uid, job }: NewEntry): Entry {
    const entry: Entry = {
      name,
      pod,
      uid,
      job,
      judged,
      container: identity.container,
      merged: identity.merged,
      headed: identity.headed,
      everywhere: identity.everywhere,
      stopping: false,
      kept: undefined,
      gone: false,
      ended: undefined,
      version: 0,
      round: 0,
      trouble: undefined,
      listeners: this.#entries.get(name)?.listeners ?? new Set(),
    };
    this.#entries.set(name, entry);
    return entry;
  }

  /** Takes in how a run stands now. */
  update(entry: Entry, judged: Judged): void {
    entry.judged = judged;
    if (judged.status.state !== "running") this.conclude(entry, judged.status as Ended);
    else this.#watchTrouble(entry, judged.trouble);
    this.changed(entry);
  }

  /** Trouble that passes is waited for, but not for ever. */
  #watchTrouble(entry: Entry, trouble: string | undefined): void {
    if (trouble === undefined) {
      clearTimeout(entry.trouble);
      entry.trouble = undefined;
      return;
    }
    entry.trouble ??= setTimeout(() => {
      const { attempt, since, where, notes } = entry.judged.status;
      const reason = entry.judged.trouble ?? trouble;
      this.conclude(entry, {
        ...{ attempt, since, where, notes },
        ...{ state: "finished", until: Date.now(), reason, infrastructure: true },
      });
      this.changed(entry);
    }, this.#patience);
  }

  /** Says how a run has ended. What was said first stays. */
  conclude(entry: Entry, status: Ended): void {
    entry.ended ??= status;
    clearTimeout(entry.trouble);
    entry.trouble = undefined;
  }

  /** What a run cannot be without is gone: it is lost, unless it has ended before. */
  lose(entry: Entry, judged: Judged, reason: string): void {
    const { attempt, since, where, notes, state } = judged.status;
    const status: RunStatus = { attempt, since, where, notes, state: "lost", reason };
    this.update(entry, state === "finished" ? judged : { ...judged, status });
  }

  /** Tells all who listen. */
  changed(entry: Entry): void {
    for (const listener of [...entry.listeners]) listener();
  }

  /** Nothing is kept of a run any more. */
  drop(name: string): void {
    clearTimeout(this.#entries.get(name)?.trouble);
    this.#entries.delete(name);
  }

  /** Gives back all timers. */
  close(): void {
    for (const entry of this.#entries.values()) clearTimeout(entry.trouble);
  }
}

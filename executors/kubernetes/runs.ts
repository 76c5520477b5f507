/**
 * The pods of one state folder, kept up to date by one watch for all.
 *
 * @module
 */
import { sleep, systemClock, unless } from "../../core/clock.ts";
import type { RunStatus } from "../executor.ts";
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import { type Ended, type Entry } from "./entry.ts";
import { type Owner, readIdentity, runOf, selectorOf } from "./identity.ts";
import type { Pod } from "./objects.ts";
import { patiently } from "./patience.ts";
import { judge, type Judged } from "./status.ts";
import { listing, type Subject, watchAll } from "./watch.ts";

/** The pods of one state folder. */
export class Runs {
  readonly #api: Api;
  readonly #owner: Owner;
  readonly #patience: number;
  readonly #entries = new Map<string, Entry>();
  /** Names of runs that this process is about to start. */
  readonly #starting = new Set<string>();
  readonly #closing = new AbortController();
  #round = 0;
  #watch: { readonly ready: Promise<void>; readonly over: Promise<void> } | undefined;
  #failed: unknown;

  /**
   * @param api Where they are.
   * @param owner Whose they are.
   * @param patience How long an apiserver may be away, in milliseconds.
   */
  constructor(api: Api, owner: Owner, patience: number) {
    this.#api = api;
    this.#owner = owner;
    this.#patience = patience;
  }

  /** Given when the executor is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  async #subject(task?: string): Promise<Subject> {
    return { path: this.#api.path("pods"), labelSelector: await selectorOf(this.#owner, task) };
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

  /** Takes in what a pod looks like now. */
  seen(pod: Pod): Entry | undefined {
    const name = runOf(this.#owner, pod);
    const identity = readIdentity(this.#owner, pod);
    if (name === undefined || identity === undefined) return undefined;
    const judged = judge(pod, identity, this.#starting.has(name));
    let entry = this.#entries.get(name);
    if (entry === undefined || (entry.uid !== pod.metadata.uid && entry.pod === pod.metadata.name)) {
      // What is on its way out and was forgotten comes by once more.
      if (pod.metadata.deletionTimestamp !== undefined && !entry) return undefined;
      entry = {
        name,
        pod: pod.metadata.name,
        uid: pod.metadata.uid,
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
        round: this.#round,
        trouble: undefined,
        listeners: entry?.listeners ?? new Set(),
      };
      this.#entries.set(name, entry);
    }
    entry.round = this.#round;
    // The watch may be behind what calls have answered.
    const version = Number(pod.metadata.resourceVersion);
    if (version < entry.version) return entry;
    entry.version = version;
    entry.judged = judged;
    if (judged.status.state !== "running") this.conclude(entry, judged.status as Ended);
    else this.#watchTrouble(entry, judged.trouble);
    this.#changed(entry);
    return entry;
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
      this.#changed(entry);
    }, this.#patience);
  }

  /** Says how a run has ended. What was said first stays. */
  conclude(entry: Entry, status: Ended): void {
    entry.ended ??= status;
    clearTimeout(entry.trouble);
    entry.trouble = undefined;
  }

  #changed(entry: Entry): void {
    for (const listener of [...entry.listeners]) listener();
  }

  /** A pod is gone: by the hand of somebody else, unless its run has ended. */
  #gone(entry: Entry, last: Judged, reason: string): void {
    entry.gone = true;
    const { attempt, since, where, notes } = last.status;
    const status: Ended = last.status.state === "running"
      ? { attempt, since, where, notes, state: "lost", reason }
      : last.status as Ended;
    this.conclude(entry, status);
    this.#changed(entry);
  }

  #deleted(pod: Pod): void {
    const entry = this.#entries.get(runOf(this.#owner, pod) ?? "");
    if (entry === undefined || entry.uid !== pod.metadata.uid) return;
    const identity = readIdentity(this.#owner, pod)!;
    const disrupted = pod.status?.conditions?.some(({ type, status }) =>
      type === "DisruptionTarget" && status === "True"
    );
    const judged = disrupted && entry.judged.status.state === "running"
      ? judge({ ...pod, status: { ...pod.status, phase: "Failed" } }, identity, false)
      : judge(pod, identity, true);
    this.#gone(entry, judged, "its pod was removed by somebody else");
  }

  /** What a new listing does not show is gone, or younger than the listing. */
  async #settle(signal: AbortSignal): Promise<void> {
    const missing = [...this.#entries.values()].filter(({ round, gone }) => round < this.#round && !gone);
    for (const entry of missing) {
      const pod = await this.#api.find<Pod>({ path: this.#api.path("pods", entry.pod), signal });
      if (this.#entries.get(entry.name) !== entry) continue;
      if (pod && pod.metadata.uid === entry.uid) this.seen(pod);
      else this.#gone(entry, entry.judged, "its pod was removed by somebody else");
    }
  }

  /** Begins to watch, once. Resolves when everything was listed. */
  #begin(): Promise<void> {
    if (this.#watch) return this.#watch.ready;
    const ready = Promise.withResolvers<void>();
    ready.promise.catch(() => {});
    const over = this.#goOn(ready).catch((error) => {
      this.#watch = undefined;
      this.#failed = error;
      ready.reject(error);
      for (const entry of this.#entries.values()) this.#changed(entry);
    });
    this.#failed = undefined;
    this.#watch = { ready: ready.promise, over };
    return ready.promise;
  }

  async #goOn(ready: PromiseWithResolvers<void>): Promise<void> {
    const { signal } = this.#closing;
    const subject = await this.#subject();
    let failing: number | undefined;
    let pause = 50;
    const fine = (): void => {
      failing = undefined;
      pause = 50;
    };
    const listener = {
      listing: () => void this.#round++,
      seen: (pod: Pod) => {
        fine();
        this.seen(pod);
      },
      gone: (pod: Pod) => this.#deleted(pod),
      listed: async () => {
        fine();
        await this.#settle(signal);
        ready.resolve();
      },
    };
    let known = false;
    ready.promise.then(() => known = true, () => {});
    while (true) {
      try {
        await watchAll<Pod>(this.#api, subject, listener, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ApiFault)) throw error;
        // An apiserver that has just come back may know nobody for a moment: once it was fine, all trouble may pass.
        failing ??= performance.now();
        if ((!known && !error.away) || performance.now() - failing > this.#patience) throw error;
        await sleep(systemClock, error.retryAfterMs ?? pause, signal);
        pause = Math.min(pause * 2, 2000);
      }
    }
  }

  /** What is known of a run, once the watch is there: nothing when it has no pod. */
  async find(name: string, signal?: AbortSignal): Promise<Entry | undefined> {
    await unless(signal, this.#begin());
    const known = this.#entries.get(name);
    if (known) return known;
    const pod = await this.patiently(
      () => this.#api.find<Pod>({ path: this.#api.path("pods", name), signal }),
      signal,
    );
    return pod && (this.#entries.get(name) ?? this.seen(pod));
  }

  /** Something without which a run cannot be is missing: it is lost, unless this process is about to start or to end it. */
  missed(name: string, reason: string): Ended | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.stopping || this.#starting.has(name)) return entry?.ended;
    const { attempt, since, where, notes } = entry.judged.status;
    this.conclude(entry, { attempt, since, where, notes, state: "lost", reason });
    this.#changed(entry);
    return entry.ended;
  }

  /** Waits for the next change of a run, or for the watch to fail. */
  changed(entry: Entry, signal?: AbortSignal): Promise<void> {
    const change = new Promise<void>((resolve) => {
      const listener = (): void => {
        entry.listeners.delete(listener);
        resolve();
      };
      entry.listeners.add(listener);
    });
    return unless(signal, change);
  }

  /** Waits until a run has ended. */
  async ended(entry: Entry, signal?: AbortSignal): Promise<Ended> {
    while (true) {
      const current = this.#entries.get(entry.name) ?? entry;
      if (current.ended) return current.ended;
      if (this.#failed !== undefined) throw this.#failed;
      await unless(signal, this.#begin());
      if (!current.ended) await this.changed(current, signal);
    }
  }

  /** All runs, as the apiserver has them now. */
  async *all(
    task: string | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<{ readonly pod: Pod; readonly status: RunStatus }, void, void> {
    for await (const pod of listing<Pod>(this.#api, await this.#subject(task), signal)) {
      const name = runOf(this.#owner, pod);
      const identity = readIdentity(this.#owner, pod);
      if (name === undefined || identity === undefined) continue;
      const known = this.#entries.get(name);
      const ended = known?.uid === pod.metadata.uid ? known.ended : undefined;
      const { status } = judge(pod, identity, this.#starting.has(name));
      // What is on its way out and had not ended is as good as gone.
      if (pod.metadata.deletionTimestamp !== undefined && status.state === "running" && ended) continue;
      yield { pod, status: ended ?? status };
    }
  }

  /** Nothing is kept of a run any more. */
  drop(name: string): void {
    const entry = this.#entries.get(name);
    if (entry) clearTimeout(entry.trouble);
    this.#entries.delete(name);
  }

  /** Makes a call again while the apiserver is away, for as long as it may take. */
  async patiently<T>(call: (again: boolean) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return await patiently(call, this.#patience, this.closing, signal);
  }

  /** Ends the watch. Whatever waits ends with an error. */
  async close(): Promise<void> {
    this.#closing.abort(new DOMException("The executor was closed", "AbortError"));
    await this.#watch?.over;
    for (const entry of this.#entries.values()) clearTimeout(entry.trouble);
  }
}

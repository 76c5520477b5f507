/**
 * The runs of one state folder, kept up to date by one watch of their pods, and one of their Jobs where there may be some.
 *
 * @module
 */
import { unless } from "../../core/clock.ts";
import type { RunStatus } from "../executor.ts";
import type { Api } from "./api.ts";
import { Entries } from "./entries.ts";
import type { Ended, Entry } from "./entry.ts";
import { type Owner, readIdentity, runOf, selectorOf } from "./identity.ts";
import { BATCH } from "./job.ts";
import { Jobs } from "./jobs.ts";
import { keepWatching } from "./keeping_watch.ts";
import { type Job, jobOf, type Pod } from "./objects.ts";
import { patiently } from "./patience.ts";
import { Pods } from "./pods.ts";
import { judge } from "./status.ts";
import { listing, type Subject, type Thing, type WatchListener } from "./watch.ts";

/** A run as the apiserver has it now. */
export interface Found {
  readonly status: RunStatus;
  readonly pod: Pod | undefined;
  readonly job: Job | undefined;
}

/** The runs of one state folder. */
export class Runs {
  /** What their pods tell. */
  readonly pods: Pods;
  /** What their Jobs tell. */
  readonly jobs: Jobs;
  readonly #api: Api;
  readonly #owner: Owner;
  readonly #patience: number;
  readonly #withJobs: boolean;
  readonly #entries: Entries;
  readonly #closing = new AbortController();
  #watch: { readonly ready: Promise<unknown>; readonly over: Promise<unknown> } | undefined;
  #failed: unknown;

  /**
   * @param api Where they are.
   * @param owner Whose they are.
   * @param patience How long an apiserver may be away, in milliseconds.
   * @param withJobs Whether some may be Jobs.
   */
  constructor(api: Api, owner: Owner, patience: number, withJobs: boolean) {
    this.#api = api;
    this.#owner = owner;
    this.#patience = patience;
    this.#withJobs = withJobs;
    const entries = this.#entries = new Entries(patience);
    const { signal } = this.#closing;
    this.pods = new Pods(api, owner, entries, (entry) => this.jobs.look(entry), signal);
    this.jobs = new Jobs(api, owner, entries, this.pods, signal);
  }

  /** Given when the executor is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  async #subject(path: string, task?: string): Promise<Subject> {
    return { path, labelSelector: await selectorOf(this.#owner, task) };
  }

  /** Marks a run as one that this process is about to start. Returns false when it is already. */
  claim(name: string): boolean {
    return this.#entries.claim(name);
  }

  /** It was started, or not. */
  release(name: string): void {
    this.#entries.release(name);
  }

  /** Says how a run has ended. What was said first stays. */
  conclude(entry: Entry, status: Ended): void {
    this.#entries.conclude(entry, status);
  }

  /** Nothing is kept of a run any more. */
  drop(name: string): void {
    this.#entries.drop(name);
  }

  /** Begins to watch, once. Resolves when everything was listed. */
  #begin(): Promise<unknown> {
    if (this.#watch) return this.#watch.ready;
    const ended = new AbortController();
    const signal = AbortSignal.any([this.closing, ended.signal]);
    const watch = <T extends Thing>(
      path: string,
      listener: WatchListener<T>,
    ): { readonly ready: Promise<void>; readonly over: Promise<void> } => {
      const ready = Promise.withResolvers<void>();
      const keeping = { patience: this.#patience, signal, ready: ready.resolve };
      const over = this.#subject(path)
        .then((subject) => keepWatching(this.#api, subject, listener, keeping))
        .catch((error) => {
          ready.reject(error);
          if (ended.signal.aborted) return;
          // Without one of them nothing is known any more.
          ended.abort(error);
          this.#watch = undefined;
          this.#failed = error;
          for (const entry of this.#entries.all()) this.#entries.changed(entry);
        });
      return { ready: ready.promise, over };
    };
    this.#failed = undefined;
    const watches = [watch(this.#api.path("pods"), this.pods)];
    if (this.#withJobs) watches.push(watch(this.#api.path("jobs", undefined, BATCH), this.jobs));
    const ready = Promise.all(watches.map(({ ready }) => ready));
    ready.catch(() => {});
    this.#watch = { ready, over: Promise.all(watches.map(({ over }) => over)) };
    return ready;
  }

  /** What is known of a run, once the watch is there: nothing when there is none. */
  async find(name: string, signal?: AbortSignal): Promise<Entry | undefined> {
    await unless(signal, this.#begin());
    const known = this.#entries.get(name);
    if (known) return known;
    const get = <T>(path: string): Promise<T | undefined> =>
      this.patiently(() => this.#api.find<T>({ path, signal }), signal);
    const job = this.#withJobs ? await get<Job>(this.#api.path("jobs", name, BATCH)) : undefined;
    if (job) return this.#entries.get(name) ?? this.jobs.seen(job);
    const pod = await get<Pod>(this.#api.path("pods", name));
    return pod && (this.#entries.get(name) ?? this.pods.seen(pod));
  }

  /** Something without which a run cannot be is missing: it is lost, unless this process is about to start or to end it. */
  missed(name: string, reason: string): Ended | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.stopping || this.#entries.isStarting(name)) return entry?.ended;
    this.#entries.lose(entry, entry.judged, reason);
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
  async *all(task: string | undefined, signal?: AbortSignal): AsyncGenerator<Found, void, void> {
    if (this.#withJobs) yield* this.#allJobs(task, signal);
    for await (
      const pod of listing<Pod>(this.#api, await this.#subject(this.#api.path("pods"), task), signal)
    ) {
      const name = runOf(this.#owner, pod);
      const identity = readIdentity(this.#owner, pod);
      if (name === undefined || identity === undefined || jobOf(pod) !== undefined) continue;
      const known = this.#entries.get(name);
      const ended = known?.uid === pod.metadata.uid ? known.ended : undefined;
      const { status } = judge(pod, identity, this.#entries.isStarting(name));
      // What is on its way out and had not ended is as good as gone.
      if (pod.metadata.deletionTimestamp !== undefined && status.state === "running" && ended) continue;
      yield { pod, job: undefined, status: ended ?? status };
    }
  }

  async *#allJobs(task: string | undefined, signal?: AbortSignal): AsyncGenerator<Found, void, void> {
    // Their pods are known by the watch.
    await unless(signal, this.#begin());
    const subject = await this.#subject(this.#api.path("jobs", undefined, BATCH), task);
    for await (const job of listing<Job>(this.#api, subject, signal)) {
      const entry = this.jobs.seen(job);
      if (entry === undefined) continue;
      await unless(signal, Promise.resolve(entry.job?.asked));
      if (job.metadata.deletionTimestamp !== undefined && entry.ended) continue;
      const status = entry.ended ?? entry.judged.status;
      const path = this.#api.path("pods", entry.pod);
      const waits = status.state === "running" && status.waiting !== undefined && entry.uid !== "";
      yield { job, pod: waits ? await this.#api.find<Pod>({ path, signal }) : undefined, status };
    }
  }

  /** Makes a call again while the apiserver is away, for as long as it may take. */
  async patiently<T>(call: (again: boolean) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return await patiently(call, this.#patience, this.closing, signal);
  }

  /** Ends the watch. Whatever waits ends with an error. */
  async close(): Promise<void> {
    this.#closing.abort(new DOMException("The executor was closed", "AbortError"));
    await this.#watch?.over;
    await this.pods.close();
    await Promise.allSettled(this.#entries.all().map(({ job }) => job?.asked));
    this.#entries.close();
  }
}

/**
 * What the pods of runs tell, as they come and go.
 *
 * @module
 */
import type { Api } from "./api.ts";
import type { Entries } from "./entries.ts";
import type { Entry } from "./entry.ts";
import { type Owner, readIdentity, runOf } from "./identity.ts";
import { jobOf, type Pod } from "./objects.ts";
import { isDisrupted, judge, type Judged, REMOVED } from "./status.ts";
import type { WatchListener } from "./watch.ts";

/** Why a run is lost whose Job was suspended: whoever resumes it would begin the script anew. */
const SUSPENDED = "its Job was suspended while it ran";

/** For how long a pod may come that a Job makes which was removed, in milliseconds. */
const LATE = 60_000;

/** The pods of one state folder. */
export class Pods implements WatchListener<Pod> {
  readonly #api: Api;
  readonly #owner: Owner;
  readonly #entries: Entries;
  readonly #withoutPod: (entry: Entry) => Promise<void>;
  readonly #signal: AbortSignal;
  /** Pods that were seen before their Jobs, by these. */
  readonly #early = new Map<string, Pod>();
  /** Jobs that were removed when they had no pod, and when: one may come late. */
  readonly #unwanted = new Map<string, number>();
  readonly #ending = new Set<Promise<unknown>>();
  #round = 0;

  /**
   * @param api Where they are.
   * @param owner Whose they are.
   * @param entries Where what they tell is kept.
   * @param withoutPod Finds out what has become of a run whose Job may have lost its pod while nobody watched.
   * @param signal Ends what is being asked.
   */
  constructor(
    api: Api,
    owner: Owner,
    entries: Entries,
    withoutPod: (entry: Entry) => Promise<void>,
    signal: AbortSignal,
  ) {
    this.#api = api;
    this.#owner = owner;
    this.#entries = entries;
    this.#withoutPod = withoutPod;
    this.#signal = signal;
  }

  /** Everything is about to be listed. */
  listing(): void {
    this.#round++;
    this.#early.clear();
  }

  /** Takes in what a pod looks like now. */
  seen(pod: Pod): Entry | undefined {
    const name = runOf(this.#owner, pod);
    const identity = readIdentity(this.#owner, pod);
    if (name === undefined || identity === undefined) return undefined;
    const { uid, name: podName, resourceVersion } = pod.metadata;
    const judged = judge(pod, identity, this.#entries.isStarting(name));
    const job = jobOf(pod);
    let entry = this.#entries.get(name);
    if (job !== undefined) {
      if (this.#unwanted.delete(job)) this.#end(pod);
      if (entry?.job?.uid !== job) {
        this.#early.set(job, pod);
        return undefined;
      }
      // What has ended has ended with the pod that it had.
      if (entry.ended && entry.uid !== "" && entry.uid !== uid) return entry;
    } else if (entry === undefined || (entry.uid !== uid && entry.pod === podName)) {
      // What is on its way out and was forgotten comes by once more.
      if (pod.metadata.deletionTimestamp !== undefined && !entry) return undefined;
      entry = this.#entries.add({ name, identity, judged, pod: podName, uid });
    }
    entry.round = this.#round;
    // The watch may be behind what calls have answered.
    const version = Number(resourceVersion);
    if (version < entry.version) return entry;
    entry.version = version;
    if (job !== undefined) [entry.pod, entry.uid] = [podName, uid];
    const { status } = judged;
    if (status.state === "lost") this.#lose(entry, judged);
    else this.#entries.update(entry, judged);
    return entry;
  }

  /** A Job was removed when it had no pod: should one come all the same, it is ended at once. */
  unwant(job: string): void {
    const now = performance.now();
    for (const [each, since] of this.#unwanted) if (now - since > LATE) this.#unwanted.delete(each);
    this.#unwanted.set(job, now);
  }

  /** The cluster removes it too, and gives it time. */
  #end({ metadata: { name, uid } }: Pod): void {
    const body = { gracePeriodSeconds: 0, preconditions: { uid } };
    const path = this.#api.path("pods", name);
    const ending = this.#api.find({ method: "DELETE", path, body, signal: this.#signal })
      .catch(() => {})
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Returns when nothing is asked any more; the signal has been given. */
  async close(): Promise<void> {
    await Promise.all(this.#ending);
  }

  #lose(entry: Entry, last: Judged): void {
    const { status } = last;
    const reason = status.state === "lost" ? status.reason : REMOVED;
    this.#entries.lose(entry, last, entry.job?.suspended ? SUSPENDED : reason);
  }

  /** A Job has become known: its pod may have been seen before. */
  of(job: string): void {
    const pod = this.#early.get(job);
    this.#early.delete(job);
    if (pod) this.seen(pod);
  }

  /** A pod is gone: by the hand of somebody else, unless its run has ended. */
  gone(pod: Pod): void {
    this.#early.delete(jobOf(pod) ?? "");
    const entry = this.#entries.get(runOf(this.#owner, pod) ?? "");
    if (entry === undefined || entry.uid !== pod.metadata.uid) return;
    const identity = readIdentity(this.#owner, pod)!;
    const last = isDisrupted(pod) && entry.judged.status.state === "running"
      ? judge({ ...pod, status: { ...pod.status, phase: "Failed" } }, identity, false)
      : judge(pod, identity, true);
    // It had not begun, and its Job makes another when it is no longer suspended.
    if (entry.job?.suspended && !last.begun && last.status.state === "running") {
      [entry.pod, entry.uid] = ["", ""];
      return this.#entries.update(entry, entry.job.judged);
    }
    entry.gone = true;
    this.#lose(entry, last);
  }

  /** What a new listing does not show is gone, or younger than the listing. */
  async listed(): Promise<void> {
    const missing = this.#entries.all().filter(({ uid, round, gone }) =>
      uid !== "" && round < this.#round && !gone
    );
    for (const entry of missing) {
      const path = this.#api.path("pods", entry.pod);
      const pod = await this.#api.find<Pod>({ path, signal: this.#signal });
      if (this.#entries.get(entry.name) !== entry) continue;
      if (pod && pod.metadata.uid === entry.uid) this.seen(pod);
      else if (entry.job && !entry.ended) {
        [entry.pod, entry.uid] = ["", ""];
        await this.#withoutPod(entry);
      } else {
        entry.gone = true;
        this.#lose(entry, entry.judged);
      }
    }
  }
}

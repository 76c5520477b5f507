/**
 * What the Jobs of runs tell. As long as a run has a pod, that pod tells how it stands; its Job speaks before and afterwards.
 *
 * @module
 */
import type { Api } from "./api.ts";
import type { Entries } from "./entries.ts";
import type { Entry, JobPart } from "./entry.ts";
import { type Owner, readIdentity, runOf } from "./identity.ts";
import { BATCH, hasSecret, isUnsure, madeSure } from "./job.ts";
import { judgeJob } from "./job_status.ts";
import type { Job, Pod } from "./objects.ts";
import type { Pods } from "./pods.ts";
import { listing, type Subject, type WatchListener } from "./watch.ts";

const REMOVED = "its Job was removed by somebody else";

/**
 * The pods of a Job.
 *
 * @param api Where.
 * @param uid The identity of the Job.
 * @returns What to list.
 */
export function podsOfJob(api: Api, uid: string): Subject {
  return { path: api.path("pods"), labelSelector: `batch.kubernetes.io/controller-uid=${uid}` };
}

/** The Jobs of one state folder. */
export class Jobs implements WatchListener<Job> {
  readonly #api: Api;
  readonly #owner: Owner;
  readonly #entries: Entries;
  readonly #pods: Pods;
  readonly #signal: AbortSignal;
  #round = 0;

  /**
   * @param api Where they are.
   * @param owner Whose they are.
   * @param entries Where what they tell is kept.
   * @param pods Their pods.
   * @param signal Ends what is being asked.
   */
  constructor(api: Api, owner: Owner, entries: Entries, pods: Pods, signal: AbortSignal) {
    this.#api = api;
    this.#owner = owner;
    this.#entries = entries;
    this.#pods = pods;
    this.#signal = signal;
  }

  /** Everything is about to be listed. */
  listing(): void {
    this.#round++;
  }

  /** Takes in what a Job looks like now. */
  seen(job: Job): Entry | undefined {
    const name = runOf(this.#owner, job);
    const identity = readIdentity(this.#owner, job);
    if (name === undefined || identity === undefined) return undefined;
    const { uid, resourceVersion, deletionTimestamp } = job.metadata;
    const version = Number(resourceVersion);
    const judged = judgeJob(job, identity);
    let entry = this.#entries.get(name);
    // The watch may be behind what calls have answered.
    if (entry?.job && version < entry.job.version) return entry;
    if (entry?.job?.uid !== uid) {
      // What is on its way out and was forgotten comes by once more.
      if (deletionTimestamp !== undefined && !entry) return undefined;
      const part: JobPart = {
        uid,
        judged,
        suspended: false,
        unsure: false,
        start: identity.start,
        version,
        round: this.#round,
        asked: undefined,
      };
      entry = this.#entries.add({ name, identity, judged, pod: "", uid: "", job: part });
    }
    const part = entry.job!;
    part.version = version;
    part.round = this.#round;
    part.suspended = job.spec.suspend === true;
    part.unsure = isUnsure(this.#owner, job) && !this.#entries.isStarting(name);
    part.judged = judged;
    this.#pods.of(uid);
    if (entry.ended || entry.judged.begun) return entry;
    // News of its pod may be on the way still, by another connection.
    if (part.unsure || (entry.uid === "" && judged.status.state !== "running")) this.#ask(entry, part);
    else if (entry.uid === "") this.#entries.update(entry, judged);
    return entry;
  }

  /** A Job is gone: by the hand of somebody else, unless its run has ended. */
  gone(job: Job): void {
    const entry = this.#entries.get(runOf(this.#owner, job) ?? "");
    if (entry?.job?.uid === job.metadata.uid) this.#entries.lose(entry, entry.judged, REMOVED);
  }

  /** What a new listing does not show is gone, or younger than the listing. */
  async listed(): Promise<void> {
    for (const entry of this.#entries.all()) {
      if (entry.job && entry.job.round < this.#round && !entry.ended) await this.look(entry);
    }
  }

  /** Looks at the Job of a run once more. Returns when it is known how the run stands. */
  async look(entry: Entry): Promise<void> {
    const part = entry.job!;
    const path = this.#api.path("jobs", entry.name, BATCH);
    const job = await this.#api.find<Job>({ path, signal: this.#signal });
    if (this.#entries.get(entry.name) !== entry) return;
    if (job?.metadata.uid !== part.uid) return this.#entries.lose(entry, entry.judged, REMOVED);
    this.seen(job);
    await part.asked;
  }

  #ask(entry: Entry, part: JobPart): void {
    part.asked ??= this.#inquire(entry, part).finally(() => part.asked = undefined);
    // Whoever needs to know waits for it, or asks again.
    part.asked.catch(() => {});
  }

  async #inquire(entry: Entry, part: JobPart): Promise<void> {
    for await (const pod of listing<Pod>(this.#api, podsOfJob(this.#api, part.uid), this.#signal)) {
      this.#pods.seen(pod);
    }
    if (entry.ended || entry.judged.begun) return;
    if (part.judged.status.state !== "running") {
      if (entry.uid === "") this.#entries.update(entry, part.judged);
      return;
    }
    if (!part.unsure) return;
    if (await hasSecret(this.#api, { name: entry.name, start: part.start }, this.#signal)) {
      const path = this.#api.path("jobs", entry.name, BATCH);
      const body = madeSure(this.#owner, part.uid);
      await this.#api.find({ method: "PATCH", path, body, signal: this.#signal });
    } else {
      const reason = "its Job was made and never started: whoever did that was cut off";
      this.#entries.lose(entry, entry.judged, reason);
    }
  }
}

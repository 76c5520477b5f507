/**
 * Runs work in pods of a Kubernetes cluster, which keep all that is to be known of a run: nothing else has to be remembered.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import type { Bytes } from "../../core/bytes.ts";
import { type ErrorCode, ExecutorError } from "../../core/errors.ts";
import { parseQuota, type Quota } from "../../core/quota.ts";
import { checkAttempt, stillRuns, unknownRun } from "../attempts.ts";
import type { ContainerWork } from "../container_work.ts";
import type { CallOptions, Executor, LogOptions, Reach, RunStatus, StartOptions } from "../executor.ts";
import { Opening } from "../opening.ts";
import type { PodWork } from "../pod_work.ts";
import { stateIdentity } from "../state_identity.ts";
import { type Access, accessOf } from "./access.ts";
import { Api } from "./api.ts";
import { eventOf, jobEventOf } from "./events.ts";
import { ApiFault, explain } from "./fault.ts";
import { nameOf, type Owner, readIdentity } from "./identity.ts";
import { findCluster } from "./kubeconfig.ts";
import { podsOf, spreadStatus } from "./everywhere.ts";
import { nodeLogs } from "./node_logs.ts";
import { logStream } from "./logs.ts";
import { Nodes } from "./nodes.ts";
import { checkOptions, type KubernetesExecutorOptions } from "./options.ts";
import { Pace } from "./pace.ts";
import { reachOf } from "./reach.ts";
import { removeRun } from "./removal.ts";
import { checkRights, mayHaveJobs } from "./rights.ts";
import type { Ended, Entry } from "./entry.ts";
import { Runs } from "./runs.ts";
import { startRun } from "./start.ts";
import { stopRun } from "./stop.ts";

const PATIENCE = 120_000;
const PODS_PER_SECOND = 20;

/**
 * Runs work in pods of a Kubernetes cluster.
 *
 * The cluster is found as `kubectl` finds it. Each run is a pod whose labels and annotations carry its identity, so that runs go on when the
 * coordinator leaves or is killed, and the next one finds them; pods of pipelines with another state folder are not seen. With `as: "job"` each run is
 * a Job, which has that pod made.
 *
 * @param options Where the cluster is, its name and its capacity, and what all pods get.
 * @returns The executor.
 * @throws {DefinitionError} With all that is wrong.
 * @example Where it would run
 * ```ts
 * import { kubernetesExecutor } from "@datatask/datatask/kubernetes";
 * import assert from "node:assert/strict";
 *
 * const executor = kubernetesExecutor({ context: "dev", namespace: "jobs", capacity: { cpu: 64, memory: "256Gi" } });
 * assert.deepEqual(executor.capacity, { cpu: 64, memory: 256 * 2 ** 30 });
 * assert(executor.accepts.has("container"));
 * ```
 */
export function kubernetesExecutor(
  options: KubernetesExecutorOptions = {},
): Executor<ContainerWork | PodWork> {
  return new KubernetesExecutor(options);
}

/** Whether a file is there that says so: it is made when it is so now. */
async function marked(file: string, now: boolean): Promise<boolean> {
  if (now) await Deno.writeTextFile(file, "");
  return now || await Deno.lstat(file).then(() => true, () => false);
}

/** What is there while an executor is open. */
interface Open {
  readonly api: Api;
  readonly owner: Owner;
  readonly runs: Runs;
  readonly nodes: Nodes;
}

class KubernetesExecutor implements Executor<ContainerWork | PodWork> {
  readonly name: string;
  readonly accepts: ReadonlySet<string> = new Set(["container", "pod"]);
  readonly capacity: Quota;
  readonly sees = "nothing";
  readonly textLogs = true;
  readonly reach: Reach;
  readonly #options: KubernetesExecutorOptions;
  readonly #pace: Pace;
  readonly #opening: Opening<Open>;
  readonly #jobs: boolean;

  constructor(options: KubernetesExecutorOptions) {
    this.name = options.name ?? "kubernetes";
    this.#opening = new Opening(this.name);
    checkOptions(this.name, options);
    this.capacity = parseQuota(options.capacity ?? {}, `capacity of executor ${this.name}:`);
    this.reach = reachOf(this.name, options.agentAddress);
    this.#options = options;
    this.#jobs = options.as === "job";
    this.#pace = new Pace(options.podsPerSecond ?? PODS_PER_SECOND);
  }

  async open(options: CallOptions & { readonly state: string }): Promise<void> {
    await this.#opening.open(options, (state) => this.#prepare(`${state}/kubernetes`, options.signal));
  }

  async #prepare(folder: string, signal: AbortSignal | undefined): Promise<Open> {
    const access = await accessOf(await findCluster(this.#options));
    const api = new Api(access);
    const action = `open executor ${this.name}`;
    try {
      const state = await stateIdentity(`${folder}/identity`);
      await checkRights(api, this.#jobs, action, signal);
      // Runs that were Jobs are found also when they are pods from now on.
      const hasJobs = await marked(`${folder}/jobs`, this.#jobs) && await mayHaveJobs(api, signal);
      const owner: Owner = { label: this.#options.label ?? "datatask", state };
      const runs = new Runs(api, owner, this.#options.patienceMs ?? PATIENCE, hasJobs);
      return { api, owner, runs, nodes: new Nodes(api) };
    } catch (error) {
      await api.close();
      throw explain(error, access, action, "unavailable");
    }
  }

  async close(): Promise<void> {
    const it = await this.#opening.close();
    await it?.runs.close();
    await it?.api.close();
  }

  /** Does something, and says what a failure means. */
  async #told<T>(access: Access, action: string, call: () => Promise<T>, code?: ErrorCode): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw explain(error, access, action, code);
    }
  }

  async probe(options: CallOptions = {}): Promise<{ readonly healthy: boolean; readonly reason?: string }> {
    const action = `start pods on ${this.name}`;
    let api: Api | undefined;
    try {
      api = new Api(await accessOf(await findCluster(this.#options)));
      await this.#told(api.access, action, () => checkRights(api!, this.#jobs, action, options.signal));
      return { healthy: true };
    } catch (error) {
      options.signal?.throwIfAborted();
      return { healthy: false, reason: (error as Error).message };
    } finally {
      await api?.close();
    }
  }

  async start(attempt: Attempt, work: ContainerWork | PodWork, options: StartOptions): Promise<void> {
    options.signal?.throwIfAborted();
    checkAttempt(this.name, attempt);
    const { quota, signal } = options;
    const action = `start ${formatAttempt(attempt)} on ${this.name}`;
    const { api, owner, runs, nodes } = await this.#opening.get(action);
    const lack = this.#options.autoscaled || work.kind === "pod" ? undefined : await nodes.lack(quota);
    if (lack) throw new ExecutorError("cannot-start", `Cannot ${action}: ${lack}`, { operation: "start" });
    const maker = { api, owner, runs, pace: this.#pace, options: this.#options };
    try {
      await startRun(maker, { attempt, work, quota, action, signal });
    } catch (error) {
      signal?.throwIfAborted();
      // What others use up of a quota of the namespace they give back.
      const full = error instanceof ApiFault && error.status === 403 && /quota/i.test(error.message);
      throw explain(error, api.access, action, full ? "unavailable" : "cannot-start");
    }
  }

  async *list(options: CallOptions & { readonly task?: string } = {}): AsyncGenerator<RunStatus, void, void> {
    const { api, owner, runs } = await this.#opening.get("list runs");
    const action = `list the runs of ${this.name}`;
    const all = runs.all(options.task, options.signal);
    while (true) {
      options.signal?.throwIfAborted();
      const next = await this.#told(api.access, action, () => all.next());
      if (next.done) return;
      const { pod, job, status } = next.value;
      const identity = pod && readIdentity(owner, pod);
      if (pod && identity?.everywhere && status.state === "running") {
        yield await this.#told(
          api.access,
          action,
          () => spreadStatus(api, runs, owner.label, pod, identity, status, options.signal),
        );
      } else if (status.state !== "running" || status.waiting === undefined) yield status;
      else {
        const event = pod
          ? await eventOf(api, pod, options.signal)
          : await jobEventOf(api, job!, options.signal);
        yield { ...status, waiting: event ?? status.waiting };
      }
    }
  }

  async #find(
    attempt: Attempt,
    action: string,
    signal: AbortSignal | undefined,
  ): Promise<Open & { readonly entry: Entry | undefined }> {
    const it = await this.#opening.get(action);
    const name = await nameOf(it.owner, attempt);
    const entry = await this.#told(it.api.access, action, () => it.runs.find(name, signal));
    return { ...it, entry };
  }

  async wait(attempt: Attempt, options: CallOptions = {}): Promise<Ended> {
    options.signal?.throwIfAborted();
    const action = `wait for ${formatAttempt(attempt)} on ${this.name}`;
    const { api, runs, entry } = await this.#find(attempt, action, options.signal);
    if (entry === undefined) throw unknownRun(this.name, "wait for", attempt);
    return await this.#told(api.access, action, () => runs.ended(entry, options.signal));
  }

  async stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void> {
    options.signal?.throwIfAborted();
    const action = `stop ${formatAttempt(attempt)} on ${this.name}`;
    const { api, owner, runs, entry } = await this.#find(attempt, action, options.signal);
    if (entry === undefined) return;
    await this.#told(
      api.access,
      action,
      () => stopRun(api, runs, owner.label, entry, options.graceMs, options.signal),
    );
  }

  async logs(attempt: Attempt, options: LogOptions = {}): Promise<ReadableStream<Bytes>> {
    options.signal?.throwIfAborted();
    const action = `read the log of ${formatAttempt(attempt)} on ${this.name}`;
    const { api, owner, runs, entry } = await this.#find(attempt, action, options.signal);
    if (entry === undefined) throw unknownRun(this.name, "read the log of", attempt);
    const stderr = options.stream === "stderr";
    if (stderr && entry.merged) return new Blob([]).stream();
    if (entry.everywhere) {
      const subject = podsOf(api, owner.label, entry.name);
      return nodeLogs(api, runs, subject, entry, options.follow ?? false, options.signal);
    }
    return logStream(api, runs, {
      entry,
      stderr,
      follow: options.follow ?? false,
      action,
      signal: options.signal,
    });
  }

  async forget(attempt: Attempt, options: CallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    const action = `forget ${formatAttempt(attempt)} on ${this.name}`;
    const { api, runs, entry } = await this.#find(attempt, action, options.signal);
    if (entry === undefined) return;
    if (entry.ended === undefined) throw stillRuns(this.name, attempt);
    await this.#told(api.access, action, () => removeRun(api, runs, entry));
    runs.drop(entry.name);
  }
}

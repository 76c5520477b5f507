/**
 * Runs work in containers of a Docker Engine, which keep all that is to be known of a run: nothing else has to be remembered.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import type { Bytes } from "../../core/bytes.ts";
import { ExecutorError } from "../../core/errors.ts";
import { checkKey } from "../../core/key.ts";
import { parseQuota, type Quota } from "../../core/quota.ts";
import { checkAttempt, stillRuns, unknownRun } from "../attempts.ts";
import type { ContainerWork } from "../container_work.ts";
import type { CallOptions, Executor, LogOptions, Reach, RunStatus, StartOptions } from "../executor.ts";
import { Opening } from "../opening.ts";
import { stateIdentity } from "../state_identity.ts";
import { type Owner, readLabels } from "./container.ts";
import { findEndpoint } from "./endpoint.ts";
import { Engine } from "./engine.ts";
import { Images } from "./images.ts";
import { logStream, type NodeStream } from "./logs.ts";
import { type DockerExecutorOptions, type Listed, machine } from "./options.ts";
import { dockerReach } from "./reach.ts";
import { runs } from "./run_faults.ts";
import { ContainerRuns } from "./runs.ts";
import { created, type Inspected, statusOf } from "./status.ts";

/** How many containers are looked at, at once, in a listing. */
const WIDTH = 8;

/**
 * Runs work in containers of a Docker Engine.
 *
 * The engine is found as the `docker` command finds it. Each run is a container whose labels carry its identity, so that runs go on when the
 * coordinator leaves or is killed, and the next one finds them; containers of pipelines with another state folder are not seen.
 *
 * @param options Where the engine is, its name and its capacity.
 * @returns The executor.
 * @throws {ExecutorError} When an address or a context cannot be used.
 * @throws {DefinitionError} When the capacity is no quota.
 * @example Where it would run
 * ```ts
 * import { dockerExecutor } from "@datatask/datatask/docker";
 * import assert from "node:assert/strict";
 *
 * const executor = dockerExecutor({ socket: "/run/user/1000/docker.sock", capacity: { cpu: 4, memory: "8Gi" } });
 * assert.deepEqual(executor.capacity, { cpu: 4, memory: 8 * 2 ** 30 });
 * assert(executor.accepts.has("container"));
 * ```
 */
export function dockerExecutor(options: DockerExecutorOptions = {}): Executor<ContainerWork> {
  return new DockerExecutor(options);
}

class DockerExecutor implements Executor<ContainerWork> {
  readonly name: string;
  readonly accepts: ReadonlySet<string> = new Set(["container"]);
  readonly capacity: Quota;
  readonly sees: "files" | "nothing";
  readonly reach: Reach;
  readonly #engine: Engine;
  readonly #images: Images;
  readonly #label: string;
  readonly #opening: Opening<ContainerRuns>;

  constructor(options: DockerExecutorOptions) {
    this.name = options.name ?? "docker";
    this.#opening = new Opening(this.name);
    const endpoint = findEndpoint(options);
    this.sees = options.sharesFiles ?? endpoint.local ? "files" : "nothing";
    this.capacity = options.capacity
      ? parseQuota(options.capacity, `capacity of executor ${this.name}:`)
      : endpoint.local
      ? machine()
      : {};
    this.#label = checkKey(options.label ?? "datatask", "use the label", `executor ${this.name}`);
    this.#engine = new Engine(endpoint);
    this.#images = new Images(this.#engine, options.registryAuth);
    this.reach = dockerReach(this.name, this.#engine, endpoint.local, options.agentAddress);
  }

  async open(options: CallOptions & { readonly state: string }): Promise<void> {
    await this.#opening.open(options, (state) => this.#prepare(`${state}/docker`, options.signal));
  }

  async #prepare(folder: string, signal: AbortSignal | undefined): Promise<ContainerRuns> {
    try {
      await this.#engine.call({ method: "GET", path: "/_ping", signal });
      const owner: Owner = { label: this.#label, state: await stateIdentity(`${folder}/identity`) };
      return new ContainerRuns(this.#engine, owner, this.#images, folder);
    } catch (error) {
      throw this.#engine.explain(error, `open executor ${this.name}`, "unavailable");
    }
  }

  async close(): Promise<void> {
    await this.#opening.close();
  }

  async probe(options: CallOptions = {}): Promise<{ readonly healthy: boolean; readonly reason?: string }> {
    try {
      await this.#engine.call({ method: "GET", path: "/_ping", signal: options.signal });
      return { healthy: true };
    } catch (error) {
      options.signal?.throwIfAborted();
      const told = this.#engine.explain(error, `start containers on ${this.name}`, "unavailable");
      return { healthy: false, reason: (told as Error).message };
    }
  }

  async start(attempt: Attempt, work: ContainerWork, options: StartOptions): Promise<void> {
    options.signal?.throwIfAborted();
    checkAttempt(this.name, attempt);
    const { quota, signal } = options;
    const action = `start ${formatAttempt(attempt)} on ${this.name}`;
    const containers = await this.#opening.get(action);
    await this.#checkMemory(quota, action);
    await containers.start({ attempt, work, quota, action, signal });
  }

  /** The engine refuses more cores than there are by itself, but not more memory. */
  async #checkMemory({ memory }: Quota, action: string): Promise<void> {
    if (memory === undefined) return;
    this.#memory ??= this.#engine.call<{ readonly MemTotal: number }>({ method: "GET", path: "/info" }).then(
      ({ MemTotal }) => MemTotal,
    );
    const there = await this.#memory.catch((error) => {
      this.#memory = undefined;
      throw this.#engine.explain(error, action, "unavailable");
    });
    if (memory <= there) return;
    throw new ExecutorError(
      "cannot-start",
      `Cannot ${action}: it may use ${memory} bytes of memory, and the engine's machine has ${there}; give it a smaller quota`,
      { operation: "start" },
    );
  }
  #memory: Promise<number> | undefined;

  async *list(options: CallOptions & { readonly task?: string } = {}): AsyncGenerator<RunStatus, void, void> {
    const containers = await this.#opening.get("list runs");
    const { label, state } = containers.owner;
    const labels = [`${label}.state=${state}`];
    if (options.task !== undefined) labels.push(`${label}.task=${options.task}`);
    const { signal } = options;
    const query = { all: "1", filters: JSON.stringify({ label: labels }) };
    const all = await this.#told(
      `list the runs of ${this.name}`,
      this.#engine.call<readonly Listed[]>({ method: "GET", path: "/containers/json", query, signal }),
    );
    for (let at = 0; at < all.length; at += WIDTH) {
      signal?.throwIfAborted();
      const page = await Promise.all(all.slice(at, at + WIDTH).map((each) => this.#listed(containers, each)));
      for (const status of page) if (status) yield status;
    }
  }

  /** What has ended is asked how; all else is known from the listing. */
  async #listed(containers: ContainerRuns, listed: Listed): Promise<RunStatus | undefined> {
    const labelled = readLabels(containers.owner, listed.Labels);
    if (labelled === undefined || listed.State === "removing") return undefined;
    const name = listed.Names[0]?.replace(/^\//, "") ?? listed.Id;
    if (listed.State === "created") {
      const { attempt, notes } = labelled;
      const base = { attempt, notes, since: listed.Created * 1000, where: `container ${name}` };
      return created(base, containers.starting(name));
    }
    if (listed.State === "running") {
      const { attempt, notes } = labelled;
      return { attempt, notes, since: listed.Created * 1000, where: `container ${name}`, state: "running" };
    }
    const found = await this.#told(`list the runs of ${this.name}`, containers.find(listed.Id));
    return found && await this.#status(containers, found, labelled);
  }

  async #told<T>(action: string, call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw this.#engine.explain(error, action);
    }
  }

  #status(
    containers: ContainerRuns,
    found: Inspected,
    labelled = readLabels(containers.owner, found.Config.Labels)!,
  ): Promise<RunStatus> {
    const starting = containers.starting(found.Name.replace(/^\//, ""));
    return this.#told(
      "ask how a run has ended",
      this.#engine.patiently(
        () => statusOf(this.#engine, found, labelled, starting),
        undefined,
      ),
    );
  }

  async wait(
    attempt: Attempt,
    options: CallOptions = {},
  ): Promise<RunStatus & { state: "finished" | "lost" }> {
    options.signal?.throwIfAborted();
    const action = `wait for ${formatAttempt(attempt)} on ${this.name}`;
    const containers = await this.#opening.get(action);
    const { signal } = options;
    const found = await this.#told(
      action,
      this.#engine.patiently(() => containers.of(attempt, signal), signal),
    );
    if (found === undefined) throw unknownRun(this.name, "wait for", attempt);
    const ended = runs(found) ? await this.#told(action, containers.ended(found.Id, signal)) : found;
    const status = await this.#status(containers, ended ?? found);
    if (ended !== undefined && status.state !== "running") return status;
    const { since, where, notes } = status;
    return {
      attempt,
      since,
      where,
      notes,
      state: "lost",
      reason: "its container was removed by somebody else",
    };
  }

  async stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void> {
    options.signal?.throwIfAborted();
    const action = `stop ${formatAttempt(attempt)} on ${this.name}`;
    const containers = await this.#opening.get(action);
    const found = await this.#told(action, containers.of(attempt, options.signal));
    if (!found || !runs(found)) return;
    await this.#told(action, containers.stop(found, options.graceMs, options.signal));
  }

  async logs(attempt: Attempt, options: LogOptions = {}): Promise<ReadableStream<Bytes>> {
    options.signal?.throwIfAborted();
    const action = `read the log of ${formatAttempt(attempt)} on ${this.name}`;
    const containers = await this.#opening.get(action);
    const { signal } = options;
    const found = await this.#told(
      action,
      this.#engine.patiently(() => containers.of(attempt, signal), signal),
    );
    if (found === undefined) throw unknownRun(this.name, "read the log of", attempt);
    const merged = readLabels(containers.owner, found.Config.Labels)!.merged;
    const stderr = options.stream === "stderr";
    const flag = (on: boolean): string => on ? "1" : "0";
    const source = await this.#told(
      action,
      this.#engine.find<NodeStream>({
        method: "GET",
        path: `/containers/${found.Id}/logs`,
        query: {
          stdout: flag(!stderr),
          stderr: flag(stderr ? !merged : merged),
          follow: flag(options.follow ?? false),
        },
        stream: true,
        signal: options.signal,
      }),
    );
    if (source === undefined) throw unknownRun(this.name, "read the log of", attempt);
    return logStream(source, options.signal);
  }

  async forget(attempt: Attempt, options: CallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    const action = `forget ${formatAttempt(attempt)} on ${this.name}`;
    const containers = await this.#opening.get(action);
    const forgetting = this.#engine.patiently(() => containers.forget(attempt), options.signal);
    if (await this.#told(action, forgetting) === "removed") return;
    throw stillRuns(this.name, attempt);
  }
}

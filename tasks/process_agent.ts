/**
 * Scripts that need the agent: those that run where the files of this machine are not seen, and those with links whose values come and go while
 * they run. What is granted to an attempt, and the script of its worker.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import type { Codec } from "../core/codec.ts";
import { ExecutorError } from "../core/errors.ts";
import { isKey } from "../core/key.ts";
import type { Executor } from "../executors/executor.ts";
import { interpreterOf } from "../executors/local_interpreter.ts";
import type { Admission, Agent } from "./agent.ts";
import { grantedLinks } from "./grants.ts";
import type { Links } from "./link.ts";
import type { Bundle } from "./module_bundle.ts";
import { keepModules, readModules } from "./module_files.ts";
import type { ScriptAgent } from "./module_script.ts";
import type { Delivery, NotedOutput } from "./process_delivery.ts";
import { isMany, manyOf, type Placed, type Slot } from "./process_links.ts";
import type { RunContext } from "./runner.ts";
import { sh } from "./script.ts";
import { readFault, type WorkerFault } from "./worker_fault.ts";
import {
  type WorkerCache,
  type WorkerFile,
  workerScript,
  type WorkerStream,
  type WorkerValue,
} from "./worker_shell.ts";

/** How long a worker may take until it asks for its first value, in milliseconds. */
const FIRST = 10_000;

/** What the next coordinator needs in order to let an attempt in again: kept with the run. */
interface AgentNote {
  /** Tells the last words of the worker from those of the script. */
  readonly mark: string;
  /** The keys of what it reads, by the name of the link. */
  readonly inputs: Readonly<Record<string, string>>;
  /** The digest of the modules of its body, when its worker fetches them. */
  readonly modules?: string | undefined;
}

/** What the agent has to do with a task. */
export interface AgentPlan {
  readonly executor: Executor;
  readonly links: Links;
  readonly documents: Codec;
  readonly patienceMs: number;
  readonly cache: WorkerCache | undefined;
  /** The modules of a body, when the script runs one: it speaks to the agent by itself about links to many values. */
  readonly modules?: (() => Promise<Bundle>) | undefined;
  /** Whether standard output, and standard error, are published; and whether they are one. */
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly mergeStderr: boolean;
}

/** An attempt that was let in, and the address under which its worker finds the agent. */
export interface Admitted extends Admission {
  /** The address, or `file:///…`, where it is found. */
  readonly address: string;
}

/** Where the values of an attempt lie for its script, and what is kept with the run. */
export interface AgentPlaces {
  /** The folder of its values, as the run sees it. */
  readonly folder: string;
  /** Values that travel through the agent. */
  readonly values: readonly Placed[];
  /** Folders of links to many values. */
  readonly many: readonly Placed[];
  /** Files that its worker fetches besides. */
  readonly files: readonly WorkerFile[];
  /** What is published when it has succeeded. */
  readonly outputs: readonly NotedOutput[];
  /** What the next coordinator needs. */
  readonly note: string;
}

/** Lets attempts of one task in at the agent. */
export class AgentAccess {
  readonly #plan: AgentPlan;
  readonly #delivery: Delivery;
  readonly #agent: (() => Promise<Agent>) | undefined;
  readonly #admissions = new Map<string, Admission>();
  /** Where those find the agent that were started here, and begin by asking for something. */
  readonly #asking = new Map<string, string>();

  /**
   * @param plan What the task says.
   * @param delivery Where values lie on this machine.
   * @param agent Gives the agent.
   */
  constructor(plan: AgentPlan, delivery: Delivery, agent: (() => Promise<Agent>) | undefined) {
    this.#plan = plan;
    this.#delivery = delivery;
    this.#agent = agent;
  }

  /** Whether values of single keys travel through the agent too. */
  get far(): boolean {
    return this.#plan.executor.sees === "nothing";
  }

  /** Whether runs of the task need the agent at all. */
  get needed(): boolean {
    const links = Object.values(this.#plan.links);
    const { stdout, stderr, modules } = this.#plan;
    const travel = modules !== undefined || (this.carries && (stdout || stderr)) ||
      links.some(({ view }) => view === "bound");
    return links.some(isMany) || (this.far && travel);
  }

  /** Whether standard streams that are published travel through it. */
  get carries(): boolean {
    return this.far && this.#plan.executor.textLogs === true;
  }

  /** Whether the script of a worker is put around the user's. A body needs none for its links to many values. */
  get wraps(): boolean {
    return this.needed && (this.far || !this.#plan.modules);
  }

  /**
   * Finds places for the values of an attempt, there and here.
   *
   * @param attempt Which.
   * @param slots Its values, and standard streams that travel with them.
   * @param context Of the run.
   * @returns Where everything lies.
   */
  async places(attempt: Attempt, slots: readonly Slot[], context: RunContext): Promise<AgentPlaces> {
    const { signal, quota } = context;
    const { executor, documents, links } = this.#plan;
    const folder = executor.reach
      ? await executor.reach.folder(attempt, { signal, quota })
      : this.#delivery.folder(attempt);
    const values = this.far
      ? slots.map((slot, i): Placed => {
        // Out of sight of the script.
        if (!slot.bound) return { ...slot, path: `${folder}/.worker/${slot.name}` };
        const file = isKey(slot.name) ? slot.name : `link-${i}`;
        const extension = slot.repository.kind === "metadata" ? documents.extension : "";
        return { ...slot, path: `${folder}/${slot.direction}/${file}${extension}` };
      })
      : [];
    const many = this.#plan.modules
      ? []
      : Object.entries(links).flatMap(([name, link]) => manyOf(attempt, folder, name, link));
    const modules = this.far ? await this.#plan.modules?.() : undefined;
    if (modules) await keepModules(this.#delivery.modules(attempt.task, modules.digest), modules);
    const files = modules
      ? [{
        title: "the modules of the body",
        name: modules.digest,
        path: `${folder}/modules`,
        digest: modules.digest,
      }]
      : [];
    const outputs = await this.#delivery.rooms(
      attempt,
      values.filter(({ direction }) => direction === "out"),
    );
    const inputs = values.filter(({ direction }) => direction === "in").map(({ name, key }) => [name, key]);
    const note: AgentNote = {
      mark: crypto.randomUUID().slice(0, 8),
      inputs: Object.fromEntries(inputs),
      modules: modules?.digest,
    };
    return { folder, values, many, files, outputs, note: JSON.stringify(note) };
  }

  /**
   * Lets an attempt in; again, when it is in.
   *
   * @param attempt Which.
   * @param note What was kept with it.
   * @param outputs Where its outputs go.
   * @param context Of the run.
   * @param network The network that it is on, where that was said.
   * @returns What its worker needs to know.
   * @throws {ExecutorError} When there is no agent.
   */
  async admit(
    attempt: Attempt,
    note: string,
    outputs: readonly NotedOutput[],
    context: RunContext,
    network: string | undefined,
  ): Promise<Admitted> {
    if (!this.#agent) {
      throw new ExecutorError(
        "cannot-start",
        `Cannot start ${
          formatAttempt(attempt)
        }: it needs the agent of a pipeline, and there is none; run it in a pipeline`,
        { operation: "start", subject: attempt.task, key: attempt.job },
      );
    }
    const { links, documents } = this.#plan;
    const noted: AgentNote = JSON.parse(note);
    const granted = grantedLinks(attempt, { ...noted, outputs, links, documents }, context);
    const agent = await this.#agent();
    const { modules } = noted;
    const files = modules === undefined
      ? undefined
      : (path: string) =>
        path === modules
          ? readModules(this.#delivery.modules(attempt.task, modules))
          : Promise.resolve(undefined);
    const { reach } = this.#plan.executor;
    const runFiles = this.far ? reach?.files : undefined;
    const admission = await agent.admit({ attempt, documents, ...granted, files, runFiles });
    this.#admissions.set(formatAttempt(attempt), admission);
    const { server } = admission;
    const address = await reach?.address(server, { signal: context.signal, network, attempt });
    return { ...admission, address: address ?? server.url ?? `http://127.0.0.1:${server.port}` };
  }

  /** What the script of a body needs in order to speak to the agent. */
  told({ address, path, token, server }: Admitted, { note, files }: AgentPlaces): ScriptAgent {
    const { mark } = JSON.parse(note) as AgentNote;
    return {
      address,
      path,
      token,
      mark,
      authorities: address.startsWith("http://") ? undefined : server.authorities,
      patienceMs: this.#plan.patienceMs,
      modules: files[0]?.path,
    };
  }

  /** The modules that a run may still ask for; nothing when it asks for none. */
  modulesOf(task: string, note: string): string | undefined {
    const { modules } = JSON.parse(note) as AgentNote;
    return modules === undefined ? undefined : this.#delivery.modules(task, modules);
  }

  /**
   * The script of the worker of an attempt.
   *
   * @param attempt Which.
   * @param admitted What its worker needs to know.
   * @param places Where its values lie.
   * @param work The script of the user, its environment, and who runs it where the script does not say.
   * @returns The script.
   */
  script(
    attempt: Attempt,
    admitted: Admitted,
    places: AgentPlaces,
    work: {
      readonly script: string;
      readonly environment: Readonly<Record<string, string>>;
      readonly interpreter: readonly string[] | undefined;
    },
  ): string {
    const { folder, values, many, files } = places;
    const { modules: _, ...told } = this.told(admitted, places);
    const subject = formatAttempt(attempt);
    const own = interpreterOf(
      { subject, script: work.script, environment: work.environment },
      () => undefined,
    );
    const valuesOf = (way: "in" | "out"): WorkerValue[] =>
      values.filter(({ direction }) => direction === way).map(valueOf);
    const inputs = valuesOf("in");
    const asks = inputs.length + files.length > 0 && !admitted.address.startsWith("file:");
    if (asks) this.#asking.set(subject, admitted.address);
    const fileOf = (stream: string): string | undefined =>
      values.find(({ name, bound }) => name === stream && !bound)?.path;
    return workerScript({
      ...told,
      folder,
      copied: this.far ? this.#plan.executor.reach?.files?.least : undefined,
      cache: this.#plan.cache,
      files,
      inputs,
      outputs: valuesOf("out"),
      streams: { stdout: fileOf("stdout"), stderr: fileOf("stderr"), merged: this.#plan.mergeStderr },
      feeds: this.#streams("stream", many),
      items: this.#streams("items", many),
      lookups: Object.keys(this.lookups()).length > 0,
      script: work.script,
      interpreter: work.interpreter ?? own,
    });
  }

  #streams(view: "stream" | "items", many: readonly Placed[]): WorkerStream[] {
    return many.filter(({ name }) => this.#plan.links[name]?.view === view).map((placed) => ({
      ...valueOf(placed),
      cokeyed: Object.fromEntries(
        Object.entries(this.#plan.links[placed.name]!.cokeyed).map(([name, { kind }]) =>
          [name, kind === "filesystem"] as const
        ),
      ),
    }));
  }

  /** What the script sees of links to any value: the command that gets one. */
  lookups(): Readonly<Record<string, unknown>> {
    if (this.#plan.modules) return {};
    return Object.fromEntries(
      Object.entries(this.#plan.links).filter(([, { view }]) => view === "lookup").map(([name]) =>
        [name, sh.raw(`datatask get '${name}'`)] as const
      ),
    );
  }

  /** Shuts an attempt out. One that is not in is fine. */
  async leave(attempt: Attempt): Promise<void> {
    const name = formatAttempt(attempt);
    const admission = this.#admissions.get(name);
    this.#admissions.delete(name);
    this.#asking.delete(name);
    await admission?.leave();
  }

  /**
   * Why a run that has begun does not go on, as far as the agent knows.
   *
   * @param attempt Which.
   * @param since When it has begun, in milliseconds since 1970.
   * @returns That its worker has not found the agent; nothing when it has, when it has just begun, or when another coordinator has started it.
   */
  unheard(attempt: Attempt, since: number): string | undefined {
    const name = formatAttempt(attempt);
    const address = this.#asking.get(name);
    if (address === undefined || Date.now() - since < FIRST) return undefined;
    if (this.#admissions.get(name)?.reached() !== false) return undefined;
    return `its worker has not found the agent at ${address} yet; see that this address leads to this machine from there, or name another: agent.hostname or agent.url of the pipeline, or agentAddress of the executor, where it has one`;
  }

  /**
   * Why a worker could not bring or hand over values.
   *
   * @param attempt Which.
   * @param note What was kept with it.
   * @param stream Where it said so.
   * @returns What it said; nothing when the script itself left with this code.
   */
  async fault(attempt: Attempt, note: string, stream: "stdout" | "stderr"): Promise<WorkerFault | undefined> {
    return await readFault(this.#plan.executor, attempt, stream, (JSON.parse(note) as AgentNote).mark);
  }
}

const valueOf = ({ name, path, repository }: Placed): WorkerValue => ({
  name,
  path,
  tree: repository.kind === "filesystem",
});

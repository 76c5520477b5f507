/**
 * How one attempt at a process task is run: bring inputs, start, wait, publish, and take over what an earlier coordinator has started.
 *
 * @module
 */
import { type Attempt, formatAttempt, StopError } from "../core/attempt.ts";
import { systemClock } from "../core/clock.ts";
import type { Codec } from "../core/codec.ts";
import { DatataskError, isDatataskError, isMachineTrouble } from "../core/errors.ts";
import type { Executor, ProcessWork, RunStatus, Work } from "../executors/executor.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { Links } from "./link.ts";
import type { Bundle } from "./module_bundle.ts";
import { recordError } from "./outcome.ts";
import { Delivery, type NotedOutput } from "./process_delivery.ts";
import type { ScriptAgent } from "./module_script.ts";
import { AgentAccess } from "./process_agent.ts";
import { boundPaths, type Placed, scriptEnvironment, type Slot, slotsOf } from "./process_links.ts";
import { collectLogs, publishOutputs } from "./process_publish.ts";
import type { Ending, FindOptions, FoundRun, RunContext, Runner, RunnerOpen, WaitingRun } from "./runner.ts";
import type { Script } from "./script.ts";
import { WORKER_FAILED } from "./worker_fault.ts";
import type { WorkerCache } from "./worker_shell.ts";

/** What a process becomes where it does not run as one, such as in a container. */
export interface Inside<W extends Work> {
  /** The network that it is on, where that was said. */
  readonly network?: string | undefined;
  /** Who runs the script, where that was said. */
  readonly interpreter?: readonly string[] | undefined;
  /** Where the script sees what lies on this machine. */
  readonly seen: (placed: readonly Placed[]) => readonly Placed[];
  /** What is started in place of the process. */
  readonly work: (started: Started) => W | Promise<W>;
}

/** What is about to be started. */
export interface Started {
  /** The process. */
  readonly process: ProcessWork;
  /** Whether its script is that of a worker, which a shell runs, and sees to the rest. */
  readonly wrapped: boolean;
  /** What lies on this machine. */
  readonly placed: readonly Placed[];
  /** What the functions of the task are given. */
  readonly context: Record<string, unknown>;
}

/** What a process task does, with all that was optional filled in. */
export interface ProcessPlan<W extends Work = ProcessWork> {
  readonly executor: Executor<W>;
  /** How values and work change on their way to the executor. */
  readonly inside: Inside<W>;
  /** All links, those of the standard streams included. */
  readonly links: Links;
  /** Makes the script. One that runs a body is told how to speak to the agent, where there is one. */
  readonly script: (
    context: Record<string, unknown>,
    agent: ScriptAgent | undefined,
  ) => string | Script | Promise<string | Script>;
  readonly environment: (
    context: Record<string, unknown>,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** The link whose value is standard input. */
  readonly stdin: string | undefined;
  /** Whether standard output is published, under the link `stdout`. */
  readonly stdout: boolean;
  /** Whether standard error is published, under the link `stderr`. */
  readonly stderr: boolean;
  readonly mergeStderr: boolean;
  readonly documents: Codec;
  /** How long a run tries to reach the agent, in milliseconds. */
  readonly patienceMs: number;
  /** What workers keep of their downloads. */
  readonly cache: WorkerCache | undefined;
  /** The modules of a body, when the script runs one. */
  readonly modules?: (() => Promise<Bundle>) | undefined;
  /** Whether all outputs of an attempt are made in one folder that holds nothing else, which can be shown to a container. */
  readonly together: boolean;
}

/** How long a run that nobody needs any more has to leave politely, in milliseconds. */
const DISCARD_GRACE_MS = 5000;

/** How long an executor may take to say what its runs wait for, in milliseconds. */
const ANSWER_MS = 5000;

/** Notes of a run: what the next coordinator needs in order to publish. */
const OUTPUTS = "outputs";
const AGENT = "agent";

/** Errors of a start that are the task's own fault, and not the machine's. */
const OWN_FAULT = new Set([
  "cannot-start",
  "invalid-definition",
  "invalid-key",
  "invalid-value",
  "not-found",
]);

type Ended = RunStatus & { state: "finished" | "lost" };

/** Runs the attempts of a process task. */
export class ProcessRunner<W extends Work = ProcessWork> implements Omit<Runner, "pool" | "defaultQuota"> {
  readonly #plan: ProcessPlan<W>;
  #delivery: Delivery | undefined;
  #access: AgentAccess | undefined;
  /** Notes of runs that were found and need the agent. */
  readonly #found = new Map<string, Readonly<Record<string, string>>>();
  /** Runs that are there, and were not seen to their end: the place where they are went away meanwhile. */
  readonly #unseen = new Set<string>();

  /** @param plan What to do. */
  constructor(plan: ProcessPlan<W>) {
    this.#plan = plan;
  }

  /** Makes ready. */
  async open(options: RunnerOpen): Promise<void> {
    const state = options.state.startsWith("/") ? options.state : `${Deno.cwd()}/${options.state}`;
    await this.#plan.executor.open({ ...options, state });
    this.#delivery = new Delivery(`${state}/delivery`, this.#plan.documents, this.#plan.together);
    this.#access = new AgentAccess(this.#plan, this.#delivery, options.agent);
  }

  /** Gives back what `open` took. */
  close(): Promise<void> {
    return this.#plan.executor.close();
  }

  /** Runs one attempt to its end. */
  async run(attempt: Attempt, context: RunContext): Promise<Ending> {
    const begun = context.clock.now();
    const name = formatAttempt(attempt);
    if (this.#unseen.has(name)) {
      // It is not begun anew, which would throw away what it has made: it may have been published already.
      try {
        return await this.adopt(attempt, context);
      } catch (error) {
        if (!isDatataskError(error, "unknown-run")) throw error;
        this.#unseen.delete(name);
      }
    }
    try {
      await this.#start(attempt, context);
    } catch (error) {
      if (context.signal.aborted) return { reason: reasonOf(context.signal), start: begun };
      // An earlier coordinator was quicker: its run is this attempt's.
      if (isDatataskError(error, "already-exists")) return await this.adopt(attempt, context);
      if (isMachineTrouble(error)) throw error;
      if (error instanceof DatataskError && !OWN_FAULT.has(error.code)) throw error;
      return { reason: "failed", start: begun, error: recordError(error) };
    }
    return await this.#see(attempt, context);
  }

  /** Takes over a run of an earlier coordinator. */
  async adopt(attempt: Attempt, context: RunContext): Promise<Ending> {
    this.#unseen.add(formatAttempt(attempt));
    // Its worker may be waiting for the agent: before anything else it is let in again.
    const notes = await this.#notesOf(attempt, context.signal);
    if (notes?.[AGENT] !== undefined) {
      const { network } = this.#plan.inside;
      await this.#agent().admit(attempt, notes[AGENT], parseOutputs(notes[OUTPUTS]), context, network);
    }
    return await this.#see(attempt, context);
  }

  /** What was kept with a run of an earlier coordinator that needs the agent. */
  async #notesOf(
    attempt: Attempt,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>> | undefined> {
    if (!this.#agent().needed) return undefined;
    const name = formatAttempt(attempt);
    const found = this.#found.get(name);
    this.#found.delete(name);
    if (found) return found;
    for await (const status of this.#plan.executor.list({ task: attempt.task, signal })) {
      if (formatAttempt(status.attempt) === name) return status.notes;
    }
    return undefined;
  }

  /** Runs of earlier coordinators. */
  async *find(
    task: string,
    options: FindOptions = {},
  ): AsyncGenerator<FoundRun, void, void> {
    const folders = new Set<string>();
    for await (const run of this.#plan.executor.list({ signal: options.signal, task })) {
      const { attempt, since, where, notes } = run;
      folders.add(this.#places().folder(attempt));
      if (notes[AGENT] !== undefined) {
        this.#found.set(formatAttempt(attempt), notes);
        folders.add(this.#agent().modulesOf(task, notes[AGENT]) ?? "");
      }
      yield { attempt, since, where, waiting: run.state === "running" ? run.waiting : undefined };
    }
    if (options.sweep) await this.#places().sweep(task, folders);
  }

  /** Runs that are under way, and where. */
  async *located(
    task: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<FoundRun, void, void> {
    for await (const run of this.#plan.executor.list({ task, signal })) {
      if (run.state !== "running") continue;
      const { attempt, since, where, waiting } = run;
      yield { attempt, since, where, waiting };
    }
  }

  /** Runs that have not begun, or do not go on, and why. */
  async *waits(
    task: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<WaitingRun, void, void> {
    const { executor } = this.#plan;
    const late = new AbortController();
    const cancel = systemClock.after(ANSWER_MS, () => late.abort());
    try {
      for await (const run of executor.list({ task, signal: AbortSignal.any([signal, late.signal]) })) {
        if (run.state !== "running") continue;
        const { attempt, since } = run;
        const why = run.waiting ?? this.#access?.unheard(attempt, since);
        if (why !== undefined) yield { attempt, why };
      }
    } catch {
      signal.throwIfAborted();
      const { healthy, reason } = await executor.probe({ signal });
      if (!healthy && reason !== undefined) yield { why: reason };
    } finally {
      cancel();
    }
  }

  /** Ends a run when it still runs, and gives back all that is kept of it. */
  async discard(attempt: Attempt): Promise<void> {
    const { executor } = this.#plan;
    this.#found.delete(formatAttempt(attempt));
    this.#unseen.delete(formatAttempt(attempt));
    await this.#agent().leave(attempt);
    await executor.stop(attempt, { graceMs: DISCARD_GRACE_MS });
    try {
      const { notes } = await executor.wait(attempt);
      await executor.forget(attempt);
      await this.#places().discard(attempt, parseOutputs(notes[OUTPUTS]));
    } catch (error) {
      if (!isDatataskError(error, "unknown-run")) throw error;
    }
  }

  /** What a live run writes. */
  follow(
    attempt: Attempt,
    options: { readonly signal: AbortSignal; readonly follow: boolean },
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return this.#plan.executor.logs(attempt, {
      ...options,
      stream: this.#plan.stdout && !this.#plan.stderr ? "stderr" : "stdout",
    });
  }

  #places(): Delivery {
    if (this.#delivery) return this.#delivery;
    throw new Error("A process task was run before it was opened");
  }

  #agent(): AgentAccess {
    if (this.#access) return this.#access;
    throw new Error("A process task was run before it was opened");
  }

  /** Which values are published from the standard streams. */
  #isStream(slot: Slot): boolean {
    return (this.#plan.stdout && slot.name === "stdout") || (this.#plan.stderr && slot.name === "stderr");
  }

  async #start(attempt: Attempt, context: RunContext): Promise<void> {
    const { executor, inside, links, mergeStderr } = this.#plan;
    const { signal, quota } = context;
    const delivery = this.#places();
    const { slots, values } = await slotsOf(attempt, links, signal);
    const stdin = await this.#stdin(attempt, signal);
    const access = this.#agent();
    const bound = slots.filter((slot) => slot.bound);
    const near = await delivery.deliver(attempt, access.far ? [] : bound, signal);
    let outputs = near.outputs;
    try {
      const streams = access.carries ? slots.filter((slot) => this.#isStream(slot)) : [];
      const places = access.needed
        ? await access.places(attempt, [...bound, ...streams], context)
        : undefined;
      outputs = [...near.outputs, ...places?.outputs ?? []];
      const { job, task, replica } = attempt;
      const { placed } = near;
      const within = [...inside.seen(placed), ...places?.values ?? [], ...places?.many ?? []];
      const bodies = boundPaths(within, { ...values, ...access.lookups() });
      const seen = { job, task, attempt: attempt.attempt, replica, quota, ...bodies };
      const admitted = places &&
        await access.admit(attempt, places.note, places.outputs, context, inside.network);
      const told = places && admitted && access.told(admitted, places);
      const script = await this.#plan.script(seen, told);
      const environment = {
        ...scriptEnvironment(attempt, quota, within),
        ...await this.#plan.environment(seen),
      };
      const process: ProcessWork = {
        kind: "process",
        script: typeof script === "string" ? script : script.text,
        environment,
        mergeStderr,
        notes: { [OUTPUTS]: JSON.stringify(outputs), ...(places && { [AGENT]: places.note }) },
        stdin,
      };
      const own = places && admitted && access.wraps
        ? {
          ...process,
          script: access.script(attempt, admitted, places, { ...process, interpreter: inside.interpreter }),
        }
        : process;
      const work = await inside.work({ process: own, wrapped: own !== process, placed, context: seen });
      context.signal.throwIfAborted();
      await executor.start(attempt, work, { quota, signal });
    } catch (error) {
      // A run that was there before still needs its folder.
      if (!isDatataskError(error, "already-exists")) {
        await access.leave(attempt);
        await delivery.discard(attempt, outputs);
      } else for (const { path, staged } of outputs) if (staged) await removeFresh(path);
      await stdin?.cancel().catch(() => {});
      throw error;
    }
  }

  async #stdin(
    attempt: Attempt,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    const { stdin, links } = this.#plan;
    if (stdin === undefined) return undefined;
    const { slots } = await slotsOf(
      attempt,
      { stdin: { ...links[stdin]!, view: "bound", cokeyed: {} } },
      signal,
    );
    return await (slots[0]!.repository as BlobRepository).open(slots[0]!.key, { signal });
  }

  /** Waits for the end of a run, or ends it when it shall end; then publishes, and keeps the log. */
  async #see(attempt: Attempt, context: RunContext): Promise<Ending> {
    const name = formatAttempt(attempt);
    this.#unseen.add(name);
    const ending = await this.#seen(attempt, context);
    this.#unseen.delete(name);
    return ending;
  }

  async #seen(attempt: Attempt, context: RunContext): Promise<Ending> {
    const { executor } = this.#plan;
    const status = await this.#end(attempt, context);
    // Nothing of what another coordinator may have taken up is touched.
    if (!status || isLetGo(context.signal)) return { reason: "shut-down" };
    // From here on nothing of it changes any more.
    await this.#agent().leave(attempt);
    const outputs = parseOutputs(status.notes[OUTPUTS]);
    const release = async (): Promise<void> => {
      // The run first: one that is found without its outputs would look like one that has failed.
      await executor.forget(attempt);
      await this.#places().discard(attempt, outputs);
    };
    context.located(status.where);
    const base = {
      start: status.since,
      where: status.where,
      release,
      ...(status.state === "finished" && {
        end: status.until,
        ...(status.exitCode !== undefined && { exitCode: status.exitCode }),
        ...(status.signal !== undefined && { signal: status.signal }),
        ...(status.resources && { resources: status.resources }),
      }),
    };
    if (context.signal.aborted) return await this.#stopped(attempt, context, base, outputs);
    if (status.state === "lost") {
      await collectLogs(this.#plan, attempt, context, false);
      return { ...base, reason: "lost", error: { name: "Lost", message: status.reason } };
    }
    const verdict = status.exitCode === 0
      ? await this.#publish(attempt, context, outputs)
      : await this.#failed(attempt, status);
    const said = await collectLogs(this.#plan, attempt, context, verdict.reason === "succeeded");
    if (verdict.reason !== "succeeded") await this.#places().discard(attempt, outputs);
    // What a script said before it left tells more than its code.
    const left = verdict.error?.name === "ScriptFailed" && status.signal === undefined &&
      status.reason === undefined;
    if (left && said !== "") return { ...base, ...verdict, error: { name: "ScriptFailed", message: said } };
    return { ...base, ...verdict };
  }

  async #stopped(
    attempt: Attempt,
    context: RunContext,
    base: Omit<Ending, "reason">,
    outputs: readonly NotedOutput[],
  ): Promise<Ending> {
    const reason = reasonOf(context.signal);
    await collectLogs(this.#plan, attempt, context, false);
    await this.#places().discard(attempt, outputs);
    // The job runs again: the next coordinator must not find a run that failed for our sake.
    if (reason === "shut-down" || reason === "gave-way") await base.release!();
    return { ...base, reason };
  }

  /** The end of a run; when it shall end, a forced one; nothing when it is let go of. */
  async #end(attempt: Attempt, context: RunContext): Promise<Ended | undefined> {
    const { executor } = this.#plan;
    const { signal, graceMs } = context;
    try {
      return await executor.wait(attempt, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
      if (isLetGo(signal)) return undefined;
      await executor.stop(attempt, { graceMs });
      return await executor.wait(attempt);
    }
  }

  async #failed(
    attempt: Attempt,
    status: Ended & { state: "finished" },
  ): Promise<Pick<Ending, "reason" | "error">> {
    const note = status.notes[AGENT];
    if (note !== undefined && status.exitCode === WORKER_FAILED) {
      const stream = this.#plan.mergeStderr ? "stdout" : "stderr";
      const fault = await this.#agent().fault(attempt, note, stream);
      if (fault) {
        const error = {
          name: "DeliveryFailed",
          message: `Cannot deliver the values of ${formatAttempt(attempt)}: ${fault.message}`,
        };
        return { reason: fault.own ? "failed" : "infrastructure", error };
      }
    }
    const message = status.reason ??
      (status.signal
        ? `The script was ended by ${status.signal}`
        : `The script left with code ${status.exitCode}`);
    const error = { name: "ScriptFailed", message };
    return { reason: status.infrastructure ? "infrastructure" : "failed", error };
  }

  async #publish(
    attempt: Attempt,
    context: RunContext,
    outputs: readonly NotedOutput[],
  ): Promise<Pick<Ending, "reason" | "error">> {
    if (attempt.replica > 0) return { reason: "succeeded" };
    const { slots } = await slotsOf(attempt, outputLinks(this.#plan.links), new AbortController().signal);
    const keys = new Map(outputs.map(({ name, key }) => [name, key]));
    return await publishOutputs({
      attempt,
      context,
      // The key that the script has worked for counts, whatever its document says by now.
      slots: slots.map((slot) => ({ ...slot, key: keys.get(slot.name) ?? slot.key })),
      outputs,
      delivery: this.#places(),
      executor: this.#plan.executor,
      isStream: (slot) => this.#isStream(slot),
    });
  }
}

/** The links that a job writes, with those whose documents give their keys. */
function outputLinks(links: Links): Links {
  return Object.fromEntries(
    Object.entries(links).map(([name, link]) =>
      [
        name,
        link.direction === "out" || link.direction === "status" ? link : { ...link, view: "none" as const },
      ] as const
    ),
  );
}

function reasonOf(signal: AbortSignal): Ending["reason"] {
  const why = signal.reason instanceof StopError || (signal.reason as Error | undefined)?.name === "StopError"
    ? (signal.reason as StopError).why
    : "cancelled";
  return ({
    timeout: "timed-out",
    cancelled: "cancelled",
    shutdown: "shut-down",
    "give-way": "gave-way",
    "lost-lease": "shut-down",
  } as const)[
    why
  ];
}

/** Whether another coordinator may see to the run by now. */
function isLetGo({ aborted, reason }: AbortSignal): boolean {
  return aborted && (reason as Error | undefined)?.name === "StopError" &&
    (reason as StopError).why === "lost-lease";
}

function parseOutputs(text: string | undefined): readonly NotedOutput[] {
  return text === undefined ? [] : JSON.parse(text);
}

/** Removes a place that was made for a run that is not started. */
async function removeFresh(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

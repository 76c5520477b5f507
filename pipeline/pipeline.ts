/**
 * Pipelines: an unordered set of tasks and a session.
 *
 * What answers the questions is loaded when the first is asked, and what runs the tasks with the first run: defining a pipeline costs neither.
 *
 * @module
 */
import { type Clock, systemClock } from "../core/clock.ts";
import type { Bytes } from "../core/bytes.ts";
import {
  DatataskError,
  definedBy,
  DefinitionError,
  describeError,
  isDatataskError,
  UsageError,
} from "../core/errors.ts";
import { checkKey, type Key } from "../core/key.ts";
import { parseQuota, type Quota, type QuotaInit } from "../core/quota.ts";
import type { Random } from "../core/random.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import { FileRepository } from "../repositories/files.ts";
import type { PrepareOptions } from "../repositories/driver.ts";
import type { Repository } from "../repositories/repository.ts";
import { Session } from "../session/session.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { FoundRun, Runner } from "../tasks/runner.ts";
import type { AgentOptions } from "../tasks/agent_options.ts";
import type { Task } from "../tasks/task.ts";
import type { AgentHost } from "./agent_host.ts";
import type { LeaseHolder, PipelineEvent, TaskCounts } from "./events.ts";
import { faultsOf } from "./faults.ts";
import type { Surroundings } from "./explain.ts";
import type { Opened } from "./openings.ts";
import type {
  Explanation,
  PipelineGraph,
  PipelineStatus,
  PlanReport,
  Removal,
  TaskExplanation,
  Trace,
} from "./reports.ts";
import { Run, type RunOptions, stateOf } from "./run.ts";
import type { PipelineState } from "./state.ts";
import { suggest } from "./suggest.ts";

/** How long whoever asks how things stand waits for the process that runs the pipeline, in milliseconds. */
const TELL_MS = 2000;

/** Marks pipelines of any loaded copy of this package. */
const BRAND: unique symbol = Symbol.for("@datatask/datatask/pipeline") as never;

/** What a pipeline is made of. */
export interface PipelineInit {
  /** Its tasks, in any order. Of equal priority, those upstream go first, then those given first; within a task, jobs go by name. */
  readonly tasks: Iterable<Task>;
  /** The resources its repositories and tasks need. */
  readonly session?: Session;
  /** Its name: pipelines of different names in one state folder do not get in each other's way. Default: `pipeline`. */
  readonly name?: string;
  /** The folder for the lease, for logs, and for what must outlive the coordinator. Default: `./.datatask`. `null`: none; nothing outlives the process. */
  readonly state?: string | URL | null;
  /** Added to the tasks' own priorities. */
  readonly priority?: (task: string, job: Key, replica: number) => number;
  /** Named resources that all tasks share: `{ gpu: 2, license: 1 }`. */
  readonly resources?: QuotaInit;
  /** Where the agent listens, through which work elsewhere reads and writes. It starts with the first job that needs it. */
  readonly agent?: AgentOptions;
  /** The time. Default: this machine's. */
  readonly clock?: Clock;
  /** Where chance comes from, for the jitter of retries. Default: `Math.random`. */
  readonly random?: Random;
}

/** What a run needs of its pipeline. */
export interface RunContextOfPipeline {
  readonly tasks: readonly Task[];
  readonly clock: Clock;
  readonly random: Random;
  readonly resources: Quota;
  readonly priority: PipelineInit["priority"];
  readonly leasePath: string | undefined;
  readonly requestsPath: string | undefined;
  readonly logs: (task: string) => BlobRepository | undefined;
  /** Looks for what killed processes have left: when that is sure, or when a marker of one is there. */
  readonly sweep: (signal: AbortSignal, sure: boolean) => Promise<void>;
  /** Told what happens. After trouble the next run looks for what was left. */
  readonly heed: (event: PipelineEvent) => void;
  /** Told that not all is in order. */
  readonly doubt: () => void;
  /** Opens the pipeline until it is disposed of. */
  readonly open: (signal: AbortSignal) => Promise<AsyncDisposable>;
  /** Makes runners ready, one by one, until this is disposed of. `notice` is told what a person should know of the agent. */
  readonly openRunners: (signal: AbortSignal, notice: (message: string) => void) => Promise<OpenRunners>;
}

/** Makes runners ready until it is disposed of. */
export interface OpenRunners extends AsyncDisposable {
  /** Makes one ready. Rejects when where it runs work cannot be reached. */
  open(runner: Runner): Promise<void>;
}

/** An unordered set of tasks and a session. What comes before what follows from the repositories the tasks share. */
export class Pipeline implements AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Its tasks, by name. */
  readonly tasks: ReadonlyMap<string, Task>;
  /** The resources its repositories and tasks need. */
  readonly session: Session;
  /** The folder for what must outlive the process; nothing when there is none. */
  readonly state: string | undefined;
  readonly #init: PipelineInit;
  readonly #resources: Quota;
  readonly #logs = new Map<string, BlobRepository | undefined>();
  #opening: Promise<void> | undefined;
  #ready: Promise<void> | undefined;
  /** That it works with its stores, for those who come after it was killed. */
  #opened: Opened | undefined;
  /** Whether it can leave nothing behind. */
  #inOrder = true;
  /** Whether somebody has called `open()`. */
  #kept = false;
  /** How many runs, reports and the like need it open. */
  #holders = 0;
  #run: Run | undefined;
  /** What logs are read with that have not ended. */
  readonly #reading = new Set<AsyncDisposableStack>();
  /** The agent of the run. */
  #agent: AgentHost | undefined;

  /**
   * Makes a pipeline. Nothing is opened or read yet.
   *
   * @param init Its tasks, and how to run them.
   * @throws {DefinitionError} With all that is wrong.
   */
  constructor(init: PipelineInit) {
    this.#init = init;
    const tasks = [...init.tasks];
    this.name = init.name ?? "pipeline";
    this.session = init.session ?? new Session();
    this.state = init.state === null ? undefined : `${pathOf(init.state ?? "./.datatask")}/${this.name}`;
    const { name, state } = this;
    this.#resources = definedBy(Pipeline as never, () => {
      const resources = parseQuota(init.resources ?? {}, "resources");
      const faults = faultsOf({ name, tasks, state, resources, agent: init.agent });
      if (faults.length > 0) throw new DefinitionError(faults);
      return resources;
    });
    this.tasks = new Map(tasks.map((task) => [task.name, task]));
    Object.defineProperty(this, BRAND, { value: true });
  }

  /**
   * Opens the session and makes the stores ready. Runs and reports do it by themselves.
   *
   * @param options When to stop; with `look`, stores and state folder are left as they are until something is to be done, and a resource
   * that does not open is told only when it is used.
   * @returns Itself.
   * @throws {SessionError} When a resource cannot be opened.
   * @throws {DatataskError} When the state folder or a store cannot be used.
   */
  async open(
    options: { readonly signal?: AbortSignal | undefined; readonly look?: boolean | undefined } = {},
  ): Promise<this> {
    const { signal, look = false } = options;
    this.#kept = true;
    try {
      await this.#ensureOpen(signal, look);
      if (!look) await this.#ensureReady(signal);
    } catch (error) {
      this.#kept = false;
      throw error;
    }
    return this;
  }

  /** Stops what runs and closes the session. The pipeline can be opened again. */
  async close(): Promise<void> {
    this.#run?.stop("stop");
    await this.#run?.finished.catch(() => {});
    this.#kept = false;
    await Promise.all([...this.#reading].map((stack) => stack.disposeAsync()));
    this.#reading.clear();
    await this.#shut();
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Runs the pipeline until nothing is left to do.
   *
   * @param options Which tasks, and for how long.
   * @returns The run: its events, and its end. The pipeline is closed when it was not open before.
   * @throws {UsageError} When a task is named that there is not.
   * @throws {DatataskError} With code `conflict`, when it is running already.
   */
  run(options: RunOptions = {}): Run {
    for (
      const name of [
        ...options.tasks ?? [],
        ...options.notTasks ?? [],
        ...(options.only ? [options.only.task] : []),
      ]
    ) this.task(name);
    for (const job of options.only?.jobs ?? []) checkKey(job, "run", options.only!.task);
    if (this.#run) {
      throw new DatataskError(
        "conflict",
        `Cannot run ${this.name}: it is running already; wait for its end, or stop it`,
      );
    }
    const run = this.#run = new Run(this.#context(), options);
    const over = (): void => {
      if (this.#run === run) this.#run = undefined;
    };
    run.finished.then(over, over);
    return run;
  }

  /**
   * The task of a name.
   *
   * @param name Which.
   * @returns The task.
   * @throws {UsageError} When there is none; it names the nearest.
   */
  task(name: string): Task {
    const task = this.tasks.get(name);
    if (task) return task;
    throw new UsageError(`There is no task "${name}"${suggest(name, this.tasks.keys())}`);
  }

  /** All repositories, as `task.link` and `task.link.cokeyed`. */
  repositories(): ReadonlyMap<string, Repository> {
    const found = new Map<string, Repository>();
    for (const task of this.tasks.values()) {
      for (const [link, { repository, cokeyed }] of Object.entries(task.allLinks)) {
        found.set(`${task.name}.${link}`, repository);
        for (const [other, beside] of Object.entries(cokeyed)) {
          found.set(`${task.name}.${link}.${other}`, beside);
        }
      }
      const logs = this.#logsOf(task.name);
      if (logs) found.set(`${task.name}.logs`, logs);
    }
    return found;
  }

  /**
   * How things stand.
   *
   * @returns For each task, how many jobs are in which state, and who runs it.
   */
  async status(): Promise<PipelineStatus> {
    return await this.#report(async (state, found) => {
      const { statusOf } = await import("./status.ts");
      return statusOf(this.name, state, await this.coordinator(), found);
    }, { all: true });
  }

  /**
   * What a run would do now.
   *
   * @param options Which tasks.
   * @returns The jobs that would start, and what the rest waits for.
   * @throws {UsageError} When a task is named that there is not.
   */
  async plan(options: Pick<RunOptions, "tasks" | "notTasks"> = {}): Promise<PlanReport> {
    for (const name of [...options.tasks ?? [], ...options.notTasks ?? []]) this.task(name);
    return await this.#report(async (state) => {
      const { planReport } = await import("./plan_report.ts");
      return planReport(state, this.#resources, this.#init, options);
    });
  }

  /**
   * The jobs of a task that are in a state.
   *
   * @param task Of which task.
   * @param state Which state.
   * @returns The jobs, in no order.
   * @throws {UsageError} When there is no such task.
   */
  async jobs(task: string, state: keyof TaskCounts): Promise<readonly Key[]> {
    this.task(task);
    return await this.#report((all) =>
      Promise.resolve([...all.task(task).jobs()[state]].map((job) => all.keys.key(job)))
    );
  }

  /**
   * Where a job is to be found.
   *
   * @param job Which.
   * @returns Its state in each task, and its values.
   * @throws {RepositoryError} When the job is no valid key.
   */
  async trace(job: Key): Promise<Trace> {
    checkKey(job, "trace", `pipeline ${this.name}`);
    return await this.#report(async (state) => (await import("./status.ts")).traceOf(state, job));
  }

  /**
   * Why a job is in the state it is in.
   *
   * @param task Of which task.
   * @param job Which job.
   * @returns Its state, and each condition with whether it holds.
   * @throws {UsageError} When there is no such task.
   * @throws {RepositoryError} When the job is no valid key.
   */
  async why(task: string, job: Key): Promise<Explanation> {
    this.task(task);
    checkKey(job, "explain", `task ${task}`);
    return await this.#report(async (state, found) =>
      (await import("./explain.ts")).explainJob(
        state,
        state.task(task),
        job,
        {
          clock: this.#clock,
          runs: found.get(task),
          resources: this.#resources,
          ...await this.#starter(state.task(task).selected),
        },
      )
    );
  }

  /**
   * Why the jobs of a task are in the states they are in.
   *
   * @param task Which task.
   * @returns Its states, with examples.
   * @throws {UsageError} When there is no such task.
   */
  async whyTask(task: string): Promise<TaskExplanation> {
    this.task(task);
    return await this.#report(async (state) =>
      (await import("./explain.ts")).explainTask(state, state.task(task))
    );
  }

  /**
   * The graph that follows from the repositories tasks share.
   *
   * @param options Whether to count jobs and keys.
   * @returns Tasks, repositories and the links between them.
   */
  async graph(options: { readonly counts?: boolean } = {}): Promise<PipelineGraph> {
    const graph = async (state?: PipelineState): Promise<PipelineGraph> =>
      (await import("./graph.ts")).graphOf([...this.tasks.values()], state);
    return options.counts ? await this.#report(graph, { all: true }) : await graph();
  }

  /**
   * Runs one job now, whatever else there is to do.
   *
   * @param task Of which task.
   * @param job Which job.
   * @param options Whether to run it although it is not ready, or over.
   * @returns How it ended.
   * @throws {UsageError} When it is not ready, with the reason.
   */
  async launch(
    task: string,
    job: Key,
    options: { readonly force?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<Outcome> {
    const { outcomes } = this.task(task);
    const holder = this.#run ? undefined : await this.coordinator();
    if (holder) {
      const { describeHolder } = await import("./lease.ts");
      throw new DatataskError(
        "lease-held",
        `Cannot launch "${job}" of task ${task}: the pipeline is being run by ${
          describeHolder(holder)
        }, and one process at a time starts jobs; wait until it has ended, or stop it first`,
        { operation: "launch", subject: task, key: job },
      );
    }
    await using _open = await this.#hold(options.signal);
    const why = await this.why(task, job);
    if (why.state !== "ready" && !options.force) {
      const unmet = why.conditions.filter(({ state, text }) => state !== "met" && !why.text.includes(text))
        .map(({ text }) => text);
      throw new UsageError(
        `Cannot launch "${job}" of task ${task}: ${uncapitalized(why.text)}${
          unmet.length ? ` (and ${unmet.join("; ")})` : ""
        }; use --force to run it all the same`,
      );
    }
    const { forced } = await import("./forced.ts");
    const tasks = await Promise.all(
      [...this.tasks.values()].map((t) => t.name === task && options.force ? forced(t, job) : t),
    );
    const context = this.#context();
    const openRunners: RunContextOfPipeline["openRunners"] = async (signal, notice) => {
      // Only who holds the lease may forget how a job has ended.
      if (options.force) await outcomes.forget(job);
      return await context.openRunners(signal, notice);
    };
    const run = new Run({ ...context, tasks, openRunners }, {
      only: { task, jobs: [job] },
      signal: options.signal,
    });
    let outcome: Outcome | undefined;
    let trouble = "it did not start; run with the pipeline to see why";
    for await (const event of run) {
      if (event.type === "finished") outcome = event.outcome;
      if (event.type === "trouble") trouble = event.message;
    }
    await run.finished;
    if (outcome) return outcome;
    throw new DatataskError("run-failed", `Cannot launch "${job}" of task ${task}: ${trouble}`);
  }

  /**
   * Stops a job that runs, here or in another process. It has failed then, and is not tried again.
   *
   * @param task Of which task.
   * @param job Which job.
   * @returns Whether it was running.
   * @throws {UsageError} When there is no such task.
   * @throws {RepositoryError} When the job is no valid key.
   * @throws {DatataskError} With code `unavailable`, when the coordinator does not answer.
   */
  async cancel(task: string, job: Key): Promise<boolean> {
    this.task(task);
    checkKey(job, "cancel", `task ${task}`);
    if (this.#run?.cancel(task, job)) return true;
    if (this.state === undefined || await this.coordinator() === undefined) {
      return await this.#cancelOrphan(task, job);
    }
    const { ask } = await import("./requests.ts");
    const answer = await ask(`${this.state}/requests`, { do: "cancel", task, job });
    if (answer !== undefined) return answer;
    throw new DatataskError(
      "unavailable",
      `Cannot cancel "${job}" of task ${task}: the coordinator does not answer; see that it still runs, and try again`,
    );
  }

  /**
   * Forgets that jobs have failed, so that they run again.
   *
   * @param task Of which task.
   * @param jobs Which jobs, or all that have failed.
   * @returns The jobs that will run again.
   * @throws {UsageError} When there is no such task.
   * @throws {RepositoryError} When a job is no valid key.
   */
  async retry(task: string, jobs: readonly Key[] | "failed"): Promise<readonly Key[]> {
    const { outcomes } = this.task(task);
    if (jobs !== "failed") { for (const job of jobs) checkKey(job, "retry", `task ${task}`); }
    await using _open = await this.#hold();
    const again: Key[] = [];
    const failed = jobs === "failed" ? outcomes.failed.keys() : jobs;
    for await (const job of failed) {
      if (!await outcomes.failed.has(job)) continue;
      await outcomes.attempts.delete(job);
      await outcomes.failed.delete(job);
      again.push(job);
    }
    return again;
  }

  /**
   * What would go if a job, or a value, were removed with all that was made from it.
   *
   * @param name `task`, or `task.link` for one repository.
   * @param keys Which keys; of a task, which jobs.
   * @param options Whether to go on downstream, and whom to tell what cannot be followed: which job has made an item, or looked one up.
   * @returns Each value, once. Keys are followed through their translations.
   * @throws {UsageError} When there is no such task or link.
   * @throws {RepositoryError} When a key is not valid.
   */
  async removals(
    name: string,
    keys: readonly Key[],
    options: { readonly recursive?: boolean; readonly onUnknown?: (text: string) => void } = {},
  ): Promise<readonly Removal[]> {
    for (const key of keys) checkKey(key, "remove", name);
    return await this.#report(async (state) => {
      const { removals } = await import("./removal.ts");
      return await removals(
        this,
        state,
        name,
        keys,
        options.recursive ?? false,
        options.onUnknown ?? (() => {}),
      );
    });
  }

  /**
   * Removes values. Jobs of theirs that run are cancelled first.
   *
   * @param list What `removals` has given.
   * @throws {RepositoryError} When one cannot be removed.
   * @throws {DatataskError} With code `timed-out`, when a job that was cancelled does not end.
   */
  async remove(list: readonly Removal[]): Promise<void> {
    await using _open = await this.#hold();
    const { remove } = await import("./removal.ts");
    await remove(this, list);
  }

  /**
   * What a job has written. The pipeline is opened for it and stays open, since the log may go on; close it when it was read.
   *
   * @param task Of which task.
   * @param job Which job.
   * @param options Which attempt (default: the newest), and whether to go on until it has ended.
   * @returns The log, or nothing when there is none.
   * @throws {UsageError} When there is no such task.
   * @throws {RepositoryError} When the job is no valid key.
   */
  async logs(
    task: string,
    job: Key,
    options: { readonly attempt?: number; readonly follow?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<ReadableStream<Bytes> | undefined> {
    const { runner } = this.task(task);
    checkKey(job, "read the log of", `task ${task}`);
    await this.open({ signal: options.signal, look: true });
    const signal = options.signal ?? new AbortController().signal;
    if (runner.find && runner.follow) {
      await using stack = new AsyncDisposableStack();
      const runners = stack.use(await this.#runners(signal, "look"));
      // Who may only read files can read what was kept.
      const opened = await runners.open(runner).then(() => true, (error) => {
        if (isDatataskError(error, "denied")) return false;
        throw error;
      });
      for await (const { attempt } of opened ? runner.find(task, { signal }) : []) {
        if (
          attempt.job !== job || attempt.replica > 0 ||
          attempt.attempt !== (options.attempt ?? attempt.attempt)
        ) continue;
        const log = await runner.follow(attempt, { signal, follow: options.follow ?? false });
        return this.#held(log, stack.move());
      }
    }
    const logs = this.#logsOf(task);
    if (!runner.find && await this.coordinator()) {
      const { liveLog } = await import("./live_log.ts");
      const { attempt, follow = false } = options;
      const requests = `${this.state}/requests`;
      const runs = async (): Promise<boolean> => await this.coordinator() !== undefined;
      const live = await liveLog({ requests, task, job, attempt, follow, signal, logs, runs });
      if (live) return live;
    }
    if (options.attempt !== undefined) {
      const earlier = await logs?.driver.beside?.(`attempt-${options.attempt}`)?.read(job, { signal });
      if (earlier || await this.#hasOther(task, job, options.attempt)) return earlier;
    }
    return await logs?.driver.read(job, { signal });
  }

  /** Whether the log that is kept of a job is of another attempt, as far as its records say. */
  async #hasOther(task: string, job: Key, attempt: number): Promise<boolean> {
    const { readAttempts, readOutcome } = await import("../tasks/outcome_document.ts");
    const last = (await readOutcome(this.task(task), job).catch(() => undefined))?.attempt ??
      (await readAttempts(this.task(task), job).catch(() => undefined))?.outcomes.length;
    return last !== undefined && last !== attempt;
  }

  /** A log, and what it is read with: that is given back when the log has ended, or the pipeline is closed. */
  #held(log: ReadableStream<Bytes>, stack: AsyncDisposableStack): ReadableStream<Bytes> {
    this.#reading.add(stack);
    const over = async (): Promise<void> => {
      this.#reading.delete(stack);
      await stack.disposeAsync();
    };
    const reader = log.getReader();
    return new ReadableStream<Bytes>({
      async pull(controller) {
        try {
          const { value, done } = await reader.read();
          if (!done) return controller.enqueue(value);
        } catch (error) {
          await over();
          throw error;
        }
        await over();
        controller.close();
      },
      async cancel(reason) {
        await reader.cancel(reason);
        await over();
      },
    }, { highWaterMark: 0 });
  }

  /** Who runs the pipeline now, here or in another process. */
  async coordinator(): Promise<LeaseHolder | undefined> {
    if (this.state === undefined) return undefined;
    const { leaseHolder } = await import("./lease.ts");
    return await leaseHolder(`${this.state}/lease`);
  }

  /** Who starts what is ready, for an explanation. */
  async #starter(selected: boolean): Promise<Pick<Surroundings, "starter" | "doubtful">> {
    if (this.#run && selected) return { starter: "the run under way", doubtful: false };
    const holder = this.#run ? undefined : await this.coordinator();
    if (holder === undefined) return { starter: "the next run", doubtful: false };
    return { starter: `the run under way (process ${holder.pid} on ${holder.host})`, doubtful: true };
  }

  get #clock(): Clock {
    return this.#init.clock ?? systemClock;
  }

  async #ensureOpen(signal: AbortSignal | undefined, look: boolean): Promise<void> {
    const opening = this.#opening ??= this.#open(signal, look);
    try {
      await opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  /** Makes the state folder and the stores, once while it is open. Who only looks leaves them as they are. */
  async #ensureReady(signal: AbortSignal | undefined): Promise<void> {
    const ready = this.#ready ??= this.#makeReady(signal);
    try {
      await ready;
    } catch (error) {
      if (this.#ready === ready) this.#ready = undefined;
      throw error;
    }
  }

  async #makeReady(signal: AbortSignal | undefined): Promise<void> {
    // It may have been opened by somebody who only looks, without all that work needs.
    await this.session.open({ signal });
    await this.session.close();
    this.#inOrder = false;
    if (this.state !== undefined) {
      await this.#makeState(this.state);
      for (const name of this.tasks.keys()) await this.#logsOf(name)?.prepare({ signal, sweep: false });
    }
    // What killed processes have left is looked for by who holds the lease, when there can be any.
    await this.#prepareStores({ signal, sweep: this.state === undefined });
    this.#inOrder = true;
  }

  /** Opens it until this is disposed of; it is then closed, unless somebody else needs it. */
  async #hold(signal?: AbortSignal, use: "work" | "look" = "work"): Promise<AsyncDisposable> {
    this.#holders++;
    const release = async (): Promise<void> => {
      if (--this.#holders === 0 && !this.#kept) await this.#shut();
    };
    try {
      await this.#ensureOpen(signal, use === "look");
      if (use === "work") await this.#ensureReady(signal);
    } catch (error) {
      await release();
      throw error;
    }
    return { [Symbol.asyncDispose]: release };
  }

  async #shut(): Promise<void> {
    const opening = this.#opening;
    if (opening === undefined) return;
    this.#opening = undefined;
    this.#ready = undefined;
    const opened = await opening.then(() => true, () => false);
    this.#opened?.close(this.#inOrder);
    this.#opened = undefined;
    if (opened) await this.session.close();
  }

  async #open(signal: AbortSignal | undefined, look: boolean): Promise<void> {
    await this.session.open({ signal, tolerant: look });
  }

  async #prepareStores(options: PrepareOptions): Promise<void> {
    const { prepareStores } = await import("./stores.ts");
    await prepareStores(this.tasks.values(), (task) => this.#logsOf(task), options);
  }

  async #sweep(signal: AbortSignal, sure: boolean): Promise<void> {
    const { forgetOpen, leftOpen } = await import("./openings.ts");
    const left = leftOpen(`${this.state}/open`);
    if (!sure && left.length === 0) return;
    await this.#prepareStores({ signal, sweep: true, dead: new Set(left.map(({ dead }) => dead)) });
    forgetOpen(left);
  }

  async #makeState(state: string): Promise<void> {
    try {
      await Deno.mkdir(state, { recursive: true, mode: 0o700 });
      const { sayOpened } = await import("./openings.ts");
      this.#opened ??= sayOpened(`${state}/open`);
    } catch (error) {
      throw new DatataskError(
        "denied",
        `Cannot use the state folder ${state}: ${
          describeError(error)
        }; make it writable, or give the pipeline another one by { state }`,
        { operation: "open", subject: this.name, cause: error },
      );
    }
  }

  async #runners(signal: AbortSignal, use: "work" | "look"): Promise<OpenRunners> {
    const { Runners } = await import("./runners.ts");
    const agent = this.#agent?.get;
    return new Runners({ state: this.state ?? "", signal, look: use === "look", agent });
  }

  /** Opens the runners for a run: only who holds the lease has an agent, so that there is one. */
  async #openRun(signal: AbortSignal, notice: (message: string) => void): Promise<OpenRunners> {
    await using stack = new AsyncDisposableStack();
    const { AgentHost } = await import("./agent_host.ts");
    const agent = stack.use(new AgentHost({ state: this.state, options: this.#init.agent, notice }));
    this.#agent = agent;
    stack.defer(() => void (this.#agent = undefined));
    const runners = stack.use(await this.#runners(signal, "work"));
    const taken = stack.move();
    return {
      open: (runner) => runners.open(runner),
      [Symbol.asyncDispose]: () => taken.disposeAsync(),
    };
  }

  #context(): RunContextOfPipeline {
    return {
      tasks: [...this.tasks.values()],
      clock: this.#clock,
      random: this.#init.random ?? Math.random,
      resources: this.#resources,
      priority: this.#init.priority,
      leasePath: this.state && `${this.state}/lease`,
      requestsPath: this.state && `${this.state}/requests`,
      sweep: (signal, sure) => this.#sweep(signal, sure),
      heed: (event) => void (this.#inOrder &&= !isDoubtful(event)),
      doubt: () => void (this.#inOrder = false),
      logs: (task) => this.#logsOf(task),
      open: (signal) => this.#hold(signal),
      openRunners: (signal, notice) => this.#openRun(signal, notice),
    };
  }

  #logsOf(task: string): BlobRepository | undefined {
    if (this.#logs.has(task)) return this.#logs.get(task);
    const own = this.tasks.get(task)?.logs;
    const logs = own ??
      (this.state === undefined ? undefined : new LogRepository(`${this.state}/logs/${task}`));
    this.#logs.set(task, logs);
    return logs;
  }

  async #cancelOrphan(name: string, job: Key): Promise<boolean> {
    const { runner } = this.task(name);
    if (!runner.find || !runner.adopt || this.state === undefined) return false;
    await using _open = await this.#hold();
    const { takeLease } = await import("./lease.ts");
    await using _lease = await takeLease(`${this.state}/lease`, { whenHeld: "wait" });
    const signal = new AbortController().signal;
    await using runners = await this.#runners(signal, "work");
    await runners.open(runner);
    for await (const { attempt, since } of runner.find(name)) {
      if (attempt.job !== job) continue;
      await runner.discard?.(attempt);
      const now = this.#clock.now();
      await this.task(name).outcomes.commit(job, {
        success: false,
        reason: "cancelled",
        start: new Date(since).toISOString(),
        end: new Date(now).toISOString(),
        seconds: (now - since) / 1000,
        attempt: attempt.attempt,
        timeout: false,
        host: "",
      });
      return true;
    }
    return false;
  }

  /** Makes a report from the state of the run, when there is one, or from what the repositories hold now. */
  async #report<T>(
    make: (state: PipelineState, found: ReadonlyMap<string, readonly FoundRun[]>) => T | Promise<T>,
    options: { readonly all?: boolean } = {},
  ): Promise<T> {
    await using _open = await this.#hold(undefined, "look");
    const run = this.#run;
    const current = run && stateOf(run);
    if (current) {
      const { ownRuns } = await import("./own_runs.ts");
      return await make(current, await ownRuns(run.running(), this.tasks));
    }
    const { PipelineState } = await import("./state.ts");
    const state = new PipelineState(this.tasks.values(), {
      onTrouble: () => {},
      onSkipped: () => {},
      onSettled: () => {},
    });
    if (options.all) {
      for (const repository of this.repositories().values()) state.observer.observe(repository);
    }
    await state.list();
    const found = await this.#foundRuns(state);
    for (const [task, runs] of found) {
      for (const { attempt } of runs) {
        if (attempt.replica === 0) state.task(task).live.put(state.keys.id(attempt.job), true);
      }
    }
    await state.recall(this.#clock.now());
    return await make(state, found);
  }

  /** Runs that are under way, whoever started them, where that can be told from here. */
  async #foundRuns(state: PipelineState): Promise<ReadonlyMap<string, readonly FoundRun[]>> {
    const found = new Map<string, readonly FoundRun[]>();
    const tasks = [...this.tasks.values()].filter((task) => task.runner.find);
    if (tasks.length < this.tasks.size && !this.#run) await this.#askRuns(state, found);
    if (tasks.length === 0) return found;
    await using runners = await this.#runners(new AbortController().signal, "look");
    await Promise.all(tasks.map(async ({ name, runner }) => {
      try {
        await runners.open(runner);
        found.set(name, await Array.fromAsync(runner.find!(name)));
      } catch (error) {
        // What can be told of the others is told all the same.
        state.task(name).unseen = describeError(error);
      }
    }));
    return found;
  }

  /** What runs within another process only that one can tell. */
  async #askRuns(state: PipelineState, found: Map<string, readonly FoundRun[]>): Promise<void> {
    const holder = await this.coordinator();
    if (holder === undefined) return;
    const { ask } = await import("./requests.ts");
    const runs = await ask(`${this.state}/requests`, { do: "tell" }, TELL_MS).catch(() => undefined);
    for (const { name, runner } of this.tasks.values()) {
      if (runner.find) continue;
      const own = runs?.filter(({ attempt }) => attempt.task === name);
      if (own) {
        found.set(name, own.map((run) => ({ ...run, where: run.where || `in process ${holder.pid}` })));
      } else state.task(name).unseen = `process ${holder.pid}, which runs the pipeline, does not answer`;
    }
  }
}

/** A sentence as the second half of another. */
function uncapitalized(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Logs of one task, as files. */
class LogRepository extends FileRepository {
  constructor(folder: string) {
    super(folder, { extension: ".log" });
  }
}

function pathOf(path: string | URL): string {
  const text = path instanceof URL ? decodeURIComponent(path.pathname) : path;
  return text.startsWith("/") ? text : `${Deno.cwd()}/${text.replace(/^\.\//, "")}`;
}

/**
 * Tells whether a value is a pipeline, of whichever loaded copy of the package.
 *
 * @param value Anything.
 * @returns Whether it is.
 */
export function isPipeline(value: unknown): value is Pipeline {
  return typeof value === "object" && value !== null && BRAND in value;
}

/** Whether something has failed that writes into stores, and may have left what could not even be removed. A script does not write there. */
function isDoubtful(event: PipelineEvent): boolean {
  if (event.type === "trouble") return true;
  return (event.type === "retrying" || event.type === "finished") && !event.outcome.success &&
    event.outcome.exitCode === undefined;
}

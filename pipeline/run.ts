/**
 * One run of a pipeline: from the lease to the last outcome, as a stream of events.
 *
 * @module
 */
import type { Attempt, StopReason } from "../core/attempt.ts";
import { Channel } from "../core/channel.ts";
import { describeError, isDatataskError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Coordinator } from "./coordinator.ts";
import type { PipelineEvent, RunSummary, TaskCounts } from "./events.ts";
import type { KeySet } from "./key_set.ts";
import type { OpenRunners, RunContextOfPipeline } from "./pipeline.ts";
import type { PipelineState } from "./state.ts";

/** What runs a pipeline: loaded with the first run. */
type Machinery = typeof import("./run_machinery.ts");

/** How to run a pipeline. */
export interface RunOptions {
  /** Only these tasks. Default: all. */
  readonly tasks?: readonly string[] | undefined;
  /** Not these tasks. */
  readonly notTasks?: readonly string[] | undefined;
  /** Only these jobs of one task. */
  readonly only?: { readonly task: string; readonly jobs: readonly Key[] } | undefined;
  /** Run what is ready at the beginning, and nothing that becomes ready by it. Default: `false`. */
  readonly once?: boolean | undefined;
  /** Go on when nothing is left to do, and wait for new keys. Default: `false`. */
  readonly forever?: boolean | undefined;
  /** Start nothing more after the first job that has failed for good. Default: `false`. */
  readonly failFast?: boolean | undefined;
  /** What to do when another coordinator runs the pipeline. Default: `fail`. */
  readonly whenHeld?: "fail" | "wait" | undefined;
  /** Ends the run: what runs is stopped, and none of it counts as failed. */
  readonly signal?: AbortSignal | undefined;
}

/** The state behind a run, for reports while it runs; nothing before all repositories were listed. */
export let stateOf: (run: Run) => PipelineState | undefined;

/** One run of a pipeline. Iterate over it for its events; await `finished` for its end. */
export class Run implements AsyncIterable<PipelineEvent> {
  /** How it ended. Rejects when the pipeline could not be run at all. */
  readonly finished: Promise<RunSummary>;
  readonly #context: RunContextOfPipeline;
  readonly #options: RunOptions;
  readonly #channels = new Set<Channel<PipelineEvent>>();
  readonly #quiet = Promise.withResolvers<RunSummary["ended"]>();
  readonly #aborter = new AbortController();
  /** Ends what is being made ready: who leaves does not wait for a host that is away. */
  readonly #openings = new AbortController();
  #state: PipelineState | undefined;
  #coordinator: Coordinator | undefined;
  #stopping: "drain" | "stop" | undefined;
  #worked = 0;
  #confirming = false;
  #idle = false;
  #opened = false;
  /** Whether nobody else runs the pipeline. */
  #ours: () => boolean = () => true;

  static {
    stateOf = (run) => run.#opened ? run.#state : undefined;
  }

  /**
   * Begins the run. `Pipeline.run` calls it.
   *
   * @param context The pipeline.
   * @param options How to run it.
   */
  constructor(context: RunContextOfPipeline, options: RunOptions) {
    this.#context = context;
    this.#options = options;
    // Whoever iterates does so in the same turn, and misses nothing.
    this.finished = Promise.resolve().then(() => this.#run());
    this.finished.then(() => this.#closeChannels(), (reason) => this.#closeChannels({ reason })).catch(
      () => {},
    );
    this.finished.catch(() => {});
  }

  /** The events, from the moment of this call on. */
  [Symbol.asyncIterator](): AsyncIterator<PipelineEvent, void, void> {
    const channel: Channel<PipelineEvent> = new Channel(() => this.#channels.delete(channel));
    this.#channels.add(channel);
    return channel;
  }

  /**
   * Ends the run.
   *
   * @param how `drain`: start nothing more, and wait for what runs. `stop`: end what runs as well; none of it counts as failed.
   */
  stop(how: "drain" | "stop"): void {
    this.#stop(how, how === "stop" ? "shutdown" : undefined);
  }

  #stop(how: "drain" | "stop", why: StopReason | undefined): void {
    if (this.#stopping === how || this.#stopping === "stop") return;
    this.#stopping = how;
    this.#emit({ type: "stopping", at: this.#context.clock.now(), how });
    this.#openings.abort(new DOMException("The run was stopped", "AbortError"));
    if (this.#coordinator) this.#coordinator.drain(why);
    else this.#aborter.abort(new DOMException("The run was stopped before it began", "AbortError"));
  }

  /** How many jobs are in which state, by task. */
  counts(): Readonly<Record<string, TaskCounts>> {
    return this.#state?.counts() ?? {};
  }

  /** The attempts under way. */
  running(): readonly { readonly attempt: Attempt; readonly since: number; readonly where: string }[] {
    return [...this.#coordinator?.flights() ?? []].map(({ attempt, since, where }) => ({
      attempt,
      since,
      where,
    }));
  }

  /** Ends the attempt at a job. Returns whether there was one. */
  cancel(task: string, job: Key): boolean {
    const flight = this.#coordinator?.flight(task, job);
    flight?.stop("cancelled");
    return flight !== undefined;
  }

  #emit(event: PipelineEvent): void {
    if (event.type === "started") this.#idle = false;
    this.#context.heed(event);
    for (const channel of this.#channels) channel.push(event);
  }

  #closeChannels(error?: { readonly reason: unknown }): void {
    for (const channel of this.#channels) channel.close(error);
  }

  async #run(): Promise<RunSummary> {
    const { clock, leasePath, requestsPath } = this.#context;
    const began = clock.monotonic();
    const { signal } = this.#options;
    const onAbort = (): void => this.stop("stop");
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) this.stop("stop");
    await using stack = new AsyncDisposableStack();
    stack.defer(() => signal?.removeEventListener("abort", onAbort));
    try {
      stack.use(await this.#context.open(this.#aborter.signal));
      const machinery = await import("./run_machinery.ts");
      if (leasePath !== undefined) {
        const lease = stack.use(
          await machinery.takeLease(leasePath, {
            whenHeld: this.#options.whenHeld ?? "fail",
            onWait: (holder) => this.#emit({ type: "lease-waiting", at: clock.now(), holder }),
            signal: this.#aborter.signal,
          }),
        );
        await this.#context.sweep(this.#aborter.signal, !lease.clean);
        const guard = stack.use(new machinery.LeaseGuard(lease, () => this.#lost(leasePath)));
        this.#ours = () => guard.ours();
      }
      const notice = (message: string): void =>
        this.#emit({ type: "trouble", at: clock.now(), message, error: new Error(message) });
      const runners = stack.use(await this.#context.openRunners(this.#openings.signal, notice));
      const coordinator = await this.#begin(machinery, runners, stack);
      if (requestsPath !== undefined) {
        stack.use(
          await machinery.serveRequests(
            requestsPath,
            (asked) => machinery.answerTo(asked, this, coordinator),
          ),
        );
      }
      stack.use(machinery.watchWaits(coordinator, clock, (event) => this.#emit(event)));
      if (this.#stopping) coordinator.drain(this.#stopping === "stop" ? "shutdown" : undefined);
      coordinator.begin();
      const ended = await this.#quiet.promise;
      coordinator.close();
      return this.#summary(ended, began);
    } catch (error) {
      if (this.#stopping && this.#aborter.signal.aborted && error === this.#aborter.signal.reason) {
        return this.#summary("stopped", began);
      }
      // Who had no turn has left nothing.
      if (!isDatataskError(error, "lease-held")) this.#context.doubt();
      throw error;
    }
  }

  /** The lease is no longer ours alone: lets go of everything. */
  #lost(path: string): void {
    const message =
      `The lease at ${path} is gone, so that somebody else can run the pipeline too: stopping; leave the state folder alone while it runs, and run again`;
    this.#emit({ type: "trouble", at: this.#context.clock.now(), message, error: new Error(message) });
    if (this.#coordinator) this.#coordinator.tally.stuck++;
    this.#stop("stop", "lost-lease");
  }

  #summary(ended: RunSummary["ended"], began: number): RunSummary {
    const { clock } = this.#context;
    const tally = this.#coordinator?.tally ?? { succeeded: 0, failed: 0, started: 0, adopted: 0, stuck: 0 };
    // Whoever has stopped it knows that not all was done.
    const stuck = tally.stuck + (ended === "stopped" ? 0 : this.#coordinator?.leftBehind ?? 0);
    const summary: RunSummary = {
      ...tally,
      stuck,
      ms: clock.monotonic() - began,
      tasks: this.counts(),
      ended,
    };
    this.#emit({ type: "closed", at: clock.now(), summary });
    return summary;
  }

  async #begin(
    machinery: Machinery,
    runners: OpenRunners,
    stack: AsyncDisposableStack,
  ): Promise<Coordinator> {
    const { clock, random, resources, priority, logs, tasks } = this.#context;
    const onTrouble = (trouble: { task?: string; job?: Key; message: string; error: unknown }): void =>
      this.#emit({ type: "trouble", at: clock.now(), ...trouble });
    const state = this.#state = new machinery.PipelineState(tasks, {
      onTrouble,
      onSkipped: (repository, names, count) =>
        this.#emit({ type: "skipped-names", at: clock.now(), repository, names, count }),
      onSettled: () => this.#coordinator?.poke(),
    });
    const selected = this.#selected();
    for (const task of state.tasks) task.selected = selected(task.task.name);
    await state.list(this.#aborter.signal);
    const coordinator = this.#coordinator = new machinery.Coordinator({
      state,
      clock,
      random,
      resources,
      priority,
      logs,
      emit: (event) => this.#emit(event),
      ours: () => this.#ours(),
      onQuiet: () => void this.#onQuiet(),
      only: this.#allowed(state, new machinery.KeySet()),
      failFast: this.#options.failFast ?? false,
      forever: this.#options.forever ?? false,
      onFailFast: () => this.stop("drain"),
    });
    const selectedTasks = state.tasks.filter((task) => task.selected);
    for (const task of selectedTasks) await coordinator.recall(task);
    // Side by side: none has to wait until a host that is away is given up.
    await Promise.all(
      selectedTasks.map((task) =>
        coordinator.takeUp(task, () => runners.open(task.task.runner), this.#openings.signal)
      ),
    );
    this.#opened = true;
    this.#emit({ type: "opened", at: clock.now(), tasks: this.counts(), adopted: coordinator.tally.adopted });
    stack.use(machinery.follow({
      state,
      clock,
      eager: this.#options.forever ?? false,
      onTrouble: (leaf, error) =>
        onTrouble({ message: `Cannot follow ${leaf.repository.name}: ${describeError(error)}`, error }),
    }));
    return coordinator;
  }

  #selected(): (task: string) => boolean {
    const { tasks, notTasks, only } = this.#options;
    return (task) =>
      (only === undefined || only.task === task) && (tasks === undefined || tasks.includes(task)) &&
      !notTasks?.includes(task);
  }

  /** The jobs that may start, when not all may. */
  #allowed(state: PipelineState, jobs: KeySet): ReadonlyMap<string, KeySet> | undefined {
    const { only, once } = this.#options;
    if (only) {
      for (const job of only.jobs) jobs.add(state.keys.id(job));
      return new Map([[only.task, jobs]]);
    }
    return once ? new Map(state.tasks.map((task) => [task.task.name, task.ready.set.clone()])) : undefined;
  }

  /** Nothing runs, nothing can start, nothing is waited for: look once more at what nobody announced, then end or wait. */
  async #onQuiet(): Promise<void> {
    if (this.#confirming) return;
    const { clock } = this.#context;
    const coordinator = this.#coordinator!;
    if (this.#stopping) {
      const failFast = this.#options.failFast && coordinator.tally.failed > 0;
      return this.#quiet.resolve(failFast ? "fail-fast" : "stopped");
    }
    const { succeeded, failed } = coordinator.tally;
    if (succeeded + failed > this.#worked && !this.#options.once) {
      this.#worked = succeeded + failed;
      this.#confirming = true;
      try {
        await this.#state!.list(this.#aborter.signal);
      } catch (error) {
        this.#emit({ type: "trouble", at: clock.now(), message: describeError(error), error });
      } finally {
        this.#confirming = false;
      }
      return coordinator.poke();
    }
    if (!this.#options.forever) return this.#quiet.resolve(this.#options.once ? "once" : "complete");
    if (!this.#idle) this.#emit({ type: "idle", at: clock.now() });
    this.#idle = true;
  }
}

/**
 * The coordinator: observes, plans, acts. It wakes up when something has changed, and does nothing in between.
 *
 * @module
 */
import { type Attempt, formatAttempt, type StopReason } from "../core/attempt.ts";
import type { Clock } from "../core/clock.ts";
import { DatataskError, describeError, type ErrorCode, isDatataskError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Quota } from "../core/quota.ts";
import type { Random } from "../core/random.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { Ending, FoundRun } from "../tasks/runner.ts";
import { findRuns, recallAttempts } from "./adoption.ts";
import type { PipelineEvent } from "./events.ts";
import { Flight } from "./flight.ts";
import { FlightContext } from "./flight_context.ts";
import { difference, intersection, KeySet, union } from "./key_set.ts";
import { Line } from "./line.ts";
import { type Action, plan } from "./plan.ts";
import type { Movers } from "./prospects.ts";
import { Recorder } from "./recorder.ts";
import { INFRASTRUCTURE, retryDelay } from "./retry.ts";
import type { PipelineState } from "./state.ts";
import type { TaskState } from "./task_state.ts";
import { askAgain, faultsOfKeys, isUnrelated, unfoundJobs } from "./unfound.ts";

/** So many are started by one plan. */
const MAX_STARTS = 512;

/** Trouble with the place where a task runs that does not pass by itself. */
const LASTING: readonly ErrorCode[] = [
  "cannot-start",
  "conflict",
  "denied",
  "invalid-definition",
  "invalid-value",
  "not-found",
  "unsupported",
];

/** How often it is looked again for keys that could not be found, before a run ends. */
const SEARCHES = 3;

/** So long, in milliseconds, plans are made in one turn of the event loop. */
const TURN_MS = 10;

/** What a coordinator needs of the pipeline. */
export interface CoordinatorInit {
  readonly state: PipelineState;
  readonly clock: Clock;
  readonly random: Random;
  /** Named resources that all pools share. */
  readonly resources: Quota;
  /** What the pipeline adds to the priority of a job. */
  readonly priority: ((task: string, job: Key, replica: number) => number) | undefined;
  /** Where the logs of a task go. */
  readonly logs: (task: string) => BlobRepository | undefined;
  readonly emit: (event: PipelineEvent) => void;
  /** Whether nobody else runs the pipeline. When somebody may, all is let go of. */
  readonly ours: () => boolean;
  /** Told when nothing runs, nothing can start and nothing is waited for. */
  readonly onQuiet: () => void;
  /** Jobs that may start; all that are ready when it is left out. */
  readonly only?: ReadonlyMap<string, KeySet> | undefined;
  readonly failFast: boolean;
  /** Whether it goes on when nothing is left to do. */
  readonly forever: boolean;
  readonly onFailFast: () => void;
}

/** Starts what can be started, sees attempts to their end, and has it recorded. */
export class Coordinator {
  readonly #init: CoordinatorInit;
  readonly #lines: readonly Line[];
  readonly #byName: ReadonlyMap<string, Line>;
  readonly #recorder: Recorder;
  readonly #timers = new Set<() => void>();
  /** Attempts that were stopped because what they wait for cannot come in this run. */
  readonly #stranded = new Set<Flight>();
  #running = 0;
  #closing = 0;
  #scheduled = false;
  #begun = false;
  /** How often it was looked again for keys that could not be found, and whether it will be soon. */
  #searches = 0;
  #searching = false;
  #turnBegan = performance.now();
  #draining = false;
  #over = false;
  /** What was done so far. */
  readonly tally: { succeeded: number; failed: number; started: number; adopted: number; stuck: number } = {
    succeeded: 0,
    failed: 0,
    started: 0,
    adopted: 0,
    stuck: 0,
  };

  constructor(init: CoordinatorInit) {
    this.#init = init;
    const onTrouble = this.#trouble.bind(this);
    this.#lines = init.state.tasks.map((state) => new Line(state, init, onTrouble));
    this.#byName = new Map(this.#lines.map((line) => [line.state.task.name, line]));
    this.#recorder = new Recorder(init, {
      onTrouble,
      draining: () => this.#draining,
      inBackground: (work) => this.#inBackground(work),
    });
    for (const { state } of this.#lines) state.ready.subscribe(() => this.poke());
  }

  /** The attempts under way. */
  *flights(): Generator<Flight, void, void> {
    for (const line of this.#lines) yield* line.flights.values();
    for (const line of this.#lines) for (const replicas of line.replicas.values()) yield* replicas.values();
  }

  /** The attempt at a job that is under way. */
  flight(task: string, job: Key): Flight | undefined {
    const id = this.#init.state.keys.known(job);
    return id === undefined ? undefined : this.#byName.get(task)?.flights.get(id);
  }

  /** Begins to plan: everything that earlier coordinators have left was taken up. */
  begin(): void {
    this.#begun = true;
    this.poke();
  }

  /** Sees to it that a plan is made soon: in this turn of the event loop, or, when it has taken long, in the next, so that timers and signals are heard. */
  poke(): void {
    if (this.#scheduled || this.#over || !this.#begun) return;
    this.#scheduled = true;
    const go = (): void => {
      this.#scheduled = false;
      this.#pass();
    };
    if (performance.now() - this.#turnBegan < TURN_MS) return queueMicrotask(go);
    setImmediate(() => {
      this.#turnBegan = performance.now();
      go();
    });
  }

  /** Starts nothing more; with a reason, also ends what runs. */
  drain(stop?: StopReason): void {
    this.#draining = true;
    this.#cancelTimers();
    if (stop) { for (const flight of [...this.flights()]) flight.stop(stop); }
    this.poke();
  }

  /** No more plans are made. */
  close(): void {
    this.#over = true;
    this.#cancelTimers();
  }

  /**
   * Takes up what is recorded of a task: attempts that did not count, and when the next may begin.
   *
   * @param state The task.
   */
  async recall(state: TaskState): Promise<void> {
    const { clock, state: { keys } } = this.#init;
    const { name, retry } = state.task;
    const line = this.#byName.get(name)!;
    await recallAttempts(line, this.#init.state, (job, until) => {
      // A clock that was set back must not make anybody wait longer than the task ever would.
      const longest = retryDelay({ ...retry, jitter: 0 }, line.earlier.get(job)?.length ?? 1, () => 0);
      const wait = Math.min(until - clock.now(), longest);
      if (wait > 0) this.#delay(line, job, wait);
    }, (job, error) => {
      const message = `Cannot read the attempts of job "${
        keys.key(job)
      }" of task ${name}; they count as none`;
      this.#trouble(state, job, message, error);
    });
  }

  /**
   * Makes ready where a task runs, and takes over the runs that earlier coordinators have left there. When that cannot be done, the jobs of the task
   * are held, and it is tried again after a while. The others go on meanwhile.
   *
   * @param state The task.
   * @param open Makes ready.
   * @param signal When to stop.
   */
  async takeUp(state: TaskState, open: () => Promise<void>, signal: AbortSignal, tries = 1): Promise<void> {
    try {
      await open();
      await this.#adopt(state, signal);
      state.held = false;
    } catch (error) {
      state.held = true;
      if (signal.aborted) return;
      const { forever, random } = this.#init;
      const again = forever || (tries < INFRASTRUCTURE.tries && passes(error));
      // What still waits for it is told at the end, as left for the next run.
      if (!again) state.selected = false;
      this.#tell({
        task: state.task.name,
        message: `Cannot run task ${state.task.name}; ${
          again ? "it will be tried again" : "its jobs are left for the next run"
        }, and the others go on: ${describeError(error)}`,
        error,
      });
      if (!again || this.#draining) return;
      this.#later(
        retryDelay(INFRASTRUCTURE, tries, random),
        () => this.#inBackground(() => this.takeUp(state, open, signal, tries + 1)),
      );
    }
  }

  /** Takes over the runs of a task that earlier coordinators started. */
  async #adopt(state: TaskState, signal: AbortSignal): Promise<void> {
    const { runner, name } = state.task;
    if (!runner.find || !runner.adopt) return;
    const { keys } = this.#init.state;
    const line = this.#byName.get(name)!;
    const { wanted, stale } = await findRuns(line, this.#init.state, signal);
    await Promise.all(stale.map(async ({ attempt }) => {
      try {
        await runner.discard?.(attempt);
      } catch (error) {
        this.#trouble(state, keys.id(attempt.job), `Cannot discard the run ${formatAttempt(attempt)}`, error);
      }
    }));
    for (const found of wanted) this.#launch(line, keys.id(found.attempt.job), 0, found);
  }

  #pass(): void {
    if (this.#over) return;
    const acted = !this.#draining && this.#init.ours() && this.#act();
    if (!this.#init.state.busy && !acted) {
      this.#search();
      this.#settleFeeds();
    }
    const still = this.#running === 0 && this.#closing === 0 && this.#timers.size === 0;
    if (still && !this.#scheduled && (this.#draining || !this.#init.state.busy)) this.#init.onQuiet();
  }

  /** Looks again, after a while, for keys that could not be found, where that may help. */
  #search(): void {
    const { forever, random, state: { tasks } } = this.#init;
    if (this.#draining || this.#searching || (!forever && this.#searches === SEARCHES)) return;
    const may = (state: TaskState): boolean => !this.#out(state) && faultsOfKeys(state).some(passes);
    if (!tasks.some(may)) return void (this.#searches = 0);
    this.#searching = true;
    this.#later(retryDelay(INFRASTRUCTURE, ++this.#searches, random), () => {
      this.#searching = false;
      for (const state of tasks) if (may(state)) askAgain(state);
    });
  }

  /** How many jobs this run could have started if their task had not been held up, and if their keys had been found. */
  get leftBehind(): number {
    const { startable } = this.#movers(({ live }) => live.set);
    return this.#init.state.tasks.reduce((sum, state) => {
      const jobs = state.held ? union([state.ready.set, unfoundJobs(state)]) : unfoundJobs(state);
      return sum + startable(state, jobs).size;
    }, 0);
  }

  /** Ends the streams to which nothing can come any more. */
  #settleFeeds(): void {
    const { feeds } = this.#init.state;
    const waiting = [...feeds.open].filter(({ feed }) => feed.waiting);
    if (waiting.length === 0) return;
    const movers = this.#movers(({ live }) => live.set);
    if (feeds.settle(movers) > 0) return;
    if (this.#closing > 0 || this.#timers.size > 0 || this.#scheduled) return;
    const runs = new Set(waiting.map(({ task, job, replica }) => `${task.task.name} ${job} ${replica}`));
    if (runs.size < this.#running) return;
    // All that run wait, each for another: nothing can happen any more by itself.
    const held = (task: TaskState): KeySet[] =>
      waiting.filter((open) => open.task === task).map(({ job }) => KeySet.of(job));
    const others = this.#movers((task) => difference(task.live.set, held(task)));
    if (!this.#draining && feeds.settle(others, 1) > 0) return;
    for (const { task, job, replica, link } of waiting) this.#strand(task, job, replica, link);
  }

  /** Which jobs can go on, as far as this run is concerned. */
  #movers(live: Movers["live"]): Movers {
    const { only } = this.#init;
    const out = this.#out;
    return {
      live,
      startable: (state, jobs) => {
        if (out(state)) return new KeySet();
        return only ? intersection([jobs, only.get(state.task.name) ?? new KeySet()]) : jobs;
      },
      unrestricted: (state) => !out(state) && !only,
    };
  }

  /** Whether a task has no part in this run. One that was given up for trouble has: what it would bring is missing. */
  #out({ selected, held, task }: TaskState): boolean {
    return (!selected && !held) || task.disabled;
  }

  /** Stops an attempt that waits for what cannot come in this run: it does not count, and the next run starts it again. */
  #strand(state: TaskState, job: number, replica: number, link: string): void {
    const line = this.#byName.get(state.task.name)!;
    const flight = replica === 0 ? line.flights.get(job) : line.replicas.get(job)?.get(replica);
    if (!flight || flight.stopped) return;
    if (!this.#draining && replica === 0) {
      this.#stranded.add(flight);
      const makers = this.#init.state.feeds.makers(state, link).map((maker) => maker.state.task.name);
      const message =
        `Cannot go on with job "${flight.attempt.job}" of task ${state.task.name}; it is left for the next run`;
      const why = isUnrelated(state, link)
        ? `its stream ${link} has items that may be for it, and it cannot be found out whether they are`
        : `its stream ${link} waits for ${makers.join(" and ")}, which cannot go on in this run`;
      this.#trouble(state, job, message, new DatataskError("unavailable", why));
    }
    flight.stop("shutdown");
  }

  /** Makes a plan, and does what it says. Returns whether it said anything. */
  #act(): boolean {
    const { actions, overtakes } = plan({
      tasks: this.#lines.map((line) => line.planTask()),
      pools: new Map(this.#lines.map(({ state: { task: { runner: { pool } } } }) => [pool.name, pool])),
      resources: this.#init.resources,
    }, { maxStarts: MAX_STARTS });
    for (const [task, count] of overtakes) this.#byName.get(task)!.overtaken += count;
    for (const action of actions) {
      const line = this.#byName.get(action.task)!;
      if (action.do === "stop") line.replicas.get(action.job)?.get(action.replica)?.stop("give-way");
      else if (mayStill(line, action)) this.#launch(line, action.job, action.replica);
    }
    if (actions.length >= MAX_STARTS) this.poke();
    for (const { state, rate } of this.#lines) {
      const wait = state.ready.set.size > 0 ? rate?.wait() : undefined;
      if (wait === undefined || rate!.armed) continue;
      rate!.armed = true;
      this.#later(wait, () => rate!.armed = false);
    }
    return actions.length > 0;
  }

  /** Plans again in a while. Returns what calls it off. */
  #later(ms: number, then: () => void): () => void {
    const cancel = this.#init.clock.after(ms, () => {
      this.#timers.delete(cancel);
      then();
      this.poke();
    });
    this.#timers.add(cancel);
    return () => this.#timers.delete(cancel) && cancel();
  }

  #cancelTimers(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /** Keeps a job from starting for a while, or (`Infinity`) for the rest of this run. */
  #delay({ state }: Line, job: number, ms: number): void {
    state.delayed.put(job, true);
    if (ms !== Infinity && !this.#draining) this.#later(ms, () => state.delayed.put(job, false));
  }

  #trouble(state: TaskState, job: number, message: string, error: unknown): void {
    const key = this.#init.state.keys.key(job);
    this.#tell({ task: state.task.name, job: key, message: `${message}: ${describeError(error)}`, error });
  }

  #tell(
    trouble: {
      readonly task?: string;
      readonly job?: Key;
      readonly message: string;
      readonly error: unknown;
    },
  ): void {
    this.#init.emit({ type: "trouble", at: this.#init.clock.now(), ...trouble });
  }

  #launch(line: Line, job: number, replica: number, found?: FoundRun): void {
    const { clock, emit } = this.#init;
    const { runner } = line.state.task;
    const flight = this.#takeOff(line, job, replica, found);
    const { attempt } = flight;
    if (found) {
      flight.where = found.where;
      this.tally.adopted++;
      emit({ type: "adopted", at: clock.now(), attempt, where: found.where });
    } else {
      line.rate?.took();
      this.tally.started++;
      emit({ type: "started", at: flight.since, attempt });
    }
    const context = new FlightContext(flight, this.#init);
    let ended: Promise<Ending | undefined> | Ending;
    try {
      ended = found ? runner.adopt!(attempt, context) : this.#start(line, flight, context);
    } catch (error) {
      ended = Promise.reject(error);
    }
    if (!(ended instanceof Promise)) return this.#end(line, flight, ended);
    ended.then(
      (ending) => ending ? this.#end(line, flight, ending) : this.#land(line, flight, "it was over already"),
      (error) => this.#end(line, flight, undefined, error),
    );
  }

  /** Starts an attempt. Where listings are late, the job may be over and the listing may not say so: then nothing is started. */
  #start(line: Line, flight: Flight, context: FlightContext): Promise<Ending | undefined> | Ending {
    const { runner, outcomes } = line.state.task;
    const { attempt } = flight;
    if (outcomes.done.driver.supports.consistentListing) return runner.run(attempt, context);
    return (async () => {
      for (const repository of [outcomes.success, outcomes.failed]) {
        if (!await repository.has(attempt.job)) continue;
        this.#init.state.observer.announce(repository, attempt.job, true);
        flight.ended();
        this.tally.started--;
        return undefined;
      }
      return await runner.run(attempt, context);
    })();
  }

  /** A new attempt, among those under way, with its time limited. */
  #takeOff(line: Line, job: number, replica: number, found: FoundRun | undefined): Flight {
    const { clock, state: { keys } } = this.#init;
    const { task } = line.state;
    const earlier = line.earlier.get(job);
    const now = clock.now();
    const attempt: Attempt = found?.attempt ??
      { task: task.name, job: keys.key(job), replica, attempt: (earlier?.length ?? 0) + 1 };
    const flight = new Flight(attempt, line.state, job, found?.since ?? now, found !== undefined);
    const spent = earlier?.[0] ? now - Date.parse(earlier[0].start) : 0;
    flight.limit(clock, Math.min(task.timeoutMs, task.totalTimeoutMs - spent) - (now - flight.since));
    this.#running++;
    line.overtaken = 0;
    if (replica === 0) {
      line.flights.set(job, flight);
      line.state.live.put(job, true);
    } else {
      let replicas = line.replicas.get(job);
      if (!replicas) line.replicas.set(job, replicas = new Map());
      replicas.set(replica, flight);
    }
    return flight;
  }

  #end(line: Line, flight: Flight, ending: Ending | undefined, error?: unknown): void {
    flight.ended();
    if (flight.attempt.replica > 0) return this.#endReplica(line, flight, ending, error);
    if (!this.#init.ours()) return this.#land(line, flight, "another coordinator may see to it by now");
    if (ending === undefined || ending.reason === "infrastructure" || ending.reason === "lost") {
      return this.#hitByTrouble(line, flight, ending, error);
    }
    if (ending.reason === "shut-down" || ending.reason === "gave-way") {
      this.#inBackground(async () => await ending.release?.());
      if (!this.#stranded.delete(flight)) return this.#land(line, flight, "the coordinator is leaving");
      this.tally.stuck++;
      this.#delay(line, flight.job, Infinity);
      return this.#land(line, flight, "what it waits for cannot come in this run");
    }
    this.#closing++;
    this.#record(line, flight, ending).finally(() => {
      this.#closing--;
      this.poke();
    });
  }

  /** Has it recorded how an attempt ended, then lets go of it. */
  async #record(line: Line, flight: Flight, ending: Ending): Promise<void> {
    const { job, task } = flight.attempt;
    const recorded = await this.#recorder.record(line, flight, ending).catch((error) => {
      const message = `Cannot record how job "${job}" of task ${task} ended; it is left for the next run`;
      this.#trouble(line.state, flight.job, message, error);
      return "stuck" as const;
    });
    if (recorded === "stuck") {
      // The run is kept where it can be kept, and the next coordinator records its end.
      this.tally.stuck++;
      this.#delay(line, flight.job, Infinity);
      return this.#land(line, flight, "its end could not be recorded");
    }
    if ("retryIn" in recorded) {
      this.#delay(line, flight.job, recorded.retryIn);
      return this.#land(line, flight);
    }
    const { success } = recorded.over;
    this.tally[success ? "succeeded" : "failed"]++;
    this.#land(line, flight);
    if (!success && this.#init.failFast) this.#init.onFailFast();
  }

  /** The attempt is over and its job is free again. */
  #land(line: Line, flight: Flight, why?: string): void {
    const { job, attempt } = flight;
    this.#running--;
    line.flights.delete(job);
    line.resting.get(job)?.cancel?.();
    line.resting.delete(job);
    for (const replica of line.replicas.get(job)?.values() ?? []) replica.stop("give-way");
    if (why !== undefined) this.#init.emit({ type: "released", at: this.#init.clock.now(), attempt, why });
    line.state.live.put(job, false);
    this.poke();
  }

  /** A replica has ended. One that ends by itself is started again, but not at once: it may well end at once again. */
  #endReplica(line: Line, flight: Flight, ending: Ending | undefined, error: unknown): void {
    const { attempt, job, stopped } = flight;
    const replicas = line.replicas.get(job)!;
    replicas.delete(attempt.replica);
    if (replicas.size === 0) line.replicas.delete(job);
    this.#running--;
    const fault = error === undefined ? ending?.error?.message : describeError(error);
    const why = `${ending?.reason ?? "trouble"}${fault === undefined ? "" : `: ${fault}`}`;
    if (stopped === undefined && line.flights.has(job) && !this.#draining) this.#rest(line, job);
    this.#init.emit({ type: "released", at: this.#init.clock.now(), attempt, why });
    if (this.#init.ours()) this.#inBackground(async () => await ending?.release?.());
    this.poke();
  }

  /** Starts no replica of a job for a while, longer each time. */
  #rest(line: Line, job: number): void {
    const earlier = line.resting.get(job);
    earlier?.cancel?.();
    const rest: { count: number; over: boolean; cancel?: () => void } = {
      count: (earlier?.count ?? 0) + 1,
      over: false,
    };
    line.resting.set(job, rest);
    rest.cancel = this.#later(
      retryDelay(INFRASTRUCTURE, rest.count, this.#init.random),
      () => rest.over = true,
    );
  }

  /** Trouble that is not the work's fault: the attempt does not count, and the job is tried again after a while. */
  #hitByTrouble(line: Line, flight: Flight, ending: Ending | undefined, error: unknown): void {
    const { job, attempt } = flight;
    const count = (line.troubles.get(job) ?? 0) + 1;
    line.troubles.set(job, count);
    const giveUp = count >= INFRASTRUCTURE.tries;
    const stop = flight.stopped === "shutdown";
    if (!stop) {
      const next = giveUp ? "it is left for the next run" : "it will be tried again";
      const message =
        `Cannot run job "${attempt.job}" of task ${attempt.task}; this is not counted as an attempt, and ${next}`;
      this.#trouble(line.state, job, message, error ?? ending?.error?.message ?? ending?.reason);
      if (giveUp) this.tally.stuck++;
      this.#delay(line, job, giveUp ? Infinity : retryDelay(INFRASTRUCTURE, count, this.#init.random));
    }
    this.#inBackground(async () => await ending?.release?.());
    this.#land(line, flight, stop ? "the coordinator is leaving" : "trouble");
  }

  #inBackground(work: () => Promise<void>): void {
    this.#closing++;
    work().catch((error) => {
      this.#tell({ message: `Cannot clean up: ${describeError(error)}`, error });
    }).finally(() => {
      this.#closing--;
      this.poke();
    });
  }
}

/** Whether waiting may help: what is wrong with the options, or refused, stays so. */
function passes(error: unknown): boolean {
  return !isDatataskError(error) || LASTING.every((code) => code !== error.code);
}

/** Whether a planned start still holds: what was started before it may write what it reads. */
function mayStill({ state, flights }: Line, { job, replica }: Action): boolean {
  return replica === 0 ? state.ready.set.has(job) : flights.has(job);
}

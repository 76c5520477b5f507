/**
 * The coordinator: observes, plans, acts. It wakes up when something has changed, and does nothing in between.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Quota } from "../core/quota.ts";
import type { Random } from "../core/random.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { AttemptsRecord } from "../tasks/outcomes.ts";
import type { Ending, FoundRun, RunContext } from "../tasks/runner.ts";
import type { PipelineEvent } from "./events.ts";
import { Flight } from "./flight.ts";
import type { KeySet } from "./key_set.ts";
import { type Action, plan, type PlanTask } from "./plan.ts";
import { RateLimit } from "./rate_limit.ts";
import { FlatQueue, HeapQueue, type ReadyQueue } from "./queue.ts";
import { INFRASTRUCTURE, retryDelay, worthRetrying } from "./retry.ts";
import type { PipelineState } from "./state.ts";
import type { TaskState } from "./task_state.ts";

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
  /** Told when nothing runs, nothing can start and nothing is waited for. */
  readonly onQuiet: () => void;
  /** Jobs that may start; all that are ready when it is left out. */
  readonly only?: ReadonlyMap<string, KeySet> | undefined;
  readonly failFast: boolean;
  readonly onFailFast: () => void;
}

/** What the coordinator keeps of a task. */
interface Line {
  readonly state: TaskState;
  readonly queue: ReadyQueue;
  readonly rate: RateLimit | undefined;
  /** Outcomes of attempts that did not count, by job. */
  readonly earlier: Map<number, readonly Outcome[]>;
  /** How often trouble that was nobody's fault has hit a job. */
  readonly troubles: Map<number, number>;
  /** Runs of a job beyond the first. */
  readonly replicas: Map<number, Map<number, Flight>>;
  overtaken: number;
}

/** Starts what can be started, sees attempts to their end, and records it. */
export class Coordinator {
  readonly #init: CoordinatorInit;
  readonly #lines: readonly Line[];
  readonly #byName: ReadonlyMap<string, Line>;
  readonly #flights = new Map<TaskState, Map<number, Flight>>();
  readonly #timers = new Set<() => void>();
  #running = 0;
  #closing = 0;
  #scheduled = false;
  #begun = false;
  #turnBegan = performance.now();
  readonly #unpriced = new Set<string>();
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
    this.#lines = init.state.tasks.map((state) => this.#line(state));
    this.#byName = new Map(this.#lines.map((line) => [line.state.task.name, line]));
    for (const { state } of this.#lines) {
      this.#flights.set(state, new Map());
      state.ready.subscribe(() => this.poke());
    }
  }

  /** The attempts under way. */
  *flights(): Generator<Flight, void, void> {
    for (const flights of this.#flights.values()) yield* flights.values();
    for (const line of this.#lines) for (const replicas of line.replicas.values()) yield* replicas.values();
  }

  /** The attempt at a job that is under way. */
  flight(task: string, job: Key): Flight | undefined {
    const line = this.#byName.get(task);
    const id = this.#init.state.keys.known(job);
    return line && id !== undefined ? this.#flights.get(line.state)!.get(id) : undefined;
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

  /** Starts nothing more; with `stop`, also ends what runs. */
  drain(stop: boolean): void {
    this.#draining = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    if (stop) { for (const flight of [...this.flights()]) flight.stop("shutdown"); }
    this.poke();
  }

  /** No more plans are made. */
  close(): void {
    this.#over = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /**
   * Takes up what is recorded of a task: attempts that did not count, and when the next may begin.
   *
   * @param state The task.
   */
  async recall(state: TaskState): Promise<void> {
    const line = this.#byName.get(state.task.name)!;
    const { clock, state: { keys } } = this.#init;
    const { attempts } = state.task.outcomes;
    for (const id of [...state.attempted.set]) {
      const job = keys.key(id);
      try {
        if (state.success.set.has(id) || state.failed.set.has(id)) {
          await attempts.delete(job);
          this.#init.state.observer.announce(attempts, job, false);
          continue;
        }
        const record = checkAttempts(await attempts.find(job));
        if (!record) continue;
        line.earlier.set(id, record.outcomes);
        const wait = Math.min(Date.parse(record.retryAt) - clock.now(), state.task.retry.maxDelayMs);
        if (wait > 0) this.#delay(line, id, wait);
      } catch (error) {
        this.#trouble(
          line,
          id,
          `Cannot read the attempts of job "${job}" of task ${state.task.name}; they count as none`,
          error,
        );
      }
    }
  }

  /**
   * Takes over the runs of a task that earlier coordinators started.
   *
   * @param state The task.
   * @param signal When to stop.
   */
  async adopt(state: TaskState, signal?: AbortSignal): Promise<void> {
    const line = this.#byName.get(state.task.name)!;
    const { runner, name } = state.task;
    if (!runner.find || !runner.adopt) return;
    const newest = new Map<Key, FoundRun>();
    const stale: FoundRun[] = [];
    for await (const found of runner.find(name, { signal })) {
      const { job, attempt, replica } = found.attempt;
      const id = this.#init.state.keys.id(job);
      const over = state.success.set.has(id) || state.failed.set.has(id);
      const other = newest.get(job);
      if (
        over || replica > 0 || attempt <= (line.earlier.get(id)?.length ?? 0) ||
        (other && other.attempt.attempt > attempt)
      ) {
        stale.push(found);
      } else {
        if (other) stale.push(other);
        newest.set(job, found);
      }
    }
    await Promise.all(stale.map(async ({ attempt }) => {
      try {
        await runner.discard?.(attempt);
      } catch (error) {
        const job = this.#init.state.keys.id(attempt.job);
        this.#trouble(line, job, `Cannot discard the run ${formatAttempt(attempt)}`, error);
      }
    }));
    for (const found of newest.values()) {
      this.#launch(line, this.#init.state.keys.id(found.attempt.job), 0, found);
    }
  }

  #line(state: TaskState): Line {
    const { task } = state;
    const { priority, clock } = this.#init;
    const own = task.priority;
    const varies = typeof own === "function" || priority !== undefined;
    return {
      state,
      queue: varies
        ? new HeapQueue(state.ready, (job) => this.#priority(state, job, 0))
        : new FlatQueue(state.ready, own),
      rate: task.spawnRate && new RateLimit(task.spawnRate, clock),
      earlier: new Map(),
      troubles: new Map(),
      replicas: new Map(),
      overtaken: 0,
    };
  }

  #priority(state: TaskState, job: number, replica: number): number {
    const { keys } = this.#init.state;
    const { priority, name } = state.task;
    const key = typeof priority === "function" || this.#init.priority ? keys.key(job) : "";
    try {
      const sum = (typeof priority === "function" ? priority(key, replica) : priority) +
        (this.#init.priority?.(name, key, replica) ?? 0);
      if (typeof sum === "number" && !Number.isNaN(sum)) return sum;
      throw new TypeError(`it is ${sum}, which is no number`);
    } catch (error) {
      if (!this.#unpriced.has(name)) {
        this.#unpriced.add(name);
        this.#trouble(
          { state },
          job,
          `Cannot find the priority of job "${key}" of task ${name}; it counts as 0`,
          error,
        );
      }
      return 0;
    }
  }

  #planTask(line: Line): PlanTask {
    const { state, replicas } = line;
    const { task } = state;
    const allowed = this.#init.only?.get(task.name);
    const flights = this.#flights.get(state)!;
    return {
      name: task.name,
      pool: task.runner.pool.name,
      quota: task.quota,
      running: flights.size,
      concurrency: task.concurrency,
      allowance: line.rate?.allowance() ?? Infinity,
      replicas: task.replicas,
      overtaken: line.overtaken,
      candidates: () =>
        !state.selected || task.disabled || (this.#init.only && !allowed) || state.ready.set.size === 0
          ? [][Symbol.iterator]()
          : allowed
          ? only(line.queue.candidates(), allowed)
          : line.queue.candidates(),
      live: task.replicas <= 1
        ? []
        : [...flights.keys()].map((job) => ({ job, replicas: [...(replicas.get(job)?.keys() ?? [])] })),
      priority: (job, replica) => this.#priority(state, job, replica),
    };
  }

  #pass(): void {
    if (this.#over) return;
    if (!this.#draining) {
      const { actions, overtakes } = plan({
        tasks: this.#lines.map((line) => this.#planTask(line)),
        pools: new Map(this.#lines.map(({ state: { task: { runner: { pool } } } }) => [pool.name, pool])),
        resources: this.#init.resources,
      }, { maxStarts: MAX_STARTS });
      for (const [task, count] of overtakes) this.#byName.get(task)!.overtaken += count;
      for (const action of actions) {
        const line = this.#byName.get(action.task)!;
        if (action.do === "stop") line.replicas.get(action.job)?.get(action.replica)?.stop("give-way");
        else if (this.#mayStill(line, action)) this.#launch(line, action.job, action.replica);
      }
      if (actions.length >= MAX_STARTS) this.poke();
      for (const line of this.#lines) {
        const wait = line.state.ready.set.size > 0 ? line.rate?.wait() : undefined;
        if (wait !== undefined && !line.rate!.armed) {
          line.rate!.armed = true;
          this.#later(wait, () => line.rate!.armed = false);
        }
      }
    }
    if (
      this.#running === 0 && this.#closing === 0 && this.#timers.size === 0 &&
      (this.#draining || !this.#init.state.busy)
    ) {
      if (!this.#scheduled) this.#init.onQuiet();
    }
  }

  /** Whether a planned start still holds: what was started before it may write what it reads. */
  #mayStill({ state }: Line, { job, replica }: Action): boolean {
    return replica === 0 ? state.ready.set.has(job) : this.#flights.get(state)!.has(job);
  }

  /** Plans again in a while. */
  #later(ms: number, then: () => void): void {
    const cancel = this.#init.clock.after(ms, () => {
      this.#timers.delete(cancel);
      then();
      this.poke();
    });
    this.#timers.add(cancel);
  }

  /** Keeps a job from starting for a while, or (`Infinity`) for the rest of this run. */
  #delay(line: Line, job: number, ms: number): void {
    line.state.delayed.put(job, true);
    if (ms !== Infinity && !this.#draining) this.#later(ms, () => line.state.delayed.put(job, false));
  }

  #trouble(line: Pick<Line, "state">, job: number, message: string, error: unknown): void {
    this.#init.emit({
      type: "trouble",
      at: this.#init.clock.now(),
      task: line.state.task.name,
      job: this.#init.state.keys.key(job),
      message: `${message}: ${describeError(error)}`,
      error,
    });
  }

  #launch(line: Line, job: number, replica: number, found?: FoundRun): void {
    const { state } = line;
    const { task } = state;
    const { clock, emit, state: { keys } } = this.#init;
    const earlier = line.earlier.get(job);
    const attempt: Attempt = found?.attempt ??
      { task: task.name, job: keys.key(job), replica, attempt: (earlier?.length ?? 0) + 1 };
    const now = clock.now();
    const flight = new Flight(attempt, state, job, found?.since ?? now, found !== undefined);
    const total = earlier?.[0]
      ? task.totalTimeoutMs - (now - Date.parse(earlier[0].start))
      : task.totalTimeoutMs;
    flight.limit(clock, Math.min(task.timeoutMs, total) - (now - flight.since));
    this.#running++;
    line.overtaken = 0;
    if (replica === 0) {
      this.#flights.get(state)!.set(job, flight);
      state.live.put(job, true);
    } else {
      let replicas = line.replicas.get(job);
      if (!replicas) line.replicas.set(job, replicas = new Map());
      replicas.set(replica, flight);
    }
    if (found) {
      flight.where = found.where;
      this.tally.adopted++;
      emit({ type: "adopted", at: now, attempt, where: found.where });
    } else {
      line.rate?.took();
      this.tally.started++;
      emit({ type: "started", at: now, attempt });
    }
    let ended: Promise<Ending> | Ending;
    try {
      ended = found
        ? task.runner.adopt!(attempt, this.#context(flight))
        : task.runner.run(attempt, this.#context(flight));
    } catch (error) {
      ended = Promise.reject(error);
    }
    if (ended instanceof Promise) {
      ended.then(
        (ending) => this.#end(line, flight, ending),
        (error) => this.#end(line, flight, undefined, error),
      );
    } else this.#end(line, flight, ended);
  }

  #context(flight: Flight): RunContext {
    return new FlightContext(flight, this.#init);
  }

  #end(line: Line, flight: Flight, ending: Ending | undefined, error?: unknown): void {
    flight.ended();
    const { attempt } = flight;
    if (attempt.replica > 0) return this.#endReplica(line, flight, ending);
    if (ending === undefined || ending.reason === "infrastructure" || ending.reason === "lost") {
      return this.#hitByTrouble(line, flight, ending, error);
    }
    if (ending.reason === "shut-down" || ending.reason === "gave-way") {
      this.#inBackground(async () => await ending.release?.());
      return this.#land(line, flight, "the coordinator is leaving");
    }
    this.#closing++;
    this.#record(line, flight, ending).catch((error) => {
      this.#trouble(
        line,
        flight.job,
        `Cannot record how job "${attempt.job}" of task ${attempt.task} ended; it is left for the next run`,
        error,
      );
      this.#stuck(line, flight);
    }).finally(() => {
      this.#closing--;
      this.poke();
    });
  }

  /** The attempt is over and its job is free again. */
  #land(line: Line, flight: Flight, why?: string): void {
    const { job, attempt } = flight;
    this.#running--;
    this.#flights.get(line.state)!.delete(job);
    for (const replica of line.replicas.get(job)?.values() ?? []) replica.stop("give-way");
    if (why !== undefined) this.#init.emit({ type: "released", at: this.#init.clock.now(), attempt, why });
    line.state.live.put(job, false);
    this.poke();
  }

  #endReplica(line: Line, flight: Flight, ending: Ending | undefined): void {
    const { attempt, job } = flight;
    const replicas = line.replicas.get(job)!;
    replicas.delete(attempt.replica);
    if (replicas.size === 0) line.replicas.delete(job);
    this.#running--;
    this.#init.emit({
      type: "released",
      at: this.#init.clock.now(),
      attempt,
      why: ending?.reason ?? "trouble",
    });
    this.#inBackground(async () => await ending?.release?.());
    this.poke();
  }

  /** Trouble that is not the work's fault: the attempt does not count, and the job is tried again after a while. */
  #hitByTrouble(line: Line, flight: Flight, ending: Ending | undefined, error: unknown): void {
    const { job, attempt } = flight;
    const { name } = line.state.task;
    const count = (line.troubles.get(job) ?? 0) + 1;
    line.troubles.set(job, count);
    const giveUp = count >= INFRASTRUCTURE.tries;
    const next = giveUp ? "it is left for the next run" : "it will be tried again";
    const stop = flight.stopped === "shutdown";
    if (!stop) {
      this.#trouble(
        line,
        job,
        `Cannot run job "${attempt.job}" of task ${name}; this is not counted as an attempt, and ${next}`,
        error ?? ending?.error?.message ?? ending?.reason,
      );
      if (giveUp) this.tally.stuck++;
      this.#delay(line, job, giveUp ? Infinity : retryDelay(INFRASTRUCTURE, count, this.#init.random));
    }
    this.#inBackground(async () => await ending?.release?.());
    this.#land(line, flight, stop ? "the coordinator is leaving" : "trouble");
  }

  /** Whether a job is tried again; not when asking its task throws. */
  #again(line: Line, job: number, outcome: Outcome, leftMs: number): boolean {
    const { task } = line.state;
    try {
      return worthRetrying(task.retry, outcome, leftMs);
    } catch (error) {
      this.#trouble(
        line,
        job,
        `Cannot ask retry.when of task ${task.name} about job "${
          this.#init.state.keys.key(job)
        }"; it is not tried again`,
        error,
      );
      return false;
    }
  }

  /** Records how an attempt ended, then lets go of it. */
  async #record(line: Line, flight: Flight, ending: Ending): Promise<void> {
    const { state, earlier } = line;
    const { task } = state;
    const { job, attempt } = flight;
    const { clock, emit, random, logs, state: { observer } } = this.#init;
    const before = earlier.get(job) ?? [];
    const outcome = flight.outcome(ending, clock.now(), before);
    const logRepository = logs(task.name);
    if (logRepository && flight.hasLog(ending)) {
      await this.#persist(line, flight, "keep the log", () => flight.keepLog(logRepository, ending), 1);
    }
    const begun = before[0] ? Date.parse(before[0].start) : flight.since;
    const left = task.totalTimeoutMs - (clock.now() - begun);
    const wait = this.#again(line, job, outcome, left)
      ? retryDelay(task.retry, attempt.attempt, random)
      : Infinity;
    if (wait < left) {
      const retryAt = clock.now() + wait;
      const { earlier: _, ...alone } = outcome;
      const outcomes = [...before, alone];
      if (
        !await this.#persist(line, flight, "record the attempt", async () => {
          await keepAttemptLog(logRepository, attempt);
          await task.outcomes.attempts.set(attempt.job, {
            outcomes,
            retryAt: new Date(retryAt).toISOString(),
          });
        })
      ) return this.#stuck(line, flight);
      observer.announce(task.outcomes.attempts, attempt.job, true);
      earlier.set(job, outcomes);
      emit({ type: "retrying", at: clock.now(), attempt, outcome, retryAt });
      this.#delay(line, job, wait);
      this.#inBackground(async () => await ending.release?.());
      return this.#land(line, flight);
    }
    if (
      !await this.#persist(
        line,
        flight,
        "record the outcome",
        () => task.outcomes.commit(attempt.job, outcome),
      )
    ) {
      return this.#stuck(line, flight);
    }
    observer.announce(outcome.success ? task.outcomes.success : task.outcomes.failed, attempt.job, true);
    this.tally[outcome.success ? "succeeded" : "failed"]++;
    emit({ type: "finished", at: clock.now(), attempt, outcome });
    if (state.attempted.set.has(job) || (outcome.success && state.failed.set.has(job)) || ending.release) {
      this.#inBackground(() => this.#tidy(line, flight, ending, outcome));
    }
    earlier.delete(job);
    this.#land(line, flight);
    if (!outcome.success && this.#init.failFast) this.#init.onFailFast();
  }

  /** Removes what the recorded outcome has made superfluous. A crash in between is made up for by the next run. */
  async #tidy(line: Line, flight: Flight, ending: Ending, outcome: Outcome): Promise<void> {
    const { state } = line;
    const { job, attempt } = flight;
    const { observer } = this.#init.state;
    if (state.attempted.set.has(job)) {
      await state.task.outcomes.attempts.delete(attempt.job);
      observer.announce(state.task.outcomes.attempts, attempt.job, false);
    }
    if (outcome.success && state.failed.set.has(job)) {
      await state.task.outcomes.failed.delete(attempt.job);
      observer.announce(state.task.outcomes.failed, attempt.job, false);
    }
    await ending.release?.();
  }

  /** An end that could not be recorded: the run is kept where it can be kept, and the next coordinator records it. */
  #stuck(line: Line, flight: Flight): void {
    this.tally.stuck++;
    this.#delay(line, flight.job, Infinity);
    this.#land(line, flight, "its end could not be recorded");
  }

  /** Writes with a few tries; says what went wrong. */
  async #persist(
    line: Line,
    flight: Flight,
    what: string,
    write: () => Promise<void>,
    tries = 5,
  ): Promise<boolean> {
    for (let n = 1;; n++) {
      try {
        await write();
        return true;
      } catch (error) {
        this.#trouble(
          line,
          flight.job,
          `Cannot ${what} of job "${flight.attempt.job}" of task ${line.state.task.name}`,
          error,
        );
        if (n >= tries || this.#draining) return false;
        await new Promise<void>((resolve) => this.#init.clock.after(100 * 2 ** n, resolve));
      }
    }
  }

  #inBackground(work: () => Promise<void>): void {
    this.#closing++;
    work().catch((error) => {
      this.#init.emit({
        type: "trouble",
        at: this.#init.clock.now(),
        message: `Cannot clean up: ${describeError(error)}`,
        error,
      });
    }).finally(() => {
      this.#closing--;
      this.poke();
    });
  }
}

/** What a run gets from the scheduler. */
class FlightContext implements RunContext {
  readonly #flight: Flight;
  readonly #init: CoordinatorInit;

  constructor(flight: Flight, init: CoordinatorInit) {
    this.#flight = flight;
    this.#init = init;
  }

  get signal(): AbortSignal {
    return this.#flight.signal;
  }

  get graceMs(): number {
    return this.#flight.state.task.graceMs;
  }

  get quota(): Quota {
    return this.#flight.state.task.quota;
  }

  get clock(): Clock {
    return this.#init.clock;
  }

  get logs(): BlobRepository | undefined {
    return this.#flight.attempt.replica === 0 ? this.#init.logs(this.#flight.attempt.task) : undefined;
  }

  log(line: string): void {
    this.#flight.log(line);
    this.#init.emit({ type: "log", at: this.#init.clock.now(), attempt: this.#flight.attempt, line });
  }

  located(where: string): void {
    this.#flight.where = where;
    this.#init.emit({ type: "located", at: this.#init.clock.now(), attempt: this.#flight.attempt, where });
  }

  published(repository: Repository, key: Key): void {
    this.#init.state.observer.announce(repository, key, true);
  }
}

/** So many are started by one plan. */
const MAX_STARTS = 512;

/** So long, in milliseconds, plans are made in one turn of the event loop. */
const TURN_MS = 10;

/** A record of attempts, when it can be used as one. */
function checkAttempts(record: AttemptsRecord | undefined): AttemptsRecord | undefined {
  if (record === undefined) return undefined;
  const { outcomes, retryAt } = record ?? {};
  const whole = Array.isArray(outcomes) && outcomes.length > 0 &&
    outcomes.every((outcome) =>
      Number.isFinite(Date.parse(outcome?.start)) && Number.isFinite(Date.parse(outcome.end))
    );
  if (whole && Number.isFinite(Date.parse(retryAt))) return record;
  throw new TypeError("the document is no record of attempts");
}

function* only(
  candidates: Iterator<{ job: number; priority: number }, void>,
  allowed: KeySet,
): Generator<{ job: number; priority: number }, void, void> {
  for (let next = candidates.next(); !next.done; next = candidates.next()) {
    if (allowed.has(next.value.job)) yield next.value;
  }
}

/** Keeps the log of an attempt that will be followed by another, which writes its own in its place. */
async function keepAttemptLog(logs: BlobRepository | undefined, attempt: Attempt): Promise<void> {
  const beside = logs?.driver.beside?.(`attempt-${attempt.attempt}`);
  const stream = beside && await logs!.driver.read(attempt.job);
  if (!stream) return;
  await beside.prepare?.();
  await beside.write(attempt.job, stream);
}

/**
 * A pipeline in isolation: its tasks and its bodies as they are, memory in place of its repositories, and a clock that is turned by hand.
 *
 * @module
 */
import { formatAttempt } from "../core/attempt.ts";
import { DefinitionError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { seededRandom } from "../core/random.ts";
import type { PipelineEvent, RunSummary } from "../pipeline/events.ts";
import { Pipeline, type PipelineInit } from "../pipeline/pipeline.ts";
import type { Run, RunOptions } from "../pipeline/run.ts";
import type { KeyLayer } from "../repositories/driver.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Bound } from "../tasks/bound.ts";
import type { FunctionContext } from "../tasks/function.ts";
import type { Links } from "../tasks/link.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { Task } from "../tasks/task.ts";
import { assertHistory } from "./history.ts";
import { ManualClock } from "./manual_clock.ts";
import { type StandIn, StandIns } from "./stand_ins.ts";
import { type Body, remakeTask } from "./remake_task.ts";

/** A body in place of a task's own. Made by {@linkcode fake}. */
export interface Fake {
  /** The name of the task. */
  readonly task: string;
  /** What to do for a job. */
  readonly body: Body;
}

/**
 * A body in place of a task's own: for tasks that run scripts, containers or pods, and for what takes long.
 *
 * @param task Which task.
 * @param body What to do for a job. It gets what the body of a function task with these links would get.
 * @returns The fake, for {@linkcode testPipeline}.
 */
export function fake<L extends Links>(
  task: Task<L>,
  body: (context: FunctionContext & Bound<L>) => unknown,
): Fake {
  return { task: task.name, body };
}

/** How to test a pipeline. */
export interface TestPipelineOptions {
  /** Bodies in place of tasks' own. Tasks that are not function tasks need one. */
  readonly fakes?: readonly Fake[];
  /** Repositories of your own in place of others; all others get one in memory. */
  readonly replace?: readonly (readonly [Repository, Repository])[];
  /** Put around every store in memory: `[faulty({ seed: 7, rate: 0.1 })]`. */
  readonly layers?: readonly KeyLayer[];
  /** What the clock shows first. Default: the first moment of the year 2000, UTC. */
  readonly start?: number | string;
  /** Determines the jitter of retries. Default: 1. */
  readonly seed?: number;
  /** What the pipeline was made with besides its tasks, where it matters: `priority`, `resources`. */
  readonly init?: Pick<PipelineInit, "priority" | "resources">;
}

/** A pipeline in isolation. */
export class PipelineTest implements AsyncDisposable {
  /** The pipeline over the stand-ins. */
  readonly pipeline: Pipeline;
  /** Its clock. */
  readonly clock: ManualClock;
  /** All that has happened, oldest first. */
  readonly events: readonly PipelineEvent[];
  readonly #events: PipelineEvent[] = [];
  readonly #standIns: StandIns;
  readonly #reading = new Map<Run, Promise<void>>();
  /** How many bodies are at work. */
  #working = 0;

  /**
   * Takes the pipeline apart. Use `testPipeline`.
   *
   * @param pipeline The pipeline to test. Neither its session nor its repositories are touched.
   * @param options Fakes, replacements and faults.
   * @throws {DefinitionError} With all that is wrong: a fake for a task that is not there, a task that cannot be taken apart.
   */
  constructor(pipeline: Pipeline, options: TestPipelineOptions = {}) {
    this.clock = new ManualClock(options.start);
    this.events = this.#events;
    this.#standIns = new StandIns(options.replace ?? [], options.layers ?? []);
    const fakes = new Map(options.fakes?.map((each) => [each.task, each.body]));
    const faults: string[] = [];
    for (const name of fakes.keys()) {
      if (!pipeline.tasks.has(name)) {
        faults.push(`There is a fake for task ${name}, which the pipeline does not have`);
      }
    }
    const tasks: Task[] = [];
    for (const task of pipeline.tasks.values()) {
      try {
        const replace = (repository: Repository): Repository => this.#standIns.of(repository);
        tasks.push(remakeTask(task, replace, fakes.get(task.name), this.#watch));
      } catch (error) {
        if (!(error instanceof DefinitionError)) throw error;
        faults.push(...error.faults);
      }
    }
    if (faults.length > 0) throw new DefinitionError(faults);
    this.pipeline = new Pipeline({
      ...options.init,
      tasks,
      name: pipeline.name,
      state: null,
      clock: this.clock,
      random: seededRandom(options.seed ?? 1),
    });
  }

  /**
   * What stands in for a repository: fill it before a run, and look into it afterwards.
   *
   * @param repository The pipeline's own.
   * @returns The stand-in, with values of the same type.
   */
  standIn<R extends Repository>(repository: R): StandIn<R> {
    return this.#standIns.of(repository);
  }

  /**
   * Runs to the end. When nothing is left but to wait (for a retry, for a rate), the clock is turned.
   *
   * @param options As for any run.
   * @returns What the run has done.
   */
  async run(options: RunOptions = {}): Promise<RunSummary> {
    const run = this.start(options);
    let over = false;
    const end = (): void => void (over = true);
    run.finished.then(end, end);
    let [still, seen] = [0, 0];
    for (;;) {
      await nextTurn();
      if (over) break;
      const quiet = this.#events.length === seen && this.#working === 0;
      seen = this.#events.length;
      still = quiet ? still + 1 : 0;
      if (still >= TURNS) this.clock.advanceToNext();
    }
    await this.#reading.get(run);
    return await run.finished;
  }

  /**
   * Starts a run and leaves the clock alone: for tests of timeouts, and of what happens in between.
   *
   * @param options As for any run.
   * @returns The run. Its events are collected.
   */
  start(options: RunOptions = {}): Run {
    const run = this.pipeline.run(options);
    this.#reading.set(run, this.#read(run));
    return run;
  }

  /**
   * How the attempts ended, in order, for comparing with a list: `"summary/moby-dick succeeded"`, `"summary/emma@2 failed"`.
   *
   * @param task Of one task only.
   * @returns A line for each attempt.
   */
  history(task?: string): string[] {
    return this.#events.flatMap((event) =>
      (event.type === "finished" || event.type === "retrying") &&
        (task ?? event.attempt.task) === event.attempt.task
        ? [`${formatAttempt(event.attempt)} ${event.outcome.reason}`]
        : []
    );
  }

  /**
   * The lines that the bodies have logged.
   *
   * @param task Of one task only.
   * @returns The lines, in order.
   */
  logged(task?: string): string[] {
    return this.#events.flatMap((event) =>
      event.type === "log" && (task ?? event.attempt.task) === event.attempt.task ? [event.line] : []
    );
  }

  /**
   * How the jobs of a task ended.
   *
   * @param task Which task.
   * @returns The outcomes of the jobs that are over, by job, in the order of the keys.
   */
  async outcomes(task: string): Promise<Record<Key, Outcome>> {
    const { done } = this.pipeline.task(task).outcomes;
    const jobs = (await Array.fromAsync(done)).sort();
    return Object.fromEntries(
      await Promise.all(jobs.map(async (job) => [job, await done.get(job)] as const)),
    );
  }

  /** Sees that what has happened keeps the promises of the scheduler: see {@linkcode assertHistory}. */
  check(): void {
    assertHistory(this.pipeline, this.#events);
  }

  /** Stops what runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.pipeline.close();
    await Promise.all(this.#reading.values());
  }

  /** A body that is counted while it is at work. One that waits for an item is not: only time may bring it. */
  readonly #watch = (body: Body): Body => async (context) => {
    const links = Object.entries(context as Record<string, unknown>).map(([name, link]) =>
      [name, isStream(link) ? this.#idleIn(link) : link] as const
    );
    this.#working++;
    try {
      return await body(Object.fromEntries(links) as never);
    } finally {
      this.#working--;
    }
  };

  #idleIn(items: AsyncIterable<unknown>): AsyncIterable<unknown> {
    const idle = async <T>(next: () => Promise<T>): Promise<T> => {
      this.#working--;
      try {
        return await next();
      } finally {
        this.#working++;
      }
    };
    return {
      [Symbol.asyncIterator]() {
        const inner = items[Symbol.asyncIterator]();
        return {
          next: () => idle(() => inner.next()),
          return: async (value) => await inner.return?.(value) ?? { done: true, value: undefined },
        };
      },
    };
  }

  async #read(run: Run): Promise<void> {
    try {
      for await (const event of run) this.#events.push(event);
    } catch {
      // Whoever awaits `finished` is told.
    }
  }
}

function isStream(link: unknown): link is AsyncIterable<unknown> {
  return typeof link === "object" && link !== null && Symbol.asyncIterator in link;
}

/** After so many turns of the event loop in which nothing happened and nothing ran, the clock is turned. */
const TURNS = 3;

/** Lets everything run that is ready to run, I/O included. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Takes a pipeline apart and puts it together again over memory, with a clock of its own: nothing it does leaves the test.
 *
 * @param pipeline The pipeline to test: the default export of its module.
 * @param options Fakes, replacements and faults.
 * @returns The test. Dispose of it: `await using test = testPipeline(pipeline)`.
 * @throws {DefinitionError} With all that cannot be replaced.
 * @example A pipeline whose first attempt fails
 * ```ts
 * import { FileRepository, functionTask, input, output, Pipeline, YamlMetadataRepository } from "@datatask/datatask";
 * import { testPipeline } from "@datatask/datatask/testing";
 * import assert from "node:assert/strict";
 *
 * // As in pipeline.ts: real folders, and a minute between two attempts.
 * const books = new FileRepository("./books", { extension: ".txt" });
 * const reports = new FileRepository("./reports", { extension: ".txt" });
 * const done = YamlMetadataRepository.files("./results");
 * const summary = functionTask(
 *   "summary",
 *   { done, retry: { attempts: 2, delay: "1m" }, links: { books: input(books), reports: output(reports) } },
 *   async ({ job, attempt, books, reports }) => {
 *     if (attempt === 1) throw new Error("not now");
 *     await reports.write(`${job}: ${(await books.text()).split(/\s+/).length} words`);
 *   },
 * );
 * const pipeline = new Pipeline({ tasks: [summary] });
 *
 * // As in pipeline_test.ts: no file is touched, and the minute is over at once.
 * await using test = testPipeline(pipeline);
 * await test.standIn(books).put("moby-dick", "Call me Ishmael");
 * const { succeeded } = await test.run();
 * assert.equal(succeeded, 1);
 * assert.deepEqual(test.history(), ["summary/moby-dick failed", "summary/moby-dick@2 succeeded"]);
 * assert.equal(await test.standIn(reports).text("moby-dick"), "moby-dick: 3 words");
 * ```
 */
export function testPipeline(pipeline: Pipeline, options: TestPipelineOptions = {}): PipelineTest {
  return new PipelineTest(pipeline, options);
}

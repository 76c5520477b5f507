/**
 * What the tests of the scheduler have in common.
 *
 * @module
 */
import {
  type Clock,
  type FunctionContext,
  functionTask,
  input,
  type Links,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  type PipelineEvent,
  type PipelineInit,
  type RunOptions,
  type RunSummary,
  type Task,
  type TaskOptions,
} from "../../mod.ts";
import type { ManualClock } from "../../testing/manual_clock.ts";

/** What a run has told, and how it ended. */
export interface Told {
  readonly events: readonly PipelineEvent[];
  readonly summary: RunSummary;
}

/** Runs a pipeline to its end and keeps what it tells. */
export async function runAll(pipeline: Pipeline, options: RunOptions = {}): Promise<Told> {
  const run = pipeline.run(options);
  const events = await Array.fromAsync(run);
  return { events, summary: await run.finished };
}

/** Runs a pipeline by a clock that is turned to the next timer whenever nothing else happens. */
export async function runByHand(
  pipeline: Pipeline,
  clock: ManualClock,
  options: RunOptions = {},
): Promise<Told> {
  const run = pipeline.run(options);
  const events: PipelineEvent[] = [];
  const reading = (async () => {
    for await (const event of run) events.push(event);
  })();
  let over = false;
  run.finished.finally(() => over = true).catch(() => {});
  for (let quiet = 0; !over;) {
    const before = events.length;
    await new Promise((resolve) => setTimeout(resolve, 0));
    quiet = events.length === before ? quiet + 1 : 0;
    if (quiet >= 3 && !over) {
      clock.advanceToNext();
      quiet = 0;
    }
  }
  await reading;
  return { events, summary: await run.finished };
}

/** A pipeline in memory. */
export function inMemory(tasks: Iterable<Task>, init: Partial<PipelineInit> = {}): Pipeline {
  return new Pipeline({ state: null, ...init, tasks });
}

/** A repository of blobs that holds these keys, each with its own name as the value. */
export async function blobs(name: string, ...keys: string[]): Promise<MemoryBlobRepository> {
  const repository = new MemoryBlobRepository(name);
  for (const key of keys) await repository.put(key, key);
  return repository;
}

/** A repository for outcomes. */
export function outcomes(name = "done"): MemoryMetadataRepository {
  return new MemoryMetadataRepository(name);
}

/** The keys of a repository, in order. */
export async function keysOf(repository: { keys(): AsyncIterable<string> }): Promise<string[]> {
  return (await Array.fromAsync(repository.keys())).sort();
}

/** The jobs of the events of a type, in order, as `task/job`. */
export function jobsOf(
  events: readonly PipelineEvent[],
  type: "started" | "finished" | "retrying" | "released",
): string[] {
  return events.flatMap((event) => event.type === type ? [`${event.attempt.task}/${event.attempt.job}`] : []);
}

/** The texts of all troubles. */
export function troubles(events: readonly PipelineEvent[]): string[] {
  return events.flatMap((event) => event.type === "trouble" ? [event.message] : []);
}

/** A task that copies from one repository to another. */
export function copy(
  name: string,
  from: MemoryBlobRepository,
  to: MemoryBlobRepository,
  options: Partial<TaskOptions<Links>> = {},
  body: (context: FunctionContext) => unknown = () => {},
): Task {
  return functionTask(name, {
    done: outcomes(`${name}-done`),
    ...options,
    links: { from: input(from), to: output(to) },
  }, async (context) => {
    await body(context);
    await context.to.write(await context.from.text());
  });
}

/** A task that does something for each key of a repository. */
export function each(
  name: string,
  of: MemoryBlobRepository,
  body: (context: FunctionContext) => unknown = () => {},
  options: Partial<TaskOptions<Links>> = {},
): Task {
  return functionTask(name, { done: outcomes(`${name}-done`), ...options, links: { of: input(of) } }, body);
}

/** A clock that counts the timers that are set, and is otherwise another one. */
export function counting(clock: Clock): Clock & { readonly set: number } {
  let set = 0;
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after(ms, callback) {
      set++;
      return clock.after(ms, callback);
    },
    get set() {
      return set;
    },
  };
}

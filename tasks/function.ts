/**
 * Tasks whose body is a function in this process.
 *
 * @module
 */
import { type Attempt, StopError, type StopReason } from "../core/attempt.ts";
import { definedBy } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Quota } from "../core/quota.ts";
import type { Bound } from "./bound.ts";
import { BodyGate } from "./body_gate.ts";
import { bindLink, type Written } from "./body_links.ts";
import type { Links } from "./link.ts";
import { inThisProcess, isModuleBody, type ModuleBody } from "./module_body.ts";
import { type ModuleContainerOptions, moduleRunner, type ModuleTaskOptions } from "./module_task.ts";
import { recordError } from "./outcome.ts";
import type { Ending, Pool, RunContext, Runner } from "./runner.ts";
import { defineTask, type Task, type TaskOptions } from "./task.ts";

/** What a body gets besides its links. */
export interface FunctionContext {
  /** The job. */
  readonly job: Key;
  /** The name of the task. */
  readonly task: string;
  /** Which attempt this is: 1 for the first. */
  readonly attempt: number;
  /** Which replica: 0 for the run that counts. */
  readonly replica: number;
  /** What the job may use. */
  readonly quota: Quota;
  /** Aborted when the attempt shall end: its time is over, it was cancelled, or the coordinator leaves. Its reason says which. */
  readonly signal: AbortSignal;
  /** Writes a line to the log of the job. */
  readonly log: (...values: readonly unknown[]) => void;
}

/** What a function task can be told besides what every task can. */
export interface FunctionTaskOptions<L extends Links> extends TaskOptions<L> {
  /** Where its jobs run. Default: a pool that all function tasks share, 64 at a time. */
  readonly pool?: Pool;
  /** Not for a function: only a body that is named by its module can run elsewhere. See `moduleBody`. */
  readonly executor?: never;
  /** Not for a function, which may do what this process may. */
  readonly permissions?: never;
}

/** The runner of a function task. */
export interface FunctionRunner extends Runner {
  /** The body, for whoever makes the task anew over other links, as tests do. */
  readonly body: (context: never) => unknown;
}

/** Where bodies run when their task does not say: as many as are useful while they wait for data. */
export const inProcess: Pool = { name: "in-process", capacity: {}, width: 64 };

/**
 * A task whose body is a function.
 *
 * The body gets each link under its name, already bound to the job and typed by its repository. A job has succeeded when the body returns and every
 * output that is expected is there; it has failed when the body throws. When its attempt is over, a body can publish nothing any more.
 *
 * @param name Its name, unique in a pipeline.
 * @param options Where outcomes go, what it reads and writes, and what every task can be told.
 * @param body What to do for a job: a function of this process, or (`moduleBody`) the default export of a module, which can run elsewhere.
 * @returns The task.
 * @throws {DefinitionError} With all that is wrong.
 * @example Counting the words of every book
 * ```ts
 * import { functionTask, input, MemoryBlobRepository, MemoryMetadataRepository, output, Pipeline } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const books = new MemoryBlobRepository("books");
 * const counts = new MemoryMetadataRepository<number>("counts");
 * const done = new MemoryMetadataRepository("done");
 *
 * const count = functionTask("count", { done, links: { books: input(books), counts: output(counts) } },
 *   async ({ books, counts }) => counts.write((await books.text()).split(/\s+/).length));
 *
 * await books.put("moby-dick", "Call me Ishmael");
 * await new Pipeline({ tasks: [count], state: null }).run().finished;
 * assert.equal(await counts.get("moby-dick"), 3);
 * ```
 */
export function functionTask<L extends Links>(
  name: string,
  options: FunctionTaskOptions<L>,
  body: (context: FunctionContext & Bound<L>) => unknown,
): Task<L>;
/** A task whose body is the default export of a module. */
export function functionTask<L extends Links>(
  name: string,
  options: ModuleTaskOptions<L>,
  body: ModuleBody<FunctionContext & Bound<L>>,
): Task<L>;
/** A task whose body is the default export of a module, and runs in containers. */
export function functionTask<L extends Links>(
  name: string,
  options: ModuleContainerOptions<L>,
  body: ModuleBody<FunctionContext & Bound<L>>,
): Task<L>;
export function functionTask<L extends Links>(
  name: string,
  options: FunctionTaskOptions<L> | ModuleTaskOptions<L> | ModuleContainerOptions<L>,
  body: ((context: never) => unknown) | ModuleBody<never>,
): Task<L> {
  return definedBy(functionTask, () => {
    const own = isModuleBody(body) ? inThisProcess(body) : body;
    const elsewhere = isModuleBody(body)
      ? moduleRunner(name, options as ModuleTaskOptions<L>, body, () => task.links)
      : undefined;
    const runner: FunctionRunner = elsewhere ?? {
      pool: (options as FunctionTaskOptions<L>).pool ?? inProcess,
      defaultQuota: {},
      body: own,
      run: (attempt, context) =>
        runBody(attempt, context, task.links, own as (context: FunctionContext) => unknown),
    };
    const task = defineTask(name, "function", options, runner);
    return task;
  });
}

/**
 * Runs a body for one attempt: binds its links, sees that nothing is published once the attempt is over, and that nothing is missing.
 *
 * @param attempt Which.
 * @param context What the run gets from the scheduler.
 * @param links The links of the task.
 * @param body What to do.
 * @returns How it has ended.
 */
export async function runBody(
  attempt: Attempt,
  context: RunContext,
  links: Links,
  body: (context: FunctionContext) => unknown,
): Promise<Ending> {
  const { signal } = context;
  const gate = new BodyGate(attempt, signal);
  const outputs: Written[] = [];
  const work = async (): Promise<void> => {
    const bound: Record<string, unknown> = { ...contextOf(attempt, context, gate) };
    const scope = { attempt, links, gate, outputs, context };
    for (const name in links) bound[name] = await bindLink(scope, name);
    signal.throwIfAborted();
    await body(bound as unknown as FunctionContext);
    await gate.settled();
  };
  try {
    await stopped(work, context);
    // What was stopped has not succeeded, whatever it returns.
    signal.throwIfAborted();
    await gate.close();
    return await missing(outputs, context) ?? { reason: "succeeded" };
  } catch (error) {
    await gate.close();
    const stop = error instanceof StopError ? error : signal.aborted ? signal.reason : undefined;
    const reason = stop instanceof StopError ? ENDINGS[stop.why] : "failed";
    return { reason, error: recordError(error) };
  }
}

/** How an attempt has ended that was stopped. */
const ENDINGS: Readonly<Record<StopReason, Ending["reason"]>> = {
  "timeout": "timed-out",
  "cancelled": "cancelled",
  "shutdown": "shut-down",
  "give-way": "gave-way",
  "lost-lease": "shut-down",
};

function contextOf(
  { job, task, attempt, replica }: Attempt,
  context: RunContext,
  gate: BodyGate,
): FunctionContext {
  const log = (...values: readonly unknown[]): void => {
    if (!gate.over) context.log(values.map(show).join(" "));
  };
  return { job, task, attempt, replica, quota: context.quota, signal: context.signal, log };
}

/** The ending of a job whose body has returned without an output that is expected; nothing when all are there. */
async function missing(outputs: readonly Written[], context: RunContext): Promise<Ending | undefined> {
  const { signal } = context;
  for (const { expected, seen, error, repository, key, link } of outputs) {
    if (!expected || seen) continue;
    if (error) throw error.reason;
    if (await repository.has(key, { signal })) {
      context.published(repository, key);
      continue;
    }
    const message =
      `The body returned, but "${key}" is not in ${repository.name} (link ${link}); write it, or mark the link { required: false }`;
    return { reason: "missing-output", error: { name: "MissingOutput", message } };
  }
  return undefined;
}

/** Waits for the work; when it shall end and does not, waits no longer than the grace allows. */
function stopped(work: () => Promise<void>, { signal, clock, graceMs }: RunContext): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    let cancel: (() => void) | undefined;
    const onAbort = (): void => {
      cancel = clock.after(graceMs, () => reject(signal.reason));
    };
    const settled = (): void => {
      signal.removeEventListener("abort", onAbort);
      cancel?.();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    work().then(() => {
      settled();
      resolve();
    }, (error) => {
      settled();
      reject(error);
    });
  });
}

function show(value: unknown): string {
  return typeof value === "string" ? value : Deno.inspect(value, { colors: false });
}

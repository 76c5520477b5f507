/**
 * Tasks: one phase of work, done once per job.
 *
 * @module
 */
import { type Duration, parseDuration } from "../core/duration.ts";
import { DefinitionError } from "../core/errors.ts";
import { isKey, type Key } from "../core/key.ts";
import { parseShares, type Quota, type QuotaInit } from "../core/quota.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import { type Link, type Links, status } from "./link.ts";
import { linkFaults } from "./link_faults.ts";
import type { Outcome } from "./outcome.ts";
import { Outcomes, type OutcomesInit } from "./outcomes.ts";
import type { Runner } from "./runner.ts";

/** Marks tasks of any loaded copy of this package. */
const BRAND: unique symbol = Symbol.for("@datatask/datatask/task") as never;

/** What to do when an attempt fails. */
export interface RetryOptions {
  /** How many attempts a job has in all. Default: 1, that is no retry. */
  readonly attempts?: number;
  /** How long to wait before the second attempt. Default: 1 s. */
  readonly delay?: Duration;
  /** What the wait is multiplied by for each further attempt. Default: 2. */
  readonly factor?: number;
  /** The longest wait. Default: 5 min, or `delay` when that is longer. */
  readonly maxDelay?: Duration;
  /** How much of the wait is left to chance, from 0 to 1. Default: 0.5: between half of it and all of it. */
  readonly jitter?: number;
  /** Which outcomes are worth another attempt. Default: all that failed or timed out. */
  readonly when?: (outcome: Outcome) => boolean;
}

/** What every kind of task can be told. */
export interface TaskOptions<L extends Links = Links> {
  /** Where outcomes go. A key in it means that the job is over. */
  readonly done: OutcomesInit;
  /** What the task reads and writes, by name. */
  readonly links?: L;
  /**
   * What one job needs: `{ cpu: 2, memory: "1.5Gi", gpu: 1 }`, or shares of what its pool has: `{ cpu: "50%", memory: "max" }`. Default: as the kind
   * of task says.
   */
  readonly quota?: QuotaInit;
  /** Which jobs go first: the higher, the sooner. A function is asked once per job and replica. Default: 0. */
  readonly priority?: number | ((job: Key, replica: number) => number);
  /** How many jobs of this task run at once at the most. Default: no limit. */
  readonly concurrency?: number;
  /** How many jobs of this task begin in a period at the most. */
  readonly spawnRate?: { readonly count: number; readonly per: Duration };
  /** What to do when an attempt fails. A number is the number of attempts in all. */
  readonly retry?: number | RetryOptions;
  /** How long one attempt may take. Default: no limit. */
  readonly timeout?: Duration;
  /** How long all attempts of a job together may take, waits between them included. Default: no limit. */
  readonly totalTimeout?: Duration;
  /** How long a polite stop may take before force. Default: 10 s. */
  readonly grace?: Duration;
  /** How many runs of one job may fill idle capacity, the first included. One that ends by itself is started again after a wait. Default: 1. */
  readonly replicas?: number;
  /** Whether tasks that read its outputs go on when a job has failed. Default: `false`. */
  readonly failureOk?: boolean;
  /** Whether its outputs are used while a job runs, and whether the end of its time is a success. Default: `false`. */
  readonly longRunning?: boolean;
  /** Whether it is left out. Default: `false`. */
  readonly disabled?: boolean;
  /** Where logs go. Default: the folder of the pipeline's state. */
  readonly logs?: BlobRepository;
  /** A sentence for people. */
  readonly description?: string;
}

/** What to do when an attempt fails, with all defaults filled in; times in milliseconds. */
export interface RetryPolicy {
  /** How many attempts a job has in all. */
  readonly attempts: number;
  /** How long to wait before the second attempt. */
  readonly delayMs: number;
  /** What the wait is multiplied by for each further attempt. */
  readonly factor: number;
  /** The longest wait. */
  readonly maxDelayMs: number;
  /** How much of the wait is left to chance, from 0 to 1. */
  readonly jitter: number;
  /** Which outcomes are worth another attempt. */
  readonly when: (outcome: Outcome) => boolean;
}

/** One phase of work, done once per job. Made by `functionTask`, `processTask` and their like. */
export interface Task<L extends Links = Links> {
  /** Its name, unique in a pipeline; a valid key. */
  readonly name: string;
  /** Which kind: `function`, `process`. */
  readonly kind: string;
  /** A sentence for people. */
  readonly description: string | undefined;
  /** What the task reads and writes, as given. */
  readonly links: L;
  /** The links with those that every task has: `done`, `success`, `failed`, and `logs` when given. */
  readonly allLinks: Links;
  /** Where outcomes go. */
  readonly outcomes: Outcomes;
  /** Where logs go, when the task says so. */
  readonly logs: BlobRepository | undefined;
  /** What one job needs. */
  readonly quota: Quota;
  /** Which jobs go first. */
  readonly priority: number | ((job: Key, replica: number) => number);
  /** How many at once. */
  readonly concurrency: number;
  /** How many begin in a period. */
  readonly spawnRate: { readonly count: number; readonly perMs: number } | undefined;
  /** What to do when an attempt fails. */
  readonly retry: RetryPolicy;
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long all attempts of a job may take, in milliseconds. */
  readonly totalTimeoutMs: number;
  /** How long a polite stop may take, in milliseconds. */
  readonly graceMs: number;
  /** How many runs of one job at the most. */
  readonly replicas: number;
  /** Whether tasks that read its outputs go on when a job has failed. */
  readonly failureOk: boolean;
  /** Whether its outputs are used while a job runs. */
  readonly longRunning: boolean;
  /** Whether it is left out. */
  readonly disabled: boolean;
  /** How its attempts are run. */
  readonly runner: Runner;
}

/** The longest wait between attempts, when the task does not say, in milliseconds. */
const DEFAULT_MAX_DELAY_MS = 300_000;

function retryPolicy(retry: number | RetryOptions | undefined, task: string): RetryPolicy {
  const options = typeof retry === "number" ? { attempts: retry } : retry ?? {};
  const delayMs = parseDuration(options.delay ?? 1000, `retry.delay of task ${task}`);
  return {
    attempts: options.attempts ?? 1,
    delayMs,
    factor: options.factor ?? 2,
    maxDelayMs: options.maxDelay === undefined
      ? Math.max(delayMs, DEFAULT_MAX_DELAY_MS)
      : parseDuration(options.maxDelay, `retry.maxDelay of task ${task}`),
    jitter: options.jitter ?? 0.5,
    when: options.when ?? (() => true),
  };
}

function faultsOf(
  name: string,
  links: Links,
  task: Pick<Task, "retry" | "concurrency" | "replicas" | "spawnRate">,
): string[] {
  const faults: string[] = [];
  if (!isKey(name)) {
    faults.push(`Task name ${JSON.stringify(name)} is not valid; use letters, digits, ".", "_" and "-"`);
  }
  faults.push(...linkFaults(name, links));
  const count = (what: string, n: number): void => {
    if (!(n >= 1) || (n !== Infinity && !Number.isInteger(n))) {
      faults.push(`Task ${name} has ${what} ${n}; write a whole number of at least 1`);
    }
  };
  count("retry.attempts", task.retry.attempts);
  count("concurrency", task.concurrency);
  count("replicas", task.replicas);
  if (task.spawnRate) count("spawnRate.count", task.spawnRate.count);
  if (!(task.retry.jitter >= 0 && task.retry.jitter <= 1)) {
    faults.push(`Task ${name} has retry.jitter ${task.retry.jitter}; write a number from 0 to 1`);
  }
  return faults;
}

/** What `retry` may say. */
const RETRY: ReadonlySet<string> = new Set(["attempts", "delay", "factor", "maxDelay", "jitter", "when"]);

function isObject<T>(value: T): value is T & object {
  return typeof value === "object" && value !== null;
}

/** What a type check finds and `deno run` does not, and what would then be done in silence or at a late hour. */
function untypedFaults(name: string, { spawnRate, retry, priority }: TaskOptions<Links>): string[] {
  const faults: string[] = [];
  const say = (what: string, value: unknown, write: string): void => {
    const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
    faults.push(`Task ${name} has ${what} ${shown}; write ${write}`);
  };
  if (spawnRate !== undefined && !isObject(spawnRate)) {
    say("spawnRate", spawnRate, '{ count: 5, per: "1s" }');
  }
  if (
    priority !== undefined && typeof priority !== "function" &&
    (typeof priority !== "number" || Number.isNaN(priority))
  ) {
    say("priority", priority, "a number, of which the largest goes first, or a function that gives one");
  }
  for (const key of isObject(retry) ? Object.keys(retry).filter((each) => !RETRY.has(each)) : []) {
    faults.push(`Task ${name} has retry.${key}, which there is not; write ${[...RETRY].join(", ")}`);
  }
  return faults;
}

/**
 * Makes a task of a kind of one's own. Users call `functionTask`, `processTask` and their like, which call this.
 *
 * @param name Its name, unique in a pipeline.
 * @param kind Which kind.
 * @param options What it was told.
 * @param runner How its attempts are run.
 * @returns The task.
 * @throws {DefinitionError} With all that is wrong.
 */
export function defineTask<L extends Links>(
  name: string,
  kind: string,
  options: TaskOptions<L>,
  runner: Runner,
): Task<L> {
  const links = options.links ?? {} as L;
  const retry = retryPolicy(options.retry, name);
  const outcomes = new Outcomes(options.done);
  const limits = {
    retry,
    concurrency: options.concurrency ?? Infinity,
    replicas: options.replicas ?? 1,
    spawnRate: isObject(options.spawnRate)
      ? {
        count: options.spawnRate.count,
        perMs: parseDuration(options.spawnRate.per, `spawnRate.per of task ${name}`),
      }
      : undefined,
  };
  const faults = [...faultsOf(name, links, limits), ...untypedFaults(name, options)];
  if (faults.length > 0) throw new DefinitionError(faults);
  const { pool } = runner;
  const own: Record<string, Link> = {
    done: { ...status(outcomes.done), start: "absent" },
    success: status(outcomes.success),
    failed: status(outcomes.failed),
    ...(options.logs ? { logs: status(options.logs) } : {}),
  };
  const task: Task<L> = {
    name,
    kind,
    description: options.description,
    links,
    allLinks: { ...links, ...own },
    outcomes,
    logs: options.logs,
    quota: options.quota
      ? parseShares(options.quota, pool.most ?? pool.capacity, `pool ${pool.name}`, `task ${name}`)
      : runner.defaultQuota,
    priority: options.priority ?? 0,
    ...limits,
    timeoutMs: options.timeout === undefined
      ? Infinity
      : parseDuration(options.timeout, `timeout of task ${name}`),
    totalTimeoutMs: options.totalTimeout === undefined
      ? Infinity
      : parseDuration(options.totalTimeout, `totalTimeout of task ${name}`),
    graceMs: parseDuration(options.grace ?? "10s", `grace of task ${name}`),
    failureOk: options.failureOk ?? false,
    longRunning: options.longRunning ?? false,
    disabled: options.disabled ?? false,
    runner,
  };
  Object.defineProperty(task, BRAND, { value: true });
  return task;
}

/**
 * Tells whether a value is a task, of whichever loaded copy of the package.
 *
 * @param value Anything.
 * @returns Whether it is.
 */
export function isTask(value: unknown): value is Task {
  return typeof value === "object" && value !== null && BRAND in value;
}

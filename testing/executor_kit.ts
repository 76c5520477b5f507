/**
 * What the cases of the conformance suite of executors have in common.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Attempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import { type ErrorCode, isDatataskError } from "../core/errors.ts";
import type { Executor, ProcessWork, RunStatus } from "../executors/executor.ts";
import type { ExecutorUnderTest } from "./executor_suite.ts";

/** What a case works with. */
export interface Context extends ExecutorUnderTest {
  /** How many bytes the big output has. */
  readonly big: number;
  /** How many runs there are at once. */
  readonly many: number;
  /** The next coordinator, open. */
  readonly reopen: () => Promise<Executor<ProcessWork>>;
  /** Cuts the connections. */
  readonly cut: () => Promise<void>;
  /** Restarts what watches over the runs. */
  readonly restart: () => Promise<void>;
  /** Whether runs end with that. */
  readonly ends: boolean;
}

/** One case: throws when the executor breaks its contract. */
export type Case = (context: Context) => Promise<void>;

/** An attempt. */
export const attempt = (job = "one", extra: Partial<Attempt> = {}): Attempt => ({
  task: "suite",
  job,
  replica: 0,
  attempt: 1,
  ...extra,
});

/** Work that is a script. */
export const work = (script: string, extra: Partial<ProcessWork> = {}): ProcessWork => ({
  kind: "process",
  script,
  environment: {},
  mergeStderr: true,
  notes: {},
  ...extra,
});

/** Starts a script. */
export const start = (
  { executor }: Pick<Context, "executor">,
  script: string,
  extra: Partial<ProcessWork> = {},
  who = attempt(),
): Promise<void> => executor.start(who, work(script, extra), { quota: {} });

/** All that a stream gives. */
export async function text(stream: ReadableStream<Bytes>): Promise<string> {
  return await new Response(stream).text();
}

/** Runs a script to its end. */
export async function run(
  context: Context,
  script: string,
  extra: Partial<ProcessWork> = {},
  who = attempt(),
): Promise<RunStatus & { state: "finished" }> {
  await start(context, script, extra, who);
  const status = await context.executor.wait(who);
  assert(status.state === "finished", `the run must end, but was ${JSON.stringify(status)}`);
  return status;
}

/** Runs a script that must succeed, and forgets it; returns what it has said. */
export async function output(
  context: Context,
  script: string,
  extra: Partial<ProcessWork> = {},
): Promise<string> {
  const status = await run(context, script, extra);
  const log = await text(await context.executor.logs(attempt()));
  assert.equal(status.exitCode, 0, log);
  await context.executor.forget(attempt());
  return log;
}

/** All runs. */
export async function listed(executor: Executor<ProcessWork>, task?: string): Promise<RunStatus[]> {
  const all: RunStatus[] = [];
  for await (const status of executor.list(task === undefined ? {} : { task })) all.push(status);
  return all;
}

/** Sees that something fails with a code. */
export async function fails(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert(isDatataskError(error, code), `it must fail with ${code}, not with ${error}`);
    return true;
  });
}

/** Waits until something is so; a bound on how long, and no sleep that hides a race. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const late = performance.now() + 60_000;
  while (!await holds()) {
    assert(performance.now() < late, `${what}: not after 60 s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until a run has said something. */
export async function said(executor: Executor<ProcessWork>, who: Attempt, what: string): Promise<void> {
  await until(`the run says ${what}`, async () => (await text(await executor.logs(who))).includes(what));
}

/**
 * The conformance suite of executors of processes.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Attempt } from "../core/attempt.ts";
import { encodeText, toStream } from "../core/bytes.ts";
import type { Executor, ProcessWork } from "../executors/executor.ts";
import { faultCases } from "./executor_fault_cases.ts";
import {
  attempt,
  type Case,
  fails,
  listed,
  output,
  run,
  said,
  start,
  text,
  until,
  work,
} from "./executor_kit.ts";
import { stopsWith } from "./signals.ts";

/** What a case does to the place where runs are: `cut` loses the connection to it, `restart` ends what watches over runs there, and starts it again. */
export type ExecutorFault = "cut" | "restart";

/** How the suite gets at an executor. Only `make` is required. */
export interface ExecutorHarness {
  /**
   * An executor over a fresh, empty state; not yet open. What must be cleaned up goes onto the stack. `fault` says what the case will do to the
   * place: where others are to be spared it has a place of its own.
   */
  make(
    stack: AsyncDisposableStack,
    fault?: ExecutorFault,
  ): Promise<ExecutorUnderTest> | ExecutorUnderTest;
  /** A second executor over the same state, as the next coordinator would have it; not yet open. Left out when there is none. */
  reopen?(first: ExecutorUnderTest): Promise<Executor<ProcessWork>> | Executor<ProcessWork>;
  /** Cuts the connections to where runs are; new ones are taken at once. Left out when there are none. */
  cut?(first: ExecutorUnderTest): Promise<void> | void;
  /** Ends what watches over runs there as a crash would, the server, the engine or the apiserver, and starts it again. Left out when there is none. */
  restart?(first: ExecutorUnderTest): Promise<void>;
  /** Whether runs end with what is restarted; the infrastructure is then to blame. @default false */
  readonly endsRuns?: boolean;
  /** Whether a run is ended that takes more memory than its quota. @default false */
  readonly limitsMemory?: boolean;
  /** Whether scripts are really run by a shell. A fake that runs nothing says `false`. @default true */
  readonly runsScripts?: boolean;
  /** How many bytes the big output has. @default 5_000_000 */
  readonly big?: number;
  /** How many runs there are at once when there are many. @default 40 */
  readonly many?: number;
  /** Cases that this executor does not meet, with the reason. */
  readonly except?: readonly { readonly case: string; readonly because: string }[];
  /** Registers a test; `ignored` holds the reason when it must not run, `fault` what it does to the place. @default Deno.test */
  readonly test?: (
    name: string,
    body: () => Promise<void>,
    ignored?: string,
    fault?: ExecutorFault,
  ) => void;
}

/** An executor, and the state it is opened with. */
export interface ExecutorUnderTest {
  /** It. */
  readonly executor: Executor<ProcessWork>;
  /** The folder of its state. */
  readonly state: string;
  /** Names of what is left of runs: files and folders, containers. Empty once all runs are forgotten. */
  leftovers?(): Promise<readonly string[]> | readonly string[];
}

/** What the harness must have for a case. */
const NEEDS: Readonly<Record<string, "reopen" | "cut" | "restart" | "limitsMemory">> = {
  "finds in a new coordinator what an earlier one has started": "reopen",
  "holds a run to its memory": "limitsMemory",
  "sees runs to their end when the connection is cut": "cut",
  "sees runs to their end when what watches over them is restarted": "restart",
};

/** Cases that need no shell: a fake meets them too. */
const lifeCases: Readonly<Record<string, Case>> = {
  "shows a run from start to forget": async (context) => {
    const { executor } = context;
    await start(context, "exit 0", { notes: { a: "1" } });
    const [status] = await listed(executor);
    assert.deepEqual(status?.attempt, attempt());
    assert.deepEqual(status.notes, { a: "1" });
    const ended = await executor.wait(attempt());
    assert(ended.state === "finished");
    assert(ended.until >= ended.since - 1000);
    assert.equal((await listed(executor)).length, 1);
    await executor.forget(attempt());
    assert.deepEqual(await listed(executor), []);
  },
  "tells attempts, replicas and tasks apart": async (context) => {
    const { executor } = context;
    const all = [
      attempt("a"),
      attempt("a", { replica: 1 }),
      attempt("a", { attempt: 2 }),
      attempt("a.1", { attempt: 3 }),
      attempt("a", { task: "other" }),
    ];
    for (const who of all) await start(context, "exit 0", {}, who);
    for (const who of all) await executor.wait(who);
    const name = (who: Attempt): string => JSON.stringify([who.task, who.job, who.replica, who.attempt]);
    assert.deepEqual((await listed(executor)).map((s) => name(s.attempt)).sort(), all.map(name).sort());
    assert.deepEqual((await listed(executor, "other")).map((s) => name(s.attempt)), [name(all[4]!)]);
    for (const who of all) await executor.forget(who);
  },
  "refuses to start an attempt twice": async (context) => {
    const { executor } = context;
    await start(context, "exit 0");
    await fails("already-exists", start(context, "exit 0"));
    await executor.wait(attempt());
    await fails("already-exists", start(context, "exit 0"));
    await executor.forget(attempt());
    await run(context, "exit 0");
    await executor.forget(attempt());
  },
  "says that a run is unknown": async ({ executor }) => {
    await fails("unknown-run", executor.wait(attempt("never")));
    await fails("unknown-run", executor.logs(attempt("never")));
    await executor.stop(attempt("never"), { graceMs: 10 });
    await executor.forget(attempt("never"));
  },
  "does nothing when its signal is aborted": async (context) => {
    const signal = AbortSignal.abort(new Error("enough"));
    const started = context.executor.start(attempt(), work("exit 0"), { quota: {}, signal });
    await stopsWith("start()", signal.reason, started);
    assert.deepEqual(await listed(context.executor), []);
  },
  "gives notes back byte for byte": async (context) => {
    const notes = {
      "a b": "it's \"quoted\"\n$(rm) \\ ';'",
      unicode: "\u{1f40b} \u2028 é",
      empty: "",
      __proto: "x",
    };
    await start(context, "exit 0", { notes });
    assert.deepEqual((await context.executor.wait(attempt())).notes, notes);
    await context.executor.forget(attempt());
  },
  "runs many at once": async (context) => {
    const { executor, many } = context;
    const all = Array.from({ length: many }, (_, i) => attempt(`job-${i}`));
    await Promise.all(all.map((who) => start(context, "exit 0", {}, who)));
    const ended = await Promise.all(all.map((who) => executor.wait(who)));
    assert(ended.every((status) => status.state === "finished" && status.exitCode === 0));
    assert.equal((await listed(executor)).length, many);
    await Promise.all(all.map((who) => executor.forget(who)));
  },
  "says that it is healthy": async ({ executor }) => {
    assert.deepEqual(await executor.probe(), { healthy: true });
  },
  "is opened twice and closed twice": async ({ executor, state }) => {
    await executor.open({ state });
    await executor.close();
    await executor.close();
    await executor.open({ state });
  },
};

/** Cases that run scripts. */
const scriptCases: Readonly<Record<string, Case>> = {
  "keeps the exit code": async (context) => {
    for (const code of [0, 1, 7, 127, 255]) {
      const status = await run(context, `exit ${code}`);
      assert.equal(status.exitCode, code);
      assert.equal(status.signal, undefined);
      await context.executor.forget(attempt());
    }
  },
  "tells a signal from an exit code": async (context) => {
    for (const signal of ["TERM", "KILL"]) {
      const status = await run(context, `exec sh -c 'kill -${signal} $$'`);
      assert.equal(status.signal, `SIG${signal}`);
      assert.equal(status.exitCode, undefined);
      await context.executor.forget(attempt());
    }
    const status = await run(context, "exit 143");
    assert.equal(status.exitCode, 143);
    await context.executor.forget(attempt());
  },
  "keeps standard output and standard error in order, or apart": async (context) => {
    const script = "echo 1; echo 2 >&2; echo 3; echo 4 >&2";
    assert.equal(await output(context, script), "1\n2\n3\n4\n");
    await run(context, script, { mergeStderr: false });
    assert.equal(await text(await context.executor.logs(attempt())), "1\n3\n");
    assert.equal(await text(await context.executor.logs(attempt(), { stream: "stderr" })), "2\n4\n");
    await context.executor.forget(attempt());
  },
  "keeps a big output": async (context) => {
    const { executor, big } = context;
    await run(context, `head -c ${big} /dev/zero`);
    let length = 0;
    for await (const chunk of await executor.logs(attempt())) {
      assert(chunk.length <= 1 << 20, "a chunk must not be huge");
      length += chunk.length;
    }
    assert.equal(length, big);
    await executor.forget(attempt());
  },
  "reads standard input": async (context) => {
    assert.equal(await output(context, "cat"), "");
    const bytes = new Uint8Array(300_000).fill(120);
    assert.equal(await output(context, "wc -c", { stdin: toStream(bytes) }).then((s) => s.trim()), "300000");
    assert.equal(await output(context, "cat", { stdin: toStream(encodeText("a\nb")) }), "a\nb");
  },
  "passes hostile values in the environment": async (context) => {
    const values = [
      "",
      " ",
      "it's",
      '"',
      "$(echo no)",
      "`echo no`",
      "a\nb\n",
      "\\",
      "\u{1f40b}",
      "-n",
      "*",
      "~",
      "\x01\x7f",
    ];
    for (const value of values) {
      assert.equal(await output(context, 'printf "%s" "$V"', { environment: { V: value } }), value);
    }
  },
  "begins in an empty folder of its own": async (context) => {
    assert.equal(await output(context, "ls -A; touch here"), "");
    assert.equal(await output(context, "ls -A"), "");
  },
  "honors the first line of a script": async (context) => {
    assert.equal(await output(context, "#!/bin/cat\nhello\n"), "#!/bin/cat\nhello\n");
    assert.equal(await output(context, "#!/usr/bin/env sh\necho env\n"), "env\n");
    assert.equal(await output(context, "#!/bin/sh\necho plain\n"), "plain\n");
    await fails("cannot-start", start(context, "#!/no/such/interpreter\n"));
    assert.deepEqual(await listed(context.executor), []);
  },
  "stops politely": async (context) => {
    const { executor } = context;
    await start(context, "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done");
    await said(executor, attempt(), "up");
    await executor.stop(attempt(), { graceMs: 20_000 });
    const status = await executor.wait(attempt());
    assert(status.state === "finished" && status.exitCode === 3, JSON.stringify(status));
    assert((await text(await executor.logs(attempt()))).endsWith("bye\n"), "its last words are kept");
    await executor.stop(attempt(), { graceMs: 10 });
    await executor.forget(attempt());
  },
  "stops by force, with all that was started": async (context) => {
    const { executor } = context;
    const loop = "trap '' TERM; echo $$; while :; do sleep 1; done";
    await start(
      context,
      `trap '' TERM; sh -c "${loop.replaceAll("$", "\\$")}" & sh -c 'trap "" TERM; echo up; sleep 60' `,
    );
    await said(executor, attempt(), "up");
    await executor.stop(attempt(), { graceMs: 50 });
    const status = await executor.wait(attempt());
    assert(status.state === "finished" && status.signal === "SIGKILL", JSON.stringify(status));
    const pid = Number(/^\d+$/m.exec(await text(await executor.logs(attempt())))?.[0]);
    if (executor.sees === "files") await until("the grandchild is gone", () => !alive(pid));
    await executor.forget(attempt());
  },
  "stops what is stopped": async (context) => {
    const { executor } = context;
    await start(context, "echo up; exec sh -c 'kill -STOP $$; sleep 60'");
    await said(executor, attempt(), "up");
    await executor.stop(attempt(), { graceMs: 20_000 });
    const status = await executor.wait(attempt());
    assert(status.state === "finished" && status.signal === "SIGTERM", JSON.stringify(status));
    await executor.forget(attempt());
  },
  "refuses to forget what runs": async (context) => {
    const { executor } = context;
    await start(context, "sleep 60");
    await fails("conflict", executor.forget(attempt()));
    await executor.stop(attempt(), { graceMs: 20_000 });
    await executor.forget(attempt());
  },
  "ends a wait early, and not the run": async (context) => {
    const { executor } = context;
    await start(context, "sleep 60");
    const abort = new AbortController();
    const waiting = executor.wait(attempt(), { signal: abort.signal });
    abort.abort(new Error("enough"));
    await stopsWith("wait()", abort.signal.reason, waiting);
    assert.equal((await listed(executor))[0]?.state, "running");
    await executor.stop(attempt(), { graceMs: 20_000 });
    await executor.forget(attempt());
  },
  "follows a log until the run has ended": async (context) => {
    const { executor } = context;
    await start(context, "echo 1; until [ -e go ]; do sleep 0.02; done; echo 2; echo end >&2");
    const reader = (await executor.logs(attempt(), { follow: true })).getReader();
    assert.equal(new TextDecoder().decode((await reader.read()).value), "1\n");
    const abort = new AbortController();
    const other = await executor.logs(attempt(), { follow: true, signal: abort.signal });
    const rest = text(other);
    abort.abort(new Error("enough"));
    await stopsWith("a log that is followed", abort.signal.reason, rest);
    await executor.stop(attempt(), { graceMs: 20_000 });
    let tail = "";
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      tail += new TextDecoder().decode(next.value);
    }
    assert(!tail.includes("2"), tail);
    assert.equal((await executor.wait(attempt())).state, "finished");
    await executor.forget(attempt());
  },
  "finds in a new coordinator what an earlier one has started": async (context) => {
    const { executor } = context;
    await start(context, "echo up; sleep 0.3; echo late; exit 5", { notes: { n: "1" } });
    await start(context, "echo up; sleep 60", {}, attempt("two"));
    await run(context, "exit 4", {}, attempt("three"));
    await said(executor, attempt(), "up");
    await said(executor, attempt("two"), "up");
    await executor.close();
    const next = await context.reopen();
    const states = new Map((await listed(next)).map((status) => [status.attempt.job, status]));
    assert.deepEqual([...states.keys()].sort(), ["one", "three", "two"]);
    assert.equal(states.get("two")?.state, "running");
    assert.equal(states.get("three")?.state, "finished");
    const status = await next.wait(attempt());
    assert(status.state === "finished" && status.exitCode === 5, JSON.stringify(status));
    assert.deepEqual(status.notes, { n: "1" });
    assert.equal(await text(await next.logs(attempt(), { follow: true })), "up\nlate\n");
    await fails("already-exists", next.start(attempt("three"), work("exit 0"), { quota: {} }));
    await next.stop(attempt("two"), { graceMs: 20_000 });
    const stopped = await next.wait(attempt("two"));
    assert(stopped.state === "finished" && stopped.signal === "SIGTERM", JSON.stringify(stopped));
    for (const job of ["one", "two", "three"]) await next.forget(attempt(job));
    assert.deepEqual(await listed(next), []);
  },
  "says what a run has used": async (context) => {
    const status = await run(context, "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done");
    const cpu = status.resources?.cpuSeconds;
    assert(cpu === undefined || (cpu > 0 && cpu < 60), `processor time ${cpu}`);
    await context.executor.forget(attempt());
  },
};

function alive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
  } catch {
    return false;
  }
  try {
    // A zombie takes signals, and is gone all the same.
    return !/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return Deno.build.os !== "linux";
  }
}

/**
 * Sees that an executor of processes keeps its contract: registers one test per duty.
 *
 * @param name What is tested, for the names of the tests.
 * @param harness How to get at an executor.
 * @throws {Error} When `except` names a case that does not exist.
 * @example Testing an executor
 * ```ts
 * import { fakeExecutor, testExecutor } from "@datatask/datatask/testing";
 *
 * const names: string[] = [];
 * testExecutor("fake", {
 *   make: () => ({ executor: fakeExecutor(), state: "" }),
 *   runsScripts: false,
 *   test: (name) => names.push(name),
 * });
 * if (names.length < 5) throw new Error("the suite has more cases than that");
 * ```
 */
export function testExecutor(name: string, harness: ExecutorHarness): void {
  const cases = { ...lifeCases, ...(harness.runsScripts === false ? {} : { ...scriptCases, ...faultCases }) };
  const excepted = new Map(harness.except?.map((e) => [e.case, e.because]));
  for (const title of excepted.keys()) {
    if (!(title in cases)) {
      throw new Error(`${name}: except names ${JSON.stringify(title)}, which is no case`);
    }
  }
  const register = harness.test ??
    ((label, body, ignored) => Deno.test({ name: label, fn: body, ignore: ignored !== undefined }));
  for (const [title, body] of Object.entries(cases)) {
    const needed = NEEDS[title];
    const missing = needed !== undefined && !harness[needed] ? `the harness has no ${needed}` : undefined;
    const because = excepted.get(title) ?? missing;
    const label = because === undefined ? `${name} ${title}` : `${name} ${title} [except: ${because}]`;
    const fault = needed === "cut" || needed === "restart" ? needed : undefined;
    register(label, () => runCase(harness, body, fault), because, fault);
  }
}

async function runCase(
  harness: ExecutorHarness,
  body: Case,
  fault: ExecutorFault | undefined,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const made = await harness.make(stack, fault);
  const { executor, state } = made;
  await executor.open({ state });
  stack.defer(() => executor.close());
  await body({
    executor,
    state,
    big: harness.big ?? 5_000_000,
    many: harness.many ?? 40,
    ends: harness.endsRuns ?? false,
    cut: async () => await harness.cut!(made),
    restart: () => harness.restart!(made),
    async reopen() {
      const next = await harness.reopen!(made);
      await next.open({ state });
      stack.defer(() => next.close());
      return next;
    },
  });
  assert.deepEqual(await made.leftovers?.() ?? [], [], "something was left behind");
}

/**
 * The cases of executors that are about what ends or disturbs a run from outside: limits, time that is up, connections that are lost, servers
 * that are started again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isDatataskError } from "../core/errors.ts";
import {
  attempt,
  type Case,
  type Context,
  listed,
  run,
  said,
  start,
  text,
  until,
  work,
} from "./executor_kit.ts";

/** Runs until it is asked to end, and says so. */
const STAYS = "trap 'echo 2; exit 3' TERM; echo 1; while :; do sleep 0.05; done";

/** Does what must come to pass once the place can be reached again; until then it may fail as a place does that is away. */
async function again<T>(what: string, call: () => Promise<T>): Promise<T> {
  let answer: { readonly value: T } | undefined;
  await until(what, async () => {
    try {
      answer = { value: await call() };
    } catch (error) {
      if (!isDatataskError(error, "unavailable") && !isDatataskError(error, "io")) throw error;
    }
    return answer !== undefined;
  });
  return answer!.value;
}

/** Two runs, of which one ends as the other is started, while something happens to the place. */
async function besets(context: Context, happens: () => Promise<void>): Promise<void> {
  const { executor } = context;
  const other = attempt("two");
  await start(context, STAYS);
  await said(executor, attempt(), "1");
  const waiting = executor.wait(attempt());
  // Whether it fails is seen where it is awaited.
  waiting.catch(() => {});
  await happens();
  await again("another run starts", () => start(context, "echo other; exit 4", {}, other));
  const after = await again("the other run ends", () => executor.wait(other));
  assert(after.state === "finished" && after.exitCode === 4, JSON.stringify(after));
  const jobs = (await again("runs are listed", () => listed(executor))).map(({ attempt }) => attempt.job);
  assert.deepEqual(jobs.sort(), ["one", "two"]);
  if (!context.ends) await again("it is stopped", () => executor.stop(attempt(), { graceMs: 20_000 }));
  const status = await waiting.catch(() => again("it ends", () => executor.wait(attempt())));
  assert(status.state === "finished", JSON.stringify(status));
  if (context.ends) assert(status.infrastructure, JSON.stringify(status));
  else {
    assert.equal(status.exitCode, 3, JSON.stringify(status));
    // It has begun once. Shells may say what has ended them.
    assert.match(await text(await executor.logs(attempt())), /^1\n(Terminated\n)?2\n$/);
  }
  assert.equal(await text(await executor.logs(other)), "other\n");
  for (const who of [attempt(), other]) await executor.forget(who);
  assert.deepEqual(await listed(executor), []);
}

/** The cases. */
export const faultCases: Readonly<Record<string, Case>> = {
  "holds a run to its memory": async (context) => {
    const { executor } = context;
    const hog = "x=; while :; do x=$x$(head -c 1000000 /dev/zero | tr '\\0' x); done";
    await executor.start(attempt(), work(hog), { quota: { memory: 32 * 2 ** 20 } });
    const status = await executor.wait(attempt());
    assert(status.state === "finished" && status.exitCode !== 0, JSON.stringify(status));
    assert.match(status.reason ?? "", /^out of memory/);
    assert.notEqual(status.infrastructure, true, "it is the script's fault");
    await executor.forget(attempt());
    assert.equal((await run(context, "exit 0")).exitCode, 0);
    await executor.forget(attempt());
  },
  "ends a run whose time is up": async (context) => {
    const { executor } = context;
    await start(context, "trap '' TERM; echo up; while :; do sleep 0.05; done");
    await said(executor, attempt(), "up");
    await assert.rejects(executor.wait(attempt(), { signal: AbortSignal.timeout(50) }), {
      name: "TimeoutError",
    });
    await executor.stop(attempt(), { graceMs: 50 });
    const status = await executor.wait(attempt());
    assert(status.state === "finished" && status.signal === "SIGKILL", JSON.stringify(status));
    assert.equal(await text(await executor.logs(attempt())), "up\n", "what it has said is kept");
    await executor.forget(attempt());
  },
  "sees runs to their end when the connection is cut": (context) => besets(context, context.cut),
  "sees runs to their end when what watches over them is restarted": (context) =>
    besets(context, context.restart),
};

import assert from "node:assert/strict";
import {
  functionTask,
  input,
  type MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  type PipelineEvent,
  type PipelineInit,
  seededRandom,
} from "../../mod.ts";
import type { Runner } from "../../tasks/runner.ts";
import { defineTask } from "../../tasks/task.ts";
import { faulty } from "../../testing/faulty.ts";
import { ManualClock } from "../../testing/manual_clock.ts";
import { retryDelay, worthRetrying } from "../../pipeline/retry.ts";
import { blobs, each, inMemory, jobsOf, keysOf, outcomes, runByHand, troubles } from "./kit.ts";

function flaky(of: MemoryBlobRepository, failures: number, options: object = {}) {
  let tries = 0;
  return each("task", of, ({ attempt }) => {
    if (++tries <= failures) throw new Error(`failure ${attempt}`);
  }, options);
}

const waits = (events: readonly PipelineEvent[]): number[] =>
  events.flatMap((event) => event.type === "retrying" ? [event.retryAt - event.at] : []);

Deno.test("retryDelay grows by its factor up to its limit, and leaves a part to chance", () => {
  const policy = { delayMs: 100, factor: 3, maxDelayMs: 2000, jitter: 0 };
  assert.deepEqual([1, 2, 3, 4, 500].map((n) => retryDelay(policy, n, () => 0.7)), [
    100,
    300,
    900,
    2000,
    2000,
  ]);
  assert.equal(retryDelay({ ...policy, jitter: 0.5 }, 2, () => 0), 300);
  assert.equal(retryDelay({ ...policy, jitter: 0.5 }, 2, () => 0.5), 225);
  assert.equal(retryDelay({ ...policy, jitter: 1 }, 2, () => 0.75), 75);
});

Deno.test("worthRetrying says no to success, cancelled jobs, used-up attempts and time, and what `when` refuses", () => {
  const policy = { attempts: 3, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0, when: () => true };
  const outcome = { success: false, reason: "failed", attempt: 1 } as never;
  const but = (change: object): never => ({ ...outcome as object, ...change }) as never;
  assert.equal(worthRetrying(policy, outcome, 1), true);
  assert.equal(worthRetrying(policy, but({ reason: "timed-out" }), 1), true);
  assert.equal(worthRetrying(policy, but({ success: true }), 1), false);
  assert.equal(worthRetrying(policy, but({ reason: "cancelled" }), 1), false);
  assert.equal(worthRetrying(policy, but({ attempt: 3 }), 1), false);
  assert.equal(worthRetrying(policy, outcome, 0), false);
  assert.equal(worthRetrying({ ...policy, when: () => false }, outcome, 1), false);
});

Deno.test("A job is tried again until it succeeds, after growing waits, and its outcome tells of all attempts", async () => {
  const clock = new ManualClock();
  const task = flaky(await blobs("a", "1"), 2, { retry: { attempts: 5, delay: "1s", factor: 2, jitter: 0 } });
  const { events, summary } = await runByHand(inMemory([task], { clock }), clock);
  assert.deepEqual(waits(events), [1000, 2000]);
  const outcome = await task.outcomes.success.get("1");
  assert.deepEqual(
    [outcome.attempt, outcome.earlier?.map(({ attempt, error }) => [attempt, error?.message])],
    [3, [[1, "failure 1"], [2, "failure 2"]]],
  );
  assert.deepEqual([summary.succeeded, summary.failed, summary.started], [1, 0, 3]);
  assert.deepEqual([await keysOf(task.outcomes.attempts), await keysOf(task.outcomes.failed)], [[], []]);
  const retried = events.filter((event) => event.type === "started").map((event) => event.attempt.attempt);
  assert.deepEqual(retried, [1, 2, 3]);
});

Deno.test("A job has failed when its attempts are used up, and is tried once when nothing is said", async () => {
  for (const [retry, attempts] of [[3, 3], [undefined, 1]] as const) {
    const clock = new ManualClock();
    const task = flaky(await blobs("a", "1"), 99, retry ? { retry } : {});
    const { summary } = await runByHand(inMemory([task], { clock }), clock);
    assert.deepEqual([summary.started, summary.failed, (await task.outcomes.failed.get("1")).attempt], [
      attempts,
      1,
      attempts,
    ]);
  }
});

Deno.test("The waits follow from the seed", async () => {
  const delays = async (seed: number): Promise<number[]> => {
    const clock = new ManualClock();
    const task = flaky(await blobs("a", "1"), 3, {
      retry: { attempts: 4, delay: 1000, factor: 1, jitter: 0.5 },
    });
    return waits((await runByHand(inMemory([task], { clock, random: seededRandom(seed) }), clock)).events);
  };
  const random = seededRandom(7);
  const expected = [1, 2, 3].map(() => Math.trunc(1000 * (1 - 0.5 * random())));
  assert.deepEqual((await delays(7)).map(Math.trunc), expected);
  assert.notDeepEqual(await delays(8), await delays(7));
});

Deno.test("Only outcomes that `when` accepts are tried again; a `when` that throws is told of, and means no", async () => {
  const a = await blobs("a", "again", "never", "odd");
  const clock = new ManualClock();
  const task = each("task", a, ({ job }) => {
    throw new Error(job);
  }, {
    retry: {
      attempts: 2,
      when: ({ error }) => {
        if (error!.message === "odd") throw new Error("cannot tell");
        return error!.message === "again";
      },
    },
  });
  const { events, summary } = await runByHand(inMemory([task], { clock }), clock);
  assert.deepEqual(jobsOf(events, "retrying"), ["task/again"]);
  assert.equal(summary.failed, 3);
  assert.deepEqual(troubles(events), [
    'Cannot ask retry.when of task task about job "odd"; it is not tried again: cannot tell',
  ]);
});

Deno.test("The total time ends retries, and cuts the last attempt short", async () => {
  const clock = new ManualClock();
  const task = flaky(await blobs("a", "1"), 99, {
    retry: { attempts: 99, delay: "40s", factor: 1, jitter: 0 },
    totalTimeout: "1m",
  });
  const { summary } = await runByHand(inMemory([task], { clock }), clock);
  assert.equal(summary.started, 2, "at 0 s and 40 s; at 80 s no time would be left");
  const outcome = await task.outcomes.failed.get("1");
  assert.deepEqual([outcome.reason, outcome.earlier?.length], ["failed", 1]);
  const clock2 = new ManualClock();
  const hung = each(
    "hung",
    await blobs("a", "1"),
    ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    { totalTimeout: "1m", retry: 5 },
  );
  await runByHand(inMemory([hung], { clock: clock2 }), clock2);
  const one = await hung.outcomes.failed.get("1");
  assert.deepEqual([one.reason, one.attempt, one.seconds, one.timeout, one.error?.message], [
    "timed-out",
    1,
    60,
    true,
    "The time for this attempt is over",
  ]);
});

Deno.test("An attempt that takes too long is ended at its timeout, and not before, and tried again", async () => {
  const clock = new ManualClock();
  const task = each("task", await blobs("a", "1", "2"), async ({ job, signal, attempt }) => {
    if (job === "2" || attempt === 2) return;
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
  }, { timeout: "10m", retry: { attempts: 2, delay: 0 } });
  const { summary } = await runByHand(inMemory([task], { clock }), clock);
  const { earlier, success } = await task.outcomes.success.get("1");
  assert.deepEqual([success, earlier?.[0]?.reason, earlier?.[0]?.seconds, earlier?.[0]?.error?.message], [
    true,
    "timed-out",
    600,
    "stopped",
  ]);
  assert.deepEqual([summary.succeeded, summary.failed], [2, 0]);
});

Deno.test("Attempts survive the coordinator: the next one goes on counting, and waits as long as is left", async () => {
  const a = await blobs("a", "1");
  const done = outcomes();
  const clock = new ManualClock();
  const task = () => flaky(a, 99, { done, retry: { attempts: 3, delay: "1m", factor: 1, jitter: 0 } });
  const first = inMemory([task()], { clock }).run();
  for await (const event of first) if (event.type === "retrying") first.stop("stop");
  assert.equal((await first.finished).ended, "stopped");
  assert.deepEqual(await keysOf(task().outcomes.attempts), ["1"]);

  clock.advance("20s");
  const second = inMemory([task()], { clock });
  const begun = clock.now();
  const { events, summary } = await runByHand(second, clock);
  const [next] = events.filter((event) => event.type === "started");
  assert.deepEqual([next!.attempt.attempt, next!.at - begun], [2, 40_000]);
  assert.equal(summary.failed, 1);
  const outcome = await task().outcomes.failed.get("1");
  assert.deepEqual([outcome.attempt, outcome.earlier?.length], [3, 2]);
});

Deno.test("A clock that was set back between two runs lets no attempt wait longer than its delay", async () => {
  const a = await blobs("a", "1");
  const done = outcomes();
  const task = () => flaky(a, 99, { done, retry: { attempts: 2, delay: "1m", factor: 1, jitter: 0 } });
  const ahead = new ManualClock();
  ahead.advance("5h");
  const first = inMemory([task()], { clock: ahead }).run();
  for await (const event of first) if (event.type === "retrying") first.stop("stop");
  await first.finished;

  const clock = new ManualClock();
  const begun = clock.now();
  const { events } = await runByHand(inMemory([task()], { clock }), clock);
  const [next] = events.filter((event) => event.type === "started");
  assert.deepEqual([next!.attempt.attempt, next!.at - begun], [2, 60_000]);
});

Deno.test("A record of attempts that cannot be read is told of, and counts as none", async () => {
  const a = await blobs("a", "1", "2");
  const task = each("task", a);
  await task.outcomes.attempts.set("1", { nonsense: true } as never);
  await task.outcomes.attempts.set("2", { outcomes: "many", retryAt: "soon" } as never);
  const clock = new ManualClock();
  const { events, summary } = await runByHand(inMemory([task], { clock }), clock);
  assert.equal(summary.succeeded, 2);
  assert.deepEqual(
    troubles(events),
    [
      [
        "1",
        "outcomes should be a list of outcomes, one or more, and is missing; retryAt should be a time in ISO 8601, and is missing",
      ],
      [
        "2",
        'outcomes should be a list of outcomes, one or more, and is "many"; retryAt should be a time in ISO 8601, and is "soon"',
      ],
    ].map(([job, wrong]) =>
      `Cannot read the attempts of job "${job}" of task task; they count as none: Cannot read "${job}" of ${task.outcomes.attempts.name}: it is no record of attempts: ${wrong}; correct or delete it`
    ),
  );
  assert.deepEqual(await keysOf(task.outcomes.attempts), []);
});

Deno.test("What a crash has left of attempts of a job that is over is cleared away", async () => {
  const a = await blobs("a", "1");
  const task = each("task", a);
  const clock = new ManualClock();
  await runByHand(inMemory([task], { clock }), clock);
  await task.outcomes.attempts.set("1", {
    outcomes: [await task.outcomes.done.get("1")],
    retryAt: new Date(0).toISOString(),
  });
  const { summary } = await runByHand(inMemory([task], { clock }), clock);
  assert.deepEqual([summary.started, await keysOf(task.outcomes.attempts)], [0, []]);
});

Deno.test("Trouble that is not the work's fault is not counted as an attempt, is tried again after a while, and not for ever", async () => {
  const a = await blobs("a", "1");
  for (const [failures, expected] of [[2, "succeeded"], [99, "stuck"]] as const) {
    let tries = 0;
    const seen: number[] = [];
    const runner: Runner = {
      pool: { name: "far", capacity: {}, width: 9 },
      defaultQuota: {},
      run(attempt) {
        seen.push(attempt.attempt);
        if (++tries > failures) return { reason: "succeeded" };
        if (tries % 2 === 0) throw new Error("host gone");
        return Promise.resolve({
          reason: "infrastructure",
          error: { name: "Evicted", message: "the node is gone" },
        });
      },
    };
    const task = defineTask("task", "test", { done: outcomes(), links: { a: input(a) } }, runner);
    const clock = new ManualClock();
    const { events, summary } = await runByHand(inMemory([task], { clock }), clock);
    assert(seen.every((attempt) => attempt === 1));
    assert.deepEqual(
      [summary.succeeded, summary.failed, summary.stuck],
      expected === "succeeded" ? [1, 0, 0] : [0, 0, 1],
    );
    assert.equal(
      troubles(events)[0],
      'Cannot run job "1" of task task; this is not counted as an attempt, and it will be tried again: the node is gone',
    );
    if (expected === "stuck") {
      assert.equal(tries, 6);
      assert.equal(
        troubles(events).at(-1),
        'Cannot run job "1" of task task; this is not counted as an attempt, and it is left for the next run: host gone',
      );
      assert.deepEqual(await keysOf(task.outcomes.done), []);
    }
  }
});

Deno.test("An outcome that cannot be recorded is tried a few times, then left for the next run, which converges", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b")];
  let broken = true;
  const done = new MemoryMetadataRepository("done").with(
    faulty({ rate: 1, on: ["write"], when: () => broken }),
  ) as MemoryMetadataRepository;
  const task = functionTask("task", { done, links: { a: input(a), b: output(b) } }, ({ b }) => b.write("x"));
  const clock = new ManualClock();
  const { events, summary } = await runByHand(inMemory([task], { clock }), clock);
  assert.deepEqual([summary.succeeded, summary.failed, summary.stuck], [0, 0, 1]);
  assert.equal(troubles(events).length, 5);
  assert.match(
    troubles(events)[0]!,
    /^Cannot record the outcome of job "1" of task task: Cannot write "1" of done: /,
  );
  assert.deepEqual(jobsOf(events, "released"), ["task/1"]);
  broken = false;
  const again = await runByHand(inMemory([task], { clock }), clock);
  assert.deepEqual([again.summary.succeeded, again.summary.stuck], [1, 0]);
});

Deno.test("An outcome whose first writing fails is recorded by the next, and the job counts once", async () => {
  const a = await blobs("a", "1");
  const done = new MemoryMetadataRepository("done").with(
    faulty({ nth: 1, on: ["write"] }),
  ) as MemoryMetadataRepository;
  const clock = new ManualClock();
  const { summary } = await runByHand(inMemory([each("task", a, () => {}, { done })], { clock }), clock);
  assert.deepEqual([summary.succeeded, summary.started, summary.stuck], [1, 1, 0]);
});

Deno.test("A cancelled job has failed, and is not tried again", async () => {
  const clock = new ManualClock();
  const task = each(
    "task",
    await blobs("a", "1"),
    ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    { retry: 5 },
  );
  const pipeline = inMemory([task], { clock } satisfies Partial<PipelineInit>);
  const run = pipeline.run();
  for await (const event of run) {
    if (event.type === "started") assert.equal(await pipeline.cancel("task", "1"), true);
  }
  assert.equal((await run.finished).failed, 1);
  const outcome = await task.outcomes.failed.get("1");
  assert.deepEqual([outcome.reason, outcome.timeout, outcome.error?.message], [
    "cancelled",
    false,
    "This job was cancelled",
  ]);
});

import assert from "node:assert/strict";
import { type Attempt, formatAttempt, input, type MemoryMetadataRepository, Pipeline } from "../../mod.ts";
import type { Ending, FoundRun, RunContext, Runner } from "../../tasks/runner.ts";
import { defineTask, type TaskOptions } from "../../tasks/task.ts";
import { faulty } from "../../testing/faulty.ts";
import { blobs, inMemory, jobsOf, outcomes, type Told, troubles } from "./kit.ts";

/** A place where runs outlive the coordinator. */
class Place implements Runner {
  readonly pool = { name: "place", capacity: {}, width: 99 };
  readonly defaultQuota = {};
  readonly found: FoundRun[] = [];
  readonly did: string[] = [];
  readonly released: string[] = [];
  ends: (attempt: Attempt, context: RunContext) => Ending | Promise<Ending> = () => ({ reason: "succeeded" });
  refusesToDiscard = false;
  onRelease: () => Promise<void> = () => Promise.resolve();

  leaves(task: string, job: string, attempt = 1, replica = 0): void {
    this.found.push({
      attempt: { task, job, attempt, replica },
      since: Date.now() - 1000,
      where: `pid ${this.found.length}`,
    });
  }
  async *find(task: string): AsyncGenerator<FoundRun> {
    for (const run of this.found) if (run.attempt.task === task) yield await Promise.resolve(run);
  }
  async adopt(attempt: Attempt, context: RunContext): Promise<Ending> {
    this.did.push(`adopt ${formatAttempt(attempt)}`);
    return this.#noted(attempt, await this.ends(attempt, context));
  }
  discard(attempt: Attempt): Promise<void> {
    this.did.push(`discard ${formatAttempt(attempt)}`);
    return this.refusesToDiscard ? Promise.reject(new Error("no such host")) : Promise.resolve();
  }
  async run(attempt: Attempt, context: RunContext): Promise<Ending> {
    this.did.push(`run ${formatAttempt(attempt)}`);
    return this.#noted(attempt, await this.ends(attempt, context));
  }
  #noted(attempt: Attempt, ending: Ending): Ending {
    return {
      ...ending,
      release: () => {
        this.released.push(formatAttempt(attempt));
        return this.onRelease();
      },
    };
  }
}

async function world(options: Partial<TaskOptions> = {}, jobs: readonly string[] = ["1"]) {
  const place = new Place();
  const of = await blobs("of", ...jobs);
  const task = defineTask("task", "test", { done: outcomes(), ...options, links: { of: input(of) } }, place);
  const state = await Deno.makeTempDir();
  const pipeline = new Pipeline({ tasks: [task], state });
  return { place, task, pipeline, [Symbol.asyncDispose]: () => Deno.remove(state, { recursive: true }) };
}

async function told(pipeline: Pipeline): Promise<Told> {
  const run = pipeline.run();
  return { events: await Array.fromAsync(run), summary: await run.finished };
}

Deno.test("A run that an earlier coordinator started is taken over, not started again", async () => {
  await using w = await world({}, ["1", "2"]);
  w.place.leaves("task", "1");
  const { events, summary } = await told(w.pipeline);
  assert.deepEqual(w.place.did, ["adopt task/1", "run task/2"]);
  assert.deepEqual(events.slice(0, 2).map((event) => event.type), ["adopted", "opened"]);
  assert.deepEqual(jobsOf(events, "finished").sort(), ["task/1", "task/2"]);
  assert.deepEqual([summary.adopted, summary.started, summary.succeeded], [1, 1, 2]);
  const outcome = await w.task.outcomes.done.get("1");
  assert(outcome.seconds >= 1, "it began when it was started, not when it was taken over");
  assert.equal(outcome.where, "pid 0");
  assert.deepEqual(w.place.released.sort(), ["task/1", "task/2"]);
});

Deno.test("Of several runs of a job the newest attempt is taken over; older ones, replicas and those of jobs that are over are discarded", async () => {
  await using w = await world({ retry: 5 }, ["1", "over", "failed"]);
  await w.task.outcomes.commit("over", { success: true } as never);
  await w.task.outcomes.commit("failed", { success: false } as never);
  for (const attempt of [2, 4, 3]) w.place.leaves("task", "1", attempt);
  w.place.leaves("task", "1", 4, 1);
  w.place.leaves("task", "over");
  w.place.leaves("task", "failed");
  await told(w.pipeline);
  assert.deepEqual(w.place.did.toSorted(), [
    "adopt task/1@4",
    "discard task/1#1@4",
    "discard task/1@2",
    "discard task/1@3",
    "discard task/failed",
    "discard task/over",
  ]);
});

Deno.test("A run of an attempt that was already recorded as failed is discarded", async () => {
  await using w = await world({ retry: { attempts: 5, delay: 0 } });
  const failed = {
    success: false,
    reason: "failed",
    start: new Date().toISOString(),
    end: new Date().toISOString(),
    seconds: 0,
    attempt: 1,
    timeout: false,
    host: "",
  } as const;
  await (w.task.outcomes.attempts as unknown as MemoryMetadataRepository).set("1", {
    outcomes: [failed, { ...failed, attempt: 2 }],
    retryAt: new Date(0).toISOString(),
  });
  w.place.leaves("task", "1", 2);
  await told(w.pipeline);
  assert.deepEqual(w.place.did, ["discard task/1@2", "run task/1@3"]);
  assert.equal((await w.task.outcomes.done.get("1")).earlier?.length, 2);
});

Deno.test("Nothing is started before everything that was left is taken over, in all tasks", async () => {
  const [one, two] = [new Place(), new Place()];
  const of = await blobs("of", "1");
  const state = await Deno.makeTempDir();
  try {
    const make = (name: string, place: Place) =>
      defineTask(name, "test", { done: outcomes(name), links: { of: input(of) } }, place);
    // The second place takes its time to say what it has.
    const slow = two.find.bind(two);
    two.find = async function* (task) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      yield* slow(task);
    };
    one.leaves("one", "1");
    two.leaves("two", "1");
    const { summary } = await told(new Pipeline({ tasks: [make("one", one), make("two", two)], state }));
    assert.deepEqual([one.did, two.did, summary.started], [["adopt one/1"], ["adopt two/1"], 0]);
  } finally {
    await Deno.remove(state, { recursive: true });
  }
});

Deno.test("A run that was taken over goes on counting its time", async () => {
  await using w = await world({ timeout: 1000 });
  w.place.leaves("task", "1");
  w.place.ends = (_, { signal }) =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve({ reason: "timed-out" })));
  await told(w.pipeline);
  assert.equal((await w.task.outcomes.failed.get("1")).reason, "timed-out");
});

Deno.test("A stale run that cannot be discarded is told of, and stops nothing", async () => {
  await using w = await world();
  w.place.refusesToDiscard = true;
  w.place.leaves("task", "1", 1, 3);
  const { events, summary } = await told(w.pipeline);
  assert.deepEqual([troubles(events), summary.succeeded], [
    ["Cannot discard the run task/1#3: no such host"],
    1,
  ]);
});

Deno.test("What is kept of a run is given back once its end is recorded, and kept when it cannot be", async () => {
  for (const broken of [false, true]) {
    const done = outcomes().with(faulty({ rate: broken ? 1 : 0, on: ["write"] }));
    await using w = await world({ done });
    const recorded: boolean[] = [];
    w.place.onRelease = async () => void recorded.push(await done.has("1"));
    const run = w.pipeline.run();
    for await (const event of run) if (event.type === "trouble") run.stop("drain");
    assert.deepEqual([recorded, (await run.finished).stuck], broken ? [[], 1] : [[true], 0]);
  }
});

Deno.test("Reports know of runs that no coordinator sees to, and cancel ends them", async () => {
  await using w = await world({}, ["1", "2"]);
  w.place.leaves("task", "1", 3);
  const status = (await w.pipeline.status()).tasks[0]!;
  assert.deepEqual([
    status.counts.running,
    status.counts.ready,
    status.running.map(({ job, attempt, where }) => [job, attempt, where]),
  ], [1, 1, [["1", 3, "pid 0"]]]);
  assert.equal((await w.pipeline.why("task", "1")).state, "running");
  assert.deepEqual((await w.pipeline.plan()).start.map(({ job }) => job), ["2"]);
  assert.equal(await w.pipeline.cancel("task", "1"), true);
  assert.deepEqual(w.place.did, ["discard task/1@3"]);
  assert.deepEqual([
    (await w.task.outcomes.failed.get("1")).reason,
    (await w.task.outcomes.failed.get("1")).attempt,
  ], ["cancelled", 3]);
  assert.equal(await w.pipeline.cancel("task", "2"), false);
});

Deno.test("A job that is lost where it ran is tried again, and not counted", async () => {
  await using w = await world();
  w.place.leaves("task", "1");
  let first = true;
  w.place.ends = () => first ? (first = false, { reason: "lost" }) : { reason: "succeeded" };
  const run = w.pipeline.run();
  const events = await Array.fromAsync(run);
  assert.deepEqual([jobsOf(events, "released"), (await w.task.outcomes.done.get("1")).attempt], [
    ["task/1"],
    1,
  ]);
});

Deno.test("A task whose runs outlive the coordinator needs a state folder", async () => {
  const place = new Place();
  const task = defineTask(
    "task",
    "test",
    { done: outcomes(), links: { of: input(await blobs("of")) } },
    place,
  );
  assert.throws(() => inMemory([task]), {
    code: "invalid-definition",
    message:
      "Task task starts processes that outlive the coordinator, which needs a state folder; leave out { state: null }",
  });
});

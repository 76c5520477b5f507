import assert from "node:assert/strict";
import {
  DatataskError,
  type Executor,
  functionTask,
  input,
  localExecutor,
  MemoryBlobRepository,
  output,
  Pipeline,
  processTask,
  type ProcessWork,
  requires,
  sh,
  stream,
} from "../../mod.ts";
import type { Ending, Runner } from "../../tasks/runner.ts";
import { defineTask } from "../../tasks/task.ts";
import { blobs, keysOf, outcomes, runAll, troubles } from "./kit.ts";

/** An executor of this machine whose door is shut for a while. */
class Door {
  opened = 0;
  signal: AbortSignal | undefined;
  /** Called by who wants in. */
  enter: () => void | Promise<void> = () => {};
  readonly executor: Executor<ProcessWork>;

  constructor() {
    const inner = localExecutor({ name: "shed" });
    // deno-lint-ignore no-this-alias
    const door = this;
    this.executor = {
      name: inner.name,
      accepts: inner.accepts,
      capacity: inner.capacity,
      sees: inner.sees,
      async open(options) {
        door.opened++;
        door.signal = options.signal;
        await door.enter();
        await inner.open(options);
      },
      close: () => inner.close(),
      probe: (options) => inner.probe(options),
      start: (attempt, work, options) => inner.start(attempt, work, options),
      list: (options) => inner.list(options),
      wait: (attempt, options) => inner.wait(attempt, options),
      stop: (attempt, options) => inner.stop(attempt, options),
      logs: (attempt, options) => inner.logs(attempt, options),
      forget: (attempt, options) => inner.forget(attempt, options),
    };
  }
}

const away = () => new DatataskError("unavailable", "Cannot connect to shed: nobody listens there");
const refused = () => new DatataskError("denied", "Cannot enter the shed: the key does not fit");

/** A task behind a door, one that follows from it, and one that has nothing to do with either. */
async function yard(door: Door, state: string) {
  const texts = await blobs("texts", "a", "b");
  const [made, more, other] = ["made", "more", "other"].map((name) => new MemoryBlobRepository(name));
  const task = (
    name: string,
    from: MemoryBlobRepository,
    to: MemoryBlobRepository,
    executor: Executor<ProcessWork>,
  ) =>
    processTask(name, {
      done: outcomes(`${name}-done`),
      links: { texts: input(from), copies: output(to) },
      executor,
      script: ({ texts, copies }) => sh`cat ${texts} >${copies}`,
    });
  const pipeline = new Pipeline({
    state,
    random: () => 1,
    tasks: [
      task("behind", texts, made!, door.executor),
      task("after", made!, more!, localExecutor()),
      task("beside", texts, other!, localExecutor()),
    ],
  });
  return { pipeline, made: made!, more: more!, other: other! };
}

function test(name: string, body: (door: Door, state: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const state = await Deno.makeTempDir();
    try {
      await body(new Door(), state);
    } finally {
      await Deno.remove(state, { recursive: true });
    }
  });
}

test("A task whose executor is away is tried again, and the others go on meanwhile", async (door, state) => {
  const { pipeline, more, other } = await yard(door, state);
  const shut = Promise.withResolvers<void>();
  door.enter = () => {
    if (door.opened < 3) throw away();
    // The last time it opens only when the others have been seen to be done.
    return shut.promise;
  };
  const run = pipeline.run();
  const events = [];
  for await (const event of run) {
    events.push(event);
    const done = events.filter((e) => e.type === "finished" && e.attempt.task === "beside").length;
    if (done === 2) shut.resolve();
  }
  assert.deepEqual(await keysOf(other), ["a", "b"]);
  assert.deepEqual(await keysOf(more), ["a", "b"]);
  const { succeeded, stuck } = await run.finished;
  assert.deepEqual([succeeded, stuck], [6, 0]);
  const text =
    "Cannot run task behind; it will be tried again, and the others go on: Cannot connect to shed: nobody listens there";
  assert.deepEqual(troubles(events), [text, text]);
});

test(
  "A task whose executor lets nobody in is left for the next run, once, and the others go on",
  async (door, state) => {
    const { pipeline, other, more } = await yard(door, state);
    door.enter = () => {
      throw refused();
    };
    const { events, summary } = await runAll(pipeline);
    assert.deepEqual(await keysOf(other), ["a", "b"]);
    assert.deepEqual(troubles(events), [
      "Cannot run task behind; its jobs are left for the next run, and the others go on: Cannot enter the shed: the key does not fit",
    ]);
    assert.deepEqual([summary.succeeded, summary.stuck, summary.ended, door.opened], [2, 2, "complete", 1]);
    assert.deepEqual(summary.tasks["behind"]?.ready, 2);
    door.enter = () => {};
    const again = await runAll(pipeline);
    assert.deepEqual([again.summary.succeeded, again.summary.stuck], [4, 0]);
    assert.deepEqual(await keysOf(more), ["a", "b"]);
  },
);

test(
  "What streams the values of a task that was given up is left for the next run as well",
  async (door, state) => {
    const { pipeline, made } = await yard(door, state);
    const reports = new MemoryBlobRepository("reports");
    const report = functionTask("report", {
      done: outcomes("report-done"),
      links: { wanted: requires(await blobs("wanted", "all")), made: stream(made), report: output(reports) },
    }, async ({ made, report }) => {
      const texts: string[] = [];
      for await (const each of made) texts.push(await each.text());
      await report.write(texts.sort().join(" "));
    });
    const both = new Pipeline({ state, tasks: [...pipeline.tasks.values(), report] });
    door.enter = () => {
      throw refused();
    };
    const { events, summary } = await runAll(both);
    assert.deepEqual([summary.succeeded, summary.failed, summary.stuck], [2, 0, 3]);
    assert.equal(
      troubles(events).at(-1),
      'Cannot go on with job "all" of task report; it is left for the next run: its stream made waits for behind, which cannot go on in this run',
    );
    door.enter = () => {};
    assert.deepEqual((await runAll(both)).summary.succeeded, 5);
    assert.equal(await reports.text("all"), "a b");
  },
);

Deno.test("A run that cannot be looked for is taken over when it can, and not started a second time", async () => {
  const did: string[] = [];
  let looks = 0;
  const ended = (): Ending => ({ reason: "succeeded" });
  const runner: Runner = {
    pool: { name: "shed", capacity: {}, width: 9 },
    defaultQuota: {},
    async *find() {
      if (++looks < 3) throw away();
      yield { attempt: { task: "task", job: "a", replica: 0, attempt: 1 }, since: Date.now(), where: "shed" };
    },
    adopt: ({ job }) => (did.push(`adopt ${job}`), Promise.resolve(ended())),
    run: ({ job }) => (did.push(`run ${job}`), ended()),
  };
  const state = await Deno.makeTempDir();
  try {
    const texts = await blobs("texts", "a", "b");
    const task = defineTask("task", "test", { done: outcomes(), links: { texts: input(texts) } }, runner);
    const { summary, events } = await runAll(new Pipeline({ tasks: [task], state, random: () => 1 }));
    assert.deepEqual(did, ["adopt a", "run b"]);
    assert.deepEqual([summary.succeeded, summary.adopted, troubles(events).length], [2, 1, 2]);
  } finally {
    await Deno.remove(state, { recursive: true });
  }
});

test("Who stops a run does not wait for an executor that is away", async (door, state) => {
  const { pipeline } = await yard(door, state);
  const run = pipeline.run();
  door.enter = () =>
    new Promise((_, reject) => {
      door.signal!.addEventListener("abort", () => reject(door.signal!.reason));
      run.stop("stop");
    });
  const { ended, stuck } = await run.finished;
  assert.deepEqual([ended, stuck], ["stopped", 0]);
});

test(
  "What is known of the others is told when one executor is away, and why says so",
  async (door, state) => {
    const { pipeline } = await yard(door, state);
    door.enter = () => {
      throw away();
    };
    const { tasks } = await pipeline.status();
    assert.deepEqual(tasks.map(({ name, unseen, counts }) => [name, unseen, counts.ready]), [
      ["behind", "Cannot connect to shed: nobody listens there", 2],
      ["after", undefined, 0],
      ["beside", undefined, 2],
    ]);
    assert.equal(
      (await pipeline.why("behind", "a")).text,
      "It is ready; whether it runs already cannot be told: Cannot connect to shed: nobody listens there",
    );
    const before = door.opened;
    assert.equal(await pipeline.logs("beside", "a"), undefined);
    assert.equal(door.opened, before, "a log of another task needs no door");
    await assert.rejects(pipeline.logs("behind", "a"), /nobody listens there/);
  },
);

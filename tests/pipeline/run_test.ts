import assert from "node:assert/strict";
import fc from "npm:fast-check@^4";
import {
  FileRepository,
  functionTask,
  input,
  type MemoryBlobRepository,
  output,
  Pipeline,
  type PipelineEvent,
  type RunSummary,
  Session,
} from "../../mod.ts";
import { faulty } from "../../testing/faulty.ts";
import { manualClock } from "../../testing/manual_clock.ts";
import { until } from "../kit/waiting.ts";
import { blobs, copy, each, inMemory, jobsOf, keysOf, outcomes, runAll, troubles } from "./kit.ts";

const hang = ({ signal }: { signal: AbortSignal }): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

Deno.test("A run ends when nothing is left to do, and sums up", async () => {
  const [a, b] = [await blobs("a", "1", "2"), await blobs("b")];
  const { summary } = await runAll(inMemory([
    copy("first", a, b),
    each("second", b, ({ job }) => {
      if (job === "2") throw new Error("no");
    }),
  ]));
  const { ms, tasks, ...rest } = summary;
  assert.deepEqual(
    rest,
    { succeeded: 3, failed: 1, started: 4, adopted: 0, stuck: 0, ended: "complete" } satisfies Partial<
      RunSummary
    >,
  );
  assert(ms >= 0);
  const none = { waiting: 0, ready: 0, running: 0, retrying: 0, done: 0, failed: 0, blocked: 0 };
  assert.deepEqual(tasks, { first: { ...none, done: 2 }, second: { ...none, done: 1, failed: 1 } });
});

Deno.test("A run of nothing ends at once", async () => {
  const { events, summary } = await runAll(inMemory([each("task", await blobs("a"))]));
  assert.deepEqual([events.map((event) => event.type), summary.ended], [["opened", "closed"], "complete"]);
  assert.equal((await runAll(inMemory([]))).summary.ended, "complete");
});

Deno.test("Events are complete and in order: nothing downstream before upstream, whatever fails", async () => {
  const world = fc.record({
    jobs: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { minLength: 1 }),
    failing: fc.uniqueArray(fc.tuple(fc.nat(2), fc.constantFrom("a", "b", "c", "d", "e")), {
      selector: String,
    }),
    retries: fc.integer({ min: 1, max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(world, async ({ jobs, failing, retries }) => {
      const stores = [await blobs("s0", ...jobs), await blobs("s1"), await blobs("s2"), await blobs("s3")];
      const fails = (step: number, job: string) => failing.some(([s, j]) => s === step && j === job);
      const tasks = [0, 1, 2].map((step) =>
        copy(
          `t${step}`,
          stores[step]!,
          stores[step + 1]!,
          { retry: { attempts: retries, delay: 0 } },
          ({ job }) => {
            if (fails(step, job)) throw new Error("no");
          },
        )
      );
      const { events, summary } = await runAll(inMemory(tasks.toReversed()));
      assert.equal(events[0]!.type, "opened");
      assert.equal(events.at(-1)!.type, "closed");
      const live = new Set<string>();
      const over = new Map<string, boolean>();
      for (const event of events) {
        if (event.type !== "started" && event.type !== "finished" && event.type !== "retrying") continue;
        const { task, job, attempt } = event.attempt;
        const name = `${task}/${job}`;
        if (event.type === "started") {
          assert(!live.has(name) && !over.has(name));
          live.add(name);
          const step = Number(task.slice(1));
          if (step > 0) {
            assert.equal(
              over.get(`t${step - 1}/${job}`),
              true,
              `${name} began before its upstream had succeeded`,
            );
          }
        } else {
          assert(live.delete(name), `${name} ended and had not begun`);
          assert(event.type === "finished" || attempt < retries);
          if (event.type === "finished") over.set(name, event.outcome.success);
        }
      }
      assert.equal(live.size, 0);
      for (const job of jobs) {
        for (const step of [0, 1, 2]) {
          const expected = [0, 1, 2].slice(0, step).some((s) => fails(s, job))
            ? undefined
            : !fails(step, job);
          assert.equal(over.get(`t${step}/${job}`), expected, `t${step}/${job}`);
        }
      }
      assert.equal(summary.succeeded, [...over.values()].filter(Boolean).length);
    }),
    { numRuns: 30 },
  );
});

Deno.test("once starts what is ready at the beginning, and nothing that becomes ready by it", async () => {
  const [a, b, c] = [await blobs("a", "1", "2"), await blobs("b"), await blobs("c")];
  const pipeline = inMemory([copy("first", a, b), copy("second", b, c)]);
  const { events, summary } = await runAll(pipeline, { once: true });
  assert.deepEqual([jobsOf(events, "finished"), summary.ended, await keysOf(c)], [
    ["first/1", "first/2"],
    "once",
    [],
  ]);
  assert.deepEqual(jobsOf((await runAll(pipeline, { once: true })).events, "finished"), [
    "second/1",
    "second/2",
  ]);
});

Deno.test("forever takes up new keys in memory, tells when it is idle, and ends when it is told to", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b")];
  const run = inMemory([copy("task", a, b)]).run({ forever: true });
  const events: PipelineEvent[] = [];
  for await (const event of run) {
    events.push(event);
    if (event.type !== "idle") continue;
    const idles = events.filter(({ type }) => type === "idle").length;
    if (idles <= 2) await a.put(`new-${idles}`, "");
    else run.stop("drain");
  }
  assert.deepEqual(await keysOf(b), ["1", "new-1", "new-2"]);
  assert.equal((await run.finished).ended, "stopped");
});

Deno.test("forever takes up new files", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [a, b] = ["a", "b"].map((name) =>
      new FileRepository(`${folder}/${name}`, { extension: ".txt" })
    ) as [FileRepository, FileRepository];
    const task = functionTask(
      "task",
      { done: outcomes(), links: { a: input(a), b: output(b) } },
      async ({ a, b }) => b.write(await a.text()),
    );
    const pipeline = inMemory([task]);
    const run = pipeline.run({ forever: true });
    let put = false;
    for await (const event of run) {
      if (event.type === "idle" && !put) {
        put = true;
        // In one step, as the documentation asks of whoever writes from outside: a listing cannot see that a file is not finished.
        await Deno.writeTextFile(`${folder}/new.txt`, "from outside");
        await Deno.rename(`${folder}/new.txt`, `${folder}/a/new.txt`);
      }
      if (event.type === "finished") run.stop("drain");
    }
    await run.finished;
    assert.equal(await Deno.readTextFile(`${folder}/b/new.txt`), "from outside");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "forever takes up a file that somebody makes when it is closed, whatever else goes on meanwhile",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = await Deno.makeTempDir();
    await Deno.mkdir(`${folder}/a`);
    const [a, b] = [new FileRepository(`${folder}/a`), new FileRepository(`${folder}/b`)];
    const task = functionTask(
      "task",
      { done: outcomes(), links: { a: input(a), b: output(b) } },
      async ({ a, b }) => b.write(await a.text()),
    );
    const run = inMemory([task]).run({ forever: true });
    let file: Deno.FsFile | undefined;
    const jobs: string[] = [];
    try {
      for await (const event of run) {
        if (event.type === "finished") jobs.push(event.attempt.job);
        if (event.type !== "idle") continue;
        if (!file) {
          file = await Deno.open(`${folder}/a/slow`, { write: true, createNew: true });
          await file.write(new TextEncoder().encode("first "));
          await Deno.writeTextFile(`${folder}/a/quick`, "x");
        } else if (jobs.length === 1) {
          await file.write(new TextEncoder().encode("second"));
          file.close();
        } else run.stop("drain");
      }
      await run.finished;
      assert.deepEqual(jobs, ["quick", "slow"]);
      assert.equal(await b.text("slow"), "first second");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("forever finds within minutes what no watch tells: a link that leads out of the folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/a`);
    await Deno.writeTextFile(`${folder}/elsewhere`, "from outside");
    const a = new FileRepository(`${folder}/a`);
    const clock = manualClock();
    const task = functionTask("task", { done: outcomes(), links: { a: input(a) } }, () => {});
    const run = inMemory([task], { clock }).run({ forever: true });
    const jobs: string[] = [];
    let linked: Promise<void> | undefined;
    for await (const event of run) {
      if (event.type === "idle") {
        linked ??= Deno.symlink(`${folder}/elsewhere`, `${folder}/a/pointer`).then(() =>
          until(() => clock.advance("1m") >= 0 && jobs.length > 0)
        );
      }
      if (event.type !== "finished") continue;
      jobs.push(event.attempt.job);
      run.stop("drain");
    }
    await run.finished;
    await linked;
    assert.deepEqual(jobs, ["pointer"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("failFast starts nothing more after the first failure, and waits for what runs", async () => {
  const a = await blobs("a", "1", "2", "3", "4");
  const task = each("task", a, async ({ job }) => {
    if (job === "1") throw new Error("no");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }, { concurrency: 2 });
  const { summary } = await runAll(inMemory([task]), { failFast: true });
  assert.deepEqual([summary.failed, summary.succeeded, summary.ended, summary.tasks.task!.ready], [
    1,
    1,
    "fail-fast",
    2,
  ]);
});

Deno.test("drain starts nothing more, and waits for what runs", async () => {
  const a = await blobs("a", "1", "2");
  const release = Promise.withResolvers<void>();
  const run = inMemory([each("task", a, () => release.promise, { concurrency: 1 })]).run();
  const types: string[] = [];
  for await (const event of run) {
    types.push(event.type);
    if (event.type === "started") {
      run.stop("drain");
      release.resolve();
    }
  }
  assert.deepEqual(types, ["opened", "started", "stopping", "finished", "closed"]);
  const summary = await run.finished;
  assert.deepEqual([summary.succeeded, summary.ended, summary.tasks.task!.ready], [1, "stopped", 1]);
});

Deno.test("stop ends what runs, and marks none of it as failed; the next run does it", async () => {
  for (const way of ["stop", "signal", "drain and then stop"]) {
    const a = await blobs("a", "1", "2");
    let stopped = false;
    const task = each("task", a, (context) => stopped ? undefined : hang(context), { retry: 3 });
    const pipeline = inMemory([task]);
    const aborter = new AbortController();
    const run = pipeline.run({ signal: aborter.signal });
    const released: string[] = [];
    for await (const event of run) {
      if (event.type === "released") released.push(event.why);
      if (event.type !== "started" || event.attempt.job !== "2") continue;
      if (way === "signal") aborter.abort();
      else {
        if (way !== "stop") run.stop("drain");
        run.stop("stop");
      }
    }
    const summary = await run.finished;
    assert.deepEqual([summary.ended, summary.failed, summary.succeeded, summary.tasks.task!.ready], [
      "stopped",
      0,
      0,
      2,
    ], way);
    assert.deepEqual(released, ["the coordinator is leaving", "the coordinator is leaving"]);
    assert.deepEqual([await keysOf(task.outcomes.done), await keysOf(task.outcomes.attempts)], [[], []]);
    stopped = true;
    assert.equal((await runAll(pipeline)).summary.succeeded, 2);
  }
});

Deno.test("A body that does not hear holds a stop no longer than its grace", async () => {
  const run = inMemory([each("task", await blobs("a", "1"), () => new Promise(() => {}), { grace: 1 })])
    .run();
  for await (const event of run) if (event.type === "started") run.stop("stop");
  assert.deepEqual([(await run.finished).ended, (await run.finished).failed], ["stopped", 0]);
});

Deno.test("A run that is stopped before it began starts nothing", async () => {
  const a = await blobs("a", "1");
  const early = inMemory([each("task", a)]).run({ signal: AbortSignal.abort() });
  assert.deepEqual([(await early.finished).ended, (await early.finished).started], ["stopped", 0]);
  const run = inMemory([each("task", a)]).run();
  run.stop("drain");
  assert.deepEqual([(await run.finished).ended, (await run.finished).started], ["stopped", 0]);
});

Deno.test("A pipeline is run once at a time, and again after that", async () => {
  const pipeline = inMemory([each("task", await blobs("a", "1"))]);
  const run = pipeline.run();
  assert.throws(() => pipeline.run(), {
    code: "conflict",
    message: "Cannot run pipeline: it is running already; wait for its end, or stop it",
  });
  await run.finished;
  assert.equal((await pipeline.run().finished).ended, "complete");
});

Deno.test("counts and running tell how a run stands", async () => {
  const a = await blobs("a", "1", "2");
  const run = inMemory([each("task", a, hang, { concurrency: 1 })]).run();
  assert.deepEqual(run.running(), []);
  await until(() => run.running().length === 1);
  assert.deepEqual(run.counts().task, {
    waiting: 0,
    ready: 1,
    running: 1,
    retrying: 0,
    done: 0,
    failed: 0,
    blocked: 0,
  });
  assert.deepEqual(run.running()[0]!.attempt, { task: "task", job: "1", replica: 0, attempt: 1 });
  run.stop("stop");
  await run.finished;
});

Deno.test("A run opens the session and closes it, whatever happens; an open pipeline stays open", async () => {
  const session = new Session();
  const opened: string[] = [];
  session.resource("thing", (stack) => {
    stack.defer(() => void opened.push("close"));
    opened.push("open");
    return 1;
  });
  const a = await blobs("a", "1");
  const pipeline = inMemory([each("task", a)], { session });
  await pipeline.run().finished;
  await pipeline.run().finished;
  await pipeline.status();
  await pipeline.retry("task", "failed");
  assert.deepEqual(opened, ["open", "close", "open", "close", "open", "close", "open", "close"]);
  opened.length = 0;
  await pipeline.open();
  await pipeline.run().finished;
  await Promise.all([pipeline.status(), pipeline.plan(), pipeline.run().finished]);
  assert.deepEqual(opened, ["open"]);
  await pipeline.close();
  await pipeline.close();
  assert.deepEqual(opened, ["open", "close"]);
});

Deno.test("Reports and runs that overlap share one opening, and the last one closes", async () => {
  const session = new Session();
  const opened: string[] = [];
  session.resource("thing", (stack) => {
    stack.defer(() => void opened.push("close"));
    opened.push("open");
    return 1;
  });
  const pipeline = inMemory([each("task", await blobs("a", "1"))], { session });
  await Promise.all([
    pipeline.status(),
    pipeline.run().finished,
    pipeline.trace("1"),
    pipeline.graph({ counts: true }),
  ]);
  assert.deepEqual(opened, ["open", "close"]);
});

Deno.test("A session that fails to open fails the run, and leaves the pipeline as it was", async () => {
  const session = new Session();
  let broken = true;
  session.resource(
    "thing",
    () => broken ? Promise.reject(new Error("refused")) : Promise.resolve({ value: 1 }),
  );
  const pipeline = inMemory([each("task", await blobs("a", "1"))], { session });
  const run = pipeline.run();
  const events = (async () => await Array.fromAsync(run))();
  await assert.rejects(run.finished, /refused/);
  await assert.rejects(events, /refused/);
  await assert.rejects(pipeline.open(), /refused/);
  broken = false;
  assert.equal((await pipeline.run().finished).succeeded, 1);
});

Deno.test("A repository that cannot be listed at the beginning fails the run with a text that names it", async () => {
  const a = (await blobs("books", "1")).with(faulty({ nth: 1, on: ["list"] })) as MemoryBlobRepository;
  const pipeline = inMemory([each("task", a)]);
  await assert.rejects(pipeline.run().finished, /Cannot list books: operation 1 was made to fail/);
  assert.equal((await pipeline.run().finished).succeeded, 1);
});

Deno.test("A repository that cannot be listed later on is told of, and the run goes on", async () => {
  const a = (await blobs("books", "1")).with(faulty({ nth: 2, on: ["list"] })) as MemoryBlobRepository;
  const { events, summary } = await runAll(inMemory([each("task", a)]));
  assert.equal(summary.ended, "complete");
  assert.deepEqual(troubles(events), [
    "Cannot follow books: Cannot list books: operation 2 was made to fail",
  ]);
});

Deno.test("Names that are no keys are skipped, and told of once in a run", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/good.txt`, "");
    await Deno.writeTextFile(`${folder}/not a key.txt`, "");
    const a = new FileRepository(folder, { extension: ".txt" });
    const task = functionTask("task", { done: outcomes(), links: { a: input(a) } }, () => {});
    const { events, summary } = await runAll(inMemory([task]));
    assert.equal(summary.succeeded, 1);
    const skipped = events.filter((event) => event.type === "skipped-names");
    assert.deepEqual(skipped.map(({ names, count }) => [names, count]), [[["not a key"], 1]]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("A state folder that cannot be made is an error that says what to do", async () => {
  const file = await Deno.makeTempFile();
  try {
    const pipeline = new Pipeline({ tasks: [each("task", await blobs("a", "1"))], state: `${file}/state` });
    await assert.rejects(pipeline.run().finished, {
      code: "denied",
      message: new RegExp(
        `^Cannot use the state folder ${file}/state/pipeline: .*; make it writable, or give the pipeline another one by \\{ state \\}$`,
      ),
    });
  } finally {
    await Deno.remove(file);
  }
});

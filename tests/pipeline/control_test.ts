import assert from "node:assert/strict";
import { field, functionTask, input, MemoryMetadataRepository, output, status } from "../../mod.ts";
import { takeLease } from "../../pipeline/lease.ts";
import { until } from "../kit/waiting.ts";
import { blobs, copy, each, inMemory, jobsOf, keysOf, outcomes, runAll } from "./kit.ts";

const hang = ({ signal }: { signal: AbortSignal }): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

Deno.test("launch runs one job, whatever else there is to do, and tells how it ended", async () => {
  const a = await blobs("a", "1", "2");
  const task = each("task", a, ({ job }) => {
    if (job === "2") throw new Error("no");
  });
  const pipeline = inMemory([task]);
  assert.equal((await pipeline.launch("task", "1")).success, true);
  assert.deepEqual(await keysOf(task.outcomes.done), ["1"]);
  const failed = await pipeline.launch("task", "2");
  assert.deepEqual([failed.success, failed.error?.message], [false, "no"]);
});

Deno.test("launch refuses a job that is not ready, and says why", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b", "2")];
  const pipeline = inMemory([
    functionTask("task", { done: outcomes(), links: { a: input(a), b: input(b) } }, () => {}),
  ]);
  await assert.rejects(pipeline.launch("task", "1"), {
    code: "usage",
    message:
      'Cannot launch "1" of task task: it waits: "1" is not in b (b), which it needs; use --force to run it all the same',
  });
  await assert.rejects(pipeline.launch("tusk", "1"), {
    code: "usage",
    message: 'There is no task "tusk"; did you mean "task"?',
  });
  await assert.rejects(pipeline.launch("task", "no key!"), { code: "invalid-key" });
});

Deno.test("launch by force that finds another coordinator forgets nothing", async () => {
  const state = await Deno.makeTempDir();
  try {
    const task = each("task", await blobs("a", "1"));
    const pipeline = inMemory([task], { state });
    assert.equal((await pipeline.launch("task", "1")).success, true);
    {
      await using lease = await takeLease(`${state}/pipeline/lease`, { whenHeld: "fail" });
      const { host, since, command } = lease.holder;
      await assert.rejects(pipeline.launch("task", "1", { force: true }), {
        code: "lease-held",
        message:
          `Cannot launch "1" of task task: the pipeline is being run by process ${Deno.pid} on ${host}, since ${since} (${command}), and one process at a time starts jobs; wait until it has ended, or stop it first`,
      });
      assert.deepEqual(await keysOf(task.outcomes.done), ["1"]);
    }
    assert.equal((await pipeline.launch("task", "1", { force: true })).success, true);
  } finally {
    await Deno.remove(state, { recursive: true });
  }
});

Deno.test("launch by force runs a job once though an input is missing, or though it is over, and records it", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b")];
  const done = outcomes();
  let runs = 0;
  const task = functionTask("task", {
    done,
    links: { a: input(a), b: input(b), out: output(b, { once: true, required: false }) },
  }, async ({ b }) => {
    runs++;
    await b.text();
  });
  const pipeline = inMemory([task]);
  const missing = await pipeline.launch("task", "1", { force: true });
  assert.equal(missing.error?.message, 'Cannot read "1" of b: there is no such key');
  await b.put("1", "");
  assert.equal((await pipeline.launch("task", "1", { force: true })).success, true);
  assert.equal((await pipeline.launch("task", "1", { force: true })).success, true);
  assert.deepEqual([runs, await keysOf(task.outcomes.success), await keysOf(task.outcomes.failed)], [
    3,
    ["1"],
    [],
  ]);
});

Deno.test("run takes some jobs of one task only", async () => {
  const a = await blobs("a", "1", "2", "3");
  const { events, summary } = await runAll(inMemory([each("task", a), each("other", a)]), {
    only: { task: "task", jobs: ["1", "3", "9"] },
  });
  assert.deepEqual([jobsOf(events, "finished"), summary.ended], [["task/1", "task/3"], "complete"]);
});

Deno.test("cancel ends a job that runs: it has failed, and what reads it is blocked", async () => {
  const [a, b, c] = [await blobs("a", "1", "2"), await blobs("b"), await blobs("c")];
  const task = copy("first", a, b, {}, (context) => context.job === "1" ? hang(context) : undefined);
  const pipeline = inMemory([task, copy("second", b, c)]);
  assert.equal(await pipeline.cancel("first", "1"), false);
  const run = pipeline.run();
  await until(() => run.running().length === 1 && run.counts().second!.done === 1);
  assert.equal(await pipeline.cancel("first", "2"), false);
  assert.equal(await pipeline.cancel("first", "1"), true);
  const summary = await run.finished;
  assert.deepEqual([summary.failed, summary.tasks.second!.blocked], [1, 1]);
  assert.equal((await task.outcomes.failed.get("1")).reason, "cancelled");
  await assert.rejects(pipeline.cancel("frist", "1"), {
    message: 'There is no task "frist"; did you mean "first"?',
  });
});

Deno.test("retry forgets failures, all or some, and leaves successes alone", async () => {
  const a = await blobs("a", "1", "2", "3");
  let fails = true;
  const task = each("task", a, ({ job }) => {
    if (fails && job !== "3") throw new Error("no");
  }, { retry: { attempts: 2, delay: 0 } });
  const pipeline = inMemory([task]);
  await runAll(pipeline);
  fails = false;
  assert.deepEqual(await pipeline.retry("task", ["1", "3", "9"]), ["1"]);
  const one = await runAll(pipeline);
  assert.deepEqual(jobsOf(one.events, "finished"), ["task/1"]);
  assert.equal((await task.outcomes.done.get("1")).attempt, 1, "it begins anew");
  assert.deepEqual(await pipeline.retry("task", "failed"), ["2"]);
  assert.deepEqual(await pipeline.retry("task", "failed"), []);
  await assert.rejects(pipeline.retry("task", ["no key!"]), { code: "invalid-key" });
});

async function family() {
  const [a, b, c, notes] = [
    await blobs("a", "1", "2"),
    await blobs("b"),
    await blobs("c"),
    await blobs("notes"),
  ];
  const meta = new MemoryMetadataRepository("meta");
  const first = functionTask("first", {
    done: outcomes("d1"),
    links: {
      a: input(a),
      b: output(b, { key: (job) => `b-${job}`, cokeyed: { meta } }),
      notes: status(notes),
    },
  }, async ({ b, notes }) => {
    await b.write("");
    await b.meta.write({});
    await notes.write("");
  });
  const second = copy("second", b, c);
  const pipeline = inMemory([first, second]);
  await runAll(pipeline);
  return { a, b, c, meta, notes, first, second, pipeline };
}

Deno.test("removals of a job are its outcome and what it wrote; recursively, all that was made from it, by its keys there", async () => {
  const { pipeline } = await family();
  const shown = async (name: string, key: string, recursive: boolean): Promise<string[]> =>
    (await pipeline.removals(name, [key], { recursive })).map(({ repository, key }) =>
      `${repository}/${key}`
    );
  assert.deepEqual(await shown("first", "1", false), ["d1/1", "b/b-1", "meta/b-1", "notes/1"]);
  assert.deepEqual(await shown("first", "1", true), [
    "d1/1",
    "b/b-1",
    "second-done/b-1",
    "c/b-1",
    "meta/b-1",
    "notes/1",
  ]);
  assert.deepEqual(await shown("first.a", "1", false), ["a/1"]);
  assert.deepEqual(await shown("first.a", "1", true), [
    "a/1",
    "d1/1",
    "b/b-1",
    "second-done/b-1",
    "c/b-1",
    "meta/b-1",
    "notes/1",
  ]);
  assert.deepEqual(await shown("second", "b-2", false), ["second-done/b-2", "c/b-2"]);
  assert.deepEqual(await shown("first", "9", true), []);
  const [, written] = await pipeline.removals("first", ["1"]);
  assert.deepEqual([written!.names, written!.running, written!.owner], [["first.b", "second.from"], false, {
    task: "first",
    job: "1",
  }]);
  await assert.rejects(pipeline.removals("frist", ["1"]), {
    message: 'There is no task or repository "frist"; did you mean "first"?',
  });
  await assert.rejects(pipeline.removals("first.bb", ["1"]), {
    message: 'There is no task or repository "first.bb"; did you mean "first.b"?',
  });
});

Deno.test("What was removed is made again, and nothing else", async () => {
  const { pipeline, a, b, c, meta } = await family();
  await pipeline.remove(await pipeline.removals("first", ["1"], { recursive: true }));
  assert.deepEqual([await keysOf(a), await keysOf(b), await keysOf(c), await keysOf(meta)], [
    ["1", "2"],
    ["b-2"],
    ["b-2"],
    ["b-2"],
  ]);
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["first/1", "second/b-1"]);
});

Deno.test("A job that runs is cancelled before it is removed, and leaves nothing; it is not failed then, but ready", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b")];
  let hangs = true;
  const task = functionTask("task.with.dots", {
    done: outcomes(),
    links: { a: input(a), b: output(b, { key: (job) => `b-${job}` }) },
  }, async (context) => {
    await context.b.write("");
    if (hangs) await hang(context);
  });
  const pipeline = inMemory([task]);
  const run = pipeline.run({ forever: true });
  await until(async () => run.running().length === 1 && await b.has("b-1"));
  const list = await pipeline.removals(task.name, ["1"]);
  assert.deepEqual(list.map(({ repository, key, running }) => [repository, key, running]), [[
    "b",
    "b-1",
    true,
  ]]);
  run.stop("drain");
  await pipeline.remove(list);
  await run.finished;
  assert.deepEqual([await keysOf(b), await keysOf(task.outcomes.done)], [[], []]);
  hangs = false;
  assert.equal((await runAll(pipeline)).summary.succeeded, 1);
});

Deno.test("Values that several links lead to are removed once; readers by field are found", async () => {
  const people = await blobs("people", "austen");
  const books = new MemoryMetadataRepository<unknown>("books");
  await books.set("emma", { author: "austen" });
  await books.set("omoo", { author: "melville" });
  const [c, d] = [await blobs("c"), await blobs("d")];
  const make = (name: string, out: typeof c) =>
    functionTask(name, {
      done: outcomes(name),
      links: { book: input(books), person: input(people, { key: field("book.author") }), out: output(out) },
    }, ({ out }) => out.write(""));
  const pipeline = inMemory([make("left", c), make("right", d)]);
  await runAll(pipeline);
  const list = await pipeline.removals("left.person", ["austen"], { recursive: true });
  assert.deepEqual(list.map(({ repository, key }) => `${repository}/${key}`), [
    "people/austen",
    "left/emma",
    "c/emma",
    "right/emma",
    "d/emma",
  ]);
  assert.deepEqual(list[0]!.names, ["left.person", "right.person"]);
});

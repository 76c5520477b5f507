import assert from "node:assert/strict";
import {
  functionTask,
  inhibits,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  requires,
  status,
} from "../../mod.ts";
import { or } from "../../repositories/combine/or.ts";
import { filter } from "../../repositories/combine/filter.ts";
import { blobs, copy, each, inMemory, jobsOf, keysOf, outcomes, runAll } from "./kit.ts";

const fail = (): never => {
  throw new Error("no");
};

Deno.test("A job starts when its key is in all that is required and in nothing that inhibits it", async () => {
  const [a, b, c, no] = [
    await blobs("a", "1", "2", "3"),
    await blobs("b", "1", "2", "4"),
    await blobs("c", "1", "2", "3"),
    await blobs("no", "2"),
  ];
  const task = functionTask("task", {
    done: outcomes(),
    links: { a: input(a), b: input(b), c: requires(c), no: inhibits(no) },
  }, () => {});
  const { events } = await runAll(inMemory([task]));
  assert.deepEqual(jobsOf(events, "finished"), ["task/1"]);
});

Deno.test("A job does not wait for an input that is not required, but sees it when it is there", async () => {
  const [a, extra] = [await blobs("a", "1", "2"), await blobs("extra", "2")];
  const seen: Record<string, boolean> = {};
  const task = functionTask("task", {
    done: outcomes(),
    links: { a: input(a), extra: input(extra, { required: false }) },
  }, async ({ job, extra }) => {
    seen[job] = await extra.exists();
  });
  await runAll(inMemory([task]));
  assert.deepEqual(seen, { 1: false, 2: true });
});

Deno.test("A job that is over does not run again; one whose outcome was deleted does", async () => {
  const a = await blobs("a", "1", "2");
  const done = outcomes();
  const pipeline = inMemory([each("task", a, () => {}, { done })]);
  assert.equal((await runAll(pipeline)).summary.succeeded, 2);
  assert.equal((await runAll(pipeline)).summary.started, 0);
  await done.delete("1");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/1"]);
});

Deno.test("A deleted output is not made again by itself, and what reads it waits", async () => {
  const [a, b, c] = [await blobs("a", "1"), await blobs("b"), await blobs("c")];
  const later = outcomes("later");
  const pipeline = inMemory([copy("first", a, b), copy("second", b, c, { done: later })]);
  await runAll(pipeline);
  await b.delete("1");
  await later.delete("1");
  const { summary } = await runAll(pipeline);
  assert.equal(summary.started, 0);
  assert.deepEqual([summary.tasks.second!.waiting, summary.tasks.second!.done], [1, 0]);
});

Deno.test("An output marked once keeps a job from starting while it is there", async () => {
  const [a, b] = [await blobs("a", "1", "2"), await blobs("b", "1")];
  const done = outcomes();
  const task = functionTask(
    "task",
    { done, links: { a: input(a), b: output(b, { once: true }) } },
    ({ b }) => b.write("new"),
  );
  const pipeline = inMemory([task]);
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/2"]);
  assert.equal(await b.text("1"), "1");
  await done.delete("2");
  assert.equal((await runAll(pipeline)).summary.started, 0);
});

Deno.test("Keys that are injected between runs, and during one, become jobs", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b")];
  const pipeline = inMemory([copy("copy", a, b, {}, async ({ job }) => {
    if (job === "1") await a.put("during", "");
  })]);
  await runAll(pipeline);
  assert.deepEqual(
    await keysOf(b),
    ["1", "during"],
    "nobody announced it: the run looks once more before it ends",
  );
  await b.put("foreign", "");
  await a.put("2", "");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["copy/2"]);
});

Deno.test("A job waits for the success of whoever makes its input, though the key is there already", async () => {
  const [a, b, c] = [await blobs("a", "1", "2"), await blobs("b", "1", "2"), await blobs("c")];
  const order: string[] = [];
  const first = functionTask(
    "first",
    { done: outcomes("d1"), links: { a: input(a), b: output(b) } },
    async ({ job, b }) => {
      await b.write("half");
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (job === "2") fail();
      await b.write("whole");
      order.push(`first/${job}`);
    },
  );
  const second = functionTask(
    "second",
    { done: outcomes("d2"), links: { b: input(b), c: output(c) } },
    async ({ job, b, c }) => {
      order.push(`second/${job}`);
      await c.write(await b.text());
    },
  );
  const { summary } = await runAll(inMemory([second, first]));
  assert.deepEqual(order, ["first/1", "second/1"]);
  assert.equal(await c.text("1"), "whole");
  assert.deepEqual([summary.tasks.first!.failed, summary.tasks.second!.blocked], [1, 1]);
});

Deno.test("A chain goes on behind a failure when the task that failed is failureOk", async () => {
  const [a, b, c] = [await blobs("a", "1"), await blobs("b", "1"), await blobs("c")];
  const first = functionTask("first", {
    done: outcomes("d1"),
    failureOk: true,
    links: { a: input(a), b: output(b) },
  }, fail);
  const { summary } = await runAll(inMemory([first, copy("second", b, c)]));
  assert.deepEqual([summary.failed, summary.succeeded, summary.tasks.second!.blocked], [1, 1, 0]);
});

Deno.test("A failure blocks everything downstream of it, and nothing else", async () => {
  const [a, b, c, d] = [await blobs("a", "1", "2"), await blobs("b"), await blobs("c"), await blobs("d")];
  const { summary } = await runAll(inMemory([
    copy("first", a, b, {}, ({ job }) => job === "1" && fail()),
    copy("second", b, c),
    copy("third", c, d),
  ]));
  assert.deepEqual(await keysOf(d), ["2"]);
  assert.deepEqual([summary.tasks.second!.blocked, summary.tasks.third!.blocked], [1, 1]);
  assert.deepEqual([summary.tasks.second!.waiting, summary.tasks.third!.waiting], [0, 0]);
});

Deno.test("Of several tasks that make one repository, the success of one is enough", async () => {
  const [a, b, shared, c] = [
    await blobs("a", "1", "2"),
    await blobs("b", "1", "3"),
    await blobs("shared"),
    await blobs("c"),
  ];
  const makers = [copy("left", a, shared, {}, ({ job }) => job === "1" && fail()), copy("right", b, shared)];
  const { summary } = await runAll(inMemory([...makers, copy("reader", shared, c)]));
  assert.deepEqual(await keysOf(c), ["1", "2", "3"]);
  assert.equal(summary.tasks.reader!.blocked, 0);
});

Deno.test("Of several tasks that make one repository, the value itself is still required", async () => {
  const [a, shared, c] = [await blobs("a", "1"), await blobs("shared"), await blobs("c")];
  const maker = (name: string) =>
    functionTask(name, {
      done: outcomes(name),
      links: { a: input(a), shared: output(shared, { required: false }) },
    }, () => {});
  const { summary } = await runAll(inMemory([maker("left"), maker("right"), copy("reader", shared, c)]));
  assert.deepEqual([summary.succeeded, summary.tasks.reader!.waiting], [2, 1]);
});

Deno.test("All of several makers must have failed before a job is blocked", async () => {
  const [a, b, shared, c] = [
    await blobs("a", "1", "2"),
    await blobs("b", "1"),
    await blobs("shared"),
    await blobs("c"),
  ];
  const { summary } = await runAll(
    inMemory([
      copy("left", a, shared, {}, fail),
      copy("right", b, shared, {}, fail),
      copy("reader", shared, c),
    ]),
  );
  // Job 2 may still come from the right, should its key come there; job 1 has failed on both sides.
  assert.deepEqual([summary.tasks.reader!.blocked, summary.tasks.reader!.waiting], [1, 1]);
});

Deno.test("Two links between the same two tasks gate each by itself", async () => {
  const [a, b, c, d] = [
    await blobs("a", "1"),
    await blobs("b", "1"),
    await blobs("c", "1"),
    await blobs("d"),
  ];
  const order: string[] = [];
  const first = functionTask("first", {
    done: outcomes("d1"),
    links: { a: input(a), b: output(b), c: output(c) },
  }, async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    order.push("first");
  });
  const second = functionTask("second", {
    done: outcomes("d2"),
    links: { b: input(b), c: input(c), d: output(d) },
  }, async ({ d }) => {
    order.push("second");
    await d.write("");
  });
  await runAll(inMemory([second, first]));
  assert.deepEqual(order, ["first", "second"]);
});

Deno.test("The outputs of a long-running task are used while it runs, and its timeout is a success", async () => {
  const [a, b, c] = [await blobs("a", "1"), await blobs("b"), await blobs("c")];
  const read = Promise.withResolvers<void>();
  const server = functionTask("server", {
    done: outcomes("d1"),
    longRunning: true,
    timeout: 50,
    grace: 0,
    links: { a: input(a), b: output(b) },
  }, async ({ b, signal }) => {
    await b.write("served");
    await read.promise;
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const { summary, events } = await runAll(
    inMemory([server, copy("client", b, c, {}, () => read.resolve())]),
  );
  assert.deepEqual([summary.succeeded, summary.failed], [2, 0]);
  const end = events.find((event) => event.type === "finished" && event.attempt.task === "server");
  assert(end?.type === "finished");
  assert.deepEqual([end.outcome.success, end.outcome.reason, end.outcome.timeout], [true, "timed-out", true]);
});

Deno.test("Data that grows is used while the job runs when its link is not gated", async () => {
  const [a, b, c] = [await blobs("a", "1"), await blobs("b"), await blobs("c")];
  const read = Promise.withResolvers<void>();
  const writer = functionTask("writer", {
    done: outcomes("d1"),
    links: { a: input(a), b: output(b, { gated: false }) },
  }, async ({ b }) => {
    await b.write("some");
    await read.promise;
  });
  const { summary } = await runAll(inMemory([writer, copy("reader", b, c, {}, () => read.resolve())]));
  assert.equal(summary.succeeded, 2);
});

Deno.test("An input that is not required is not read while it is being written", async () => {
  const [a, b, other] = [await blobs("a", "1"), await blobs("b"), await blobs("other", "1")];
  let writing = false;
  const seen: boolean[] = [];
  const writer = functionTask("writer", {
    done: outcomes("d1"),
    priority: 1,
    links: { a: input(a), b: output(b) },
  }, async ({ b }) => {
    writing = true;
    await b.write("");
    await new Promise((resolve) => setTimeout(resolve, 3));
    writing = false;
  });
  const reader = functionTask("reader", {
    done: outcomes("d2"),
    links: { other: input(other), b: input(b, { required: false }) },
  }, () => {
    seen.push(writing);
  });
  await runAll(inMemory([writer, reader]));
  assert.deepEqual(seen, [false]);
});

Deno.test("A task that requires what another makes is gated, though it does not read it", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b", "1")];
  const first = functionTask("first", { done: outcomes("d1"), links: { a: input(a), b: output(b) } }, fail);
  const second = functionTask("second", { done: outcomes("d2"), links: { b: requires(b) } }, () => {});
  const { summary } = await runAll(inMemory([first, second]));
  assert.deepEqual([summary.tasks.second!.blocked, summary.succeeded], [1, 0]);
});

Deno.test("A status link gates nobody, and is no reason to start", async () => {
  const [a, notes, c] = [await blobs("a", "1"), await blobs("notes", "1", "9"), await blobs("c")];
  const first = functionTask(
    "first",
    { done: outcomes("d1"), links: { a: input(a), notes: status(notes) } },
    async ({ notes }) => {
      await notes.write("seen");
      fail();
    },
  );
  const { summary, events } = await runAll(inMemory([first, copy("reader", notes, c)]));
  assert.deepEqual([summary.failed, summary.tasks.reader!.done], [1, 2]);
  assert.deepEqual(jobsOf(events, "started").filter((job) => job.startsWith("first")), ["first/1"]);
});

Deno.test("A task that reads the failures of another runs for those, ungated: a handler", async () => {
  const a = await blobs("a", "1", "2");
  const first = each("first", a, ({ job }) => job === "1" && fail());
  const told: unknown[] = [];
  const handler = functionTask("handler", {
    done: outcomes("d2"),
    links: { failure: input(first.outcomes.failed) },
  }, async ({ job, failure }) => {
    told.push([job, (await failure.get()).error?.message]);
  });
  const { summary } = await runAll(inMemory([handler, first]));
  assert.deepEqual(told, [["1", "no"]]);
  assert.deepEqual([summary.failed, summary.succeeded], [1, 2]);
});

Deno.test("A task that reads the outcomes of another runs for success and failure alike", async () => {
  const a = await blobs("a", "1", "2");
  const first = each("first", a, ({ job }) => job === "1" && fail());
  const after = functionTask("after", {
    done: outcomes("d2"),
    links: { outcome: input(first.outcomes.done) },
  }, () => {});
  const { events } = await runAll(inMemory([after, first]));
  assert.deepEqual(jobsOf(events, "finished").sort(), ["after/1", "after/2", "first/1", "first/2"]);
});

Deno.test("A disabled task starts nothing, and what it would make is used as it is", async () => {
  const [a, b, c] = [await blobs("a", "1"), await blobs("b", "7"), await blobs("c")];
  const { summary } = await runAll(inMemory([copy("off", a, b, { disabled: true }), copy("on", b, c)]));
  assert.deepEqual([summary.started, await keysOf(c)], [1, ["7"]]);
});

Deno.test("Pipeline.run starts the chosen tasks only: tasks, notTasks, and both together", async () => {
  for (
    const [options, expected] of [
      [{ tasks: ["a", "b"] }, ["a/1", "b/1"]],
      [{ notTasks: ["a"] }, ["b/1", "c/1"]],
      [{ tasks: ["a", "b"], notTasks: ["a", "c"] }, ["b/1"]],
      [{ tasks: [] }, []],
    ] as const
  ) {
    const books = await blobs("books", "1");
    const { events } = await runAll(inMemory(["a", "b", "c"].map((name) => each(name, books))), options);
    assert.deepEqual(jobsOf(events, "finished").sort(), expected, JSON.stringify(options));
  }
});

Deno.test("A task that was not chosen still gates what it makes", async () => {
  const [a, b, c] = [await blobs("a", "1"), await blobs("b", "1"), await blobs("c")];
  const { summary } = await runAll(inMemory([copy("first", a, b), copy("second", b, c)]), {
    tasks: ["second"],
  });
  assert.deepEqual([summary.started, summary.tasks.second!.waiting], [0, 1]);
});

Deno.test("Tasks in a circle each do their part, and stop", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b")];
  const done = new MemoryMetadataRepository("d");
  const forth = functionTask("forth", { done, links: { a: input(a), b: output(b) } }, ({ b }) => b.write(""));
  const back = functionTask("back", {
    done: outcomes("d2"),
    links: { b: input(b), a: output(a, { gated: false }) },
  }, ({ a }) => a.write("again"));
  const { summary } = await runAll(inMemory([back, forth]));
  assert.deepEqual([summary.succeeded, await a.text("1")], [2, "again"]);
});

Deno.test("A task that reads a view is gated by whoever writes the stores beneath, where somebody does", async () => {
  const [a, b, other, c] = [
    await blobs("a", "1", "2"),
    await blobs("b", "1"),
    await blobs("other", "3"),
    await blobs("c"),
  ];
  const view = or(filter(b, (key) => key !== "2"), other) as MemoryBlobRepository;
  const order: string[] = [];
  const note = (task: string) => ({ job }: { job: string }) => void order.push(`${task}/${job}`);
  const pipeline = inMemory([
    copy("reader", view, c, {}, note("reader")),
    copy("writer", a, b, {}, note("writer")),
  ]);
  await runAll(pipeline);
  assert.deepEqual(
    await keysOf(c),
    ["1", "3"],
    "job 3 lies only where no task writes; job 9 waits for its maker",
  );
  assert(order.indexOf("writer/1") < order.indexOf("reader/1"));
});

Deno.test("What a task publishes under a second repository of the same key is seen at once", async () => {
  const [a, b, meta, c] = [
    await blobs("a", "1"),
    await blobs("b"),
    new MemoryMetadataRepository<{ n: number }>("meta"),
    await blobs("c"),
  ];
  const first = functionTask("first", {
    done: outcomes("d1"),
    links: { a: input(a), b: output(b, { cokeyed: { meta } }) },
  }, async ({ b }) => {
    await b.meta.write({ n: 3 });
    await b.write("x");
  });
  const second = functionTask(
    "second",
    { done: outcomes("d2"), links: { meta: input(meta), c: output(c) } },
    async ({ meta, c }) => {
      await c.write(String((await meta.get()).n));
    },
  );
  await runAll(inMemory([second, first]));
  assert.equal(await c.text("1"), "3");
});

Deno.test("A cokeyed repository is gated by the task that writes it", async () => {
  const [a, b, meta] = [
    await blobs("a", "1"),
    await blobs("b"),
    new MemoryMetadataRepository<number>("meta"),
  ];
  const first = functionTask("first", {
    done: outcomes("d1"),
    links: { a: input(a), b: output(b, { cokeyed: { meta } }) },
  }, async ({ b }) => {
    await b.meta.write(1);
    fail();
  });
  const second = functionTask("second", { done: outcomes("d2"), links: { meta: input(meta) } }, () => {});
  const { summary } = await runAll(inMemory([second, first]));
  assert.equal(summary.tasks.second!.blocked, 1);
});

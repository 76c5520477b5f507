import assert from "node:assert/strict";
import {
  field,
  functionTask,
  inhibits,
  input,
  MemoryMetadataRepository,
  output,
  Pipeline,
  processTask,
  requires,
  type TaskStatus,
} from "../../mod.ts";
import { fakeExecutor } from "../../testing/fake_executor.ts";
import { ManualClock } from "../../testing/manual_clock.ts";
import { takeLease } from "../../pipeline/lease.ts";
import { inFolder } from "../kit/folder.ts";
import { until } from "../kit/waiting.ts";
import { blobs, copy, each, inMemory, outcomes, runAll } from "./kit.ts";

const none = { waiting: 0, ready: 0, running: 0, retrying: 0, done: 0, failed: 0, blocked: 0 };

async function chain() {
  const [a, b, c] = [await blobs("a", "1", "2", "3"), await blobs("b"), await blobs("c")];
  const stop = await blobs("stop", "3");
  const first = copy("first", a, b, {}, ({ job }) => {
    if (job === "2") throw new Error("bad luck\nand more");
  });
  const second = functionTask("second", {
    done: outcomes("second-done"),
    links: { b: input(b), c: output(c), stop: inhibits(stop) },
  }, ({ c }) => c.write(""));
  const pipeline = inMemory([second, first], { clock: new ManualClock() });
  return { a, b, c, stop, first, second, pipeline };
}

Deno.test("status tells how many jobs are in which state, and what each link holds", async () => {
  const { pipeline } = await chain();
  const before = await pipeline.status();
  assert.deepEqual(before.tasks.map(({ name, counts }) => [name, counts]), [
    ["first", { ...none, ready: 3 }],
    ["second", { ...none, waiting: 2 }],
  ]);
  await runAll(pipeline);
  const after = await pipeline.status();
  assert.deepEqual(after.tasks.map(({ name, counts }) => [name, counts]), [
    ["first", { ...none, done: 2, failed: 1 }],
    ["second", { ...none, done: 1, blocked: 1 }],
  ]);
  const { name, coordinator, tasks } = after;
  assert.deepEqual([name, coordinator, tasks[0]!.kind, tasks[0]!.disabled, tasks[0]!.running], [
    "pipeline",
    undefined,
    "function",
    false,
    [],
  ]);
  const link = tasks[0]!.links.find(({ name }) => name === "first.from");
  assert.deepEqual(link, {
    name: "first.from",
    direction: "in",
    kind: "blob",
    repository: "a",
    count: 3,
    first: ["1", "2", "3"],
  });
  assert.deepEqual(tasks[1]!.links.map(({ name, count }) => `${name} ${count}`), [
    "second.b 2",
    "second.c 1",
    "second.stop 1",
    "second.done 1",
    "second.success 1",
    "second.failed 0",
  ]);
});

Deno.test("status and why answer from the run while it runs", async () => {
  const a = await blobs("a", "1", "2");
  const release = Promise.withResolvers<void>();
  const pipeline = inMemory([each("task", a, () => release.promise, { concurrency: 1 })]);
  const run = pipeline.run();
  await until(() => run.running().length === 1);
  assert.deepEqual((await pipeline.status()).tasks[0]!.counts, { ...none, running: 1, ready: 1 });
  assert.deepEqual((await pipeline.why("task", "1")).text, `It is running (in process ${Deno.pid})`);
  assert.equal(
    (await pipeline.why("task", "2")).text,
    "It is ready: the run under way starts it as soon as there is room",
  );
  release.resolve();
  await run.finished;
});

Deno.test("status and why say where a job of another process runs, and what it waits for", async () => {
  const a = await blobs("a", "1", "2");
  const executor = fakeExecutor({
    runFor: Infinity,
    waiting: ({ attempt }) => attempt.job === "1" ? "no node has room" : undefined,
  });
  const state = await Deno.makeTempDir();
  const task = processTask("task", { done: outcomes(), executor, links: { a: requires(a) }, script: ":" });
  const run = new Pipeline({ state, tasks: [task] }).run();
  await until(() => run.running().length === 2);
  const pipeline = new Pipeline({ state, tasks: [task] });
  const [{ running }] = (await pipeline.status()).tasks as [TaskStatus];
  assert.deepEqual(running.map(({ job, where, waiting }) => [job, where, waiting]), [
    ["1", "fake 0", "no node has room"],
    ["2", "fake 1", undefined],
  ]);
  assert.equal((await pipeline.why("task", "1")).text, "It is running (fake 0): no node has room");
  assert.equal((await pipeline.why("task", "2")).text, "It is running (fake 1)");
  run.stop("stop");
  await run.finished;
  await Deno.remove(state, { recursive: true });
});

Deno.test("why says who starts what is ready while another process runs the pipeline", () =>
  inFolder(async (state) => {
    const links = { a: requires(await blobs("a", "1")) };
    const task = processTask("task", { done: outcomes(), executor: fakeExecutor(), links, script: ":" });
    const pipeline = new Pipeline({ state, tasks: [task] });
    await Deno.mkdir(`${state}/pipeline`);
    await using lease = await takeLease(`${state}/pipeline/lease`, { whenHeld: "fail" });
    assert.equal(
      (await pipeline.why("task", "1")).text,
      `It is ready: the run under way (process ${Deno.pid} on ${lease.holder.host}) starts it as soon as there is room, unless it leaves task task out`,
    );
  }));

Deno.test("why says in which state a job is, and which condition keeps it there", async () => {
  const { pipeline, a } = await chain();
  const why = async (task: string, job: string): Promise<unknown[]> => {
    const { state, text } = await pipeline.why(task, job);
    return [state, text];
  };
  assert.deepEqual(await why("first", "1"), [
    "ready",
    "It is ready: the next run starts it as soon as there is room",
  ]);
  assert.deepEqual(await why("second", "1"), ["waiting", 'It waits: "1" is not in b (b), which it needs']);
  assert.deepEqual(await why("first", "9"), [
    "unknown",
    'Task first has no job "9": "9" is not in from (a), which it needs',
  ]);
  await runAll(pipeline);
  await a.put("4", "");
  assert.deepEqual(await why("first", "1"), ["done", "It succeeded after 0ms"]);
  assert.deepEqual(await why("first", "2"), [
    "failed",
    "It failed after 0ms: bad luck; see datatask logs first 2, then datatask retry first 2",
  ]);
  assert.deepEqual(await why("second", "2"), [
    "blocked",
    'It will not start by itself: b is made by first: first has failed with "2"',
  ]);
  assert.deepEqual(await why("second", "3"), [
    "waiting",
    'It waits: "3" is in stop (stop), which keeps it from starting',
  ]);
  const { conditions, outcome, attempts } = await pipeline.why("second", "2");
  assert.deepEqual([outcome, attempts], [undefined, []]);
  assert.deepEqual(conditions, [
    {
      state: "unmet",
      text: '"2" is not in b (b), which it needs',
      advice: undefined,
      link: "b",
      gate: "present",
    },
    {
      state: "never",
      text: 'b is made by first: first has failed with "2"',
      advice: "datatask logs first 2, then datatask retry first 2",
      link: "b",
      gate: "present",
    },
    { state: "met", text: '"2" is not in stop (stop)', advice: undefined, link: "stop", gate: "absent" },
  ]);
  const [, , stop] = (await pipeline.why("second", "3")).conditions;
  assert.equal(stop!.advice, "remove it there: datatask rm second.stop 3");
});

Deno.test("why tells of disabled tasks, missing keys, and jobs that wait for their next attempt", async () => {
  const clock = new ManualClock();
  const a = await blobs("a", "1");
  const books = new MemoryMetadataRepository<unknown>("books");
  await books.set("1", {});
  const retried = each("retried", a, () => {
    throw new Error("no");
  }, { retry: { attempts: 3, delay: "10m", jitter: 0 } });
  const keyed = functionTask("keyed", {
    done: outcomes(),
    links: { book: input(books), person: input(a, { key: field("book.author") }) },
  }, () => {});
  const pipeline = inMemory([each("off", a, () => {}, { disabled: true }), retried, keyed], { clock });
  assert.equal((await pipeline.why("off", "1")).text, "It is ready, but task off is disabled");
  assert.equal(
    (await pipeline.why("keyed", "1")).text,
    "It waits: the job has no key in person (a): book.author gives none",
  );
  const run = pipeline.run();
  for await (const event of run) if (event.type === "retrying") run.stop("stop");
  clock.advance("4m");
  const why = await pipeline.why("retried", "1");
  assert.deepEqual([why.state, why.text, why.attempts.length], [
    "retrying",
    "It failed after 0ms: no, and will be tried again in 6m (attempt 2 of 3)",
    1,
  ]);
  assert.equal((await pipeline.status()).tasks.find(({ name }) => name === "retried")!.counts.retrying, 1);
  assert.deepEqual((await pipeline.plan()).start, []);
  clock.advance("7m");
  assert.deepEqual((await pipeline.plan()).start.map(({ job, attempt }) => [job, attempt]), [["1", 2]]);
});

Deno.test("whyTask tells how many jobs each condition lets through, and shows some that wait", async () => {
  const { pipeline } = await chain();
  await runAll(pipeline);
  assert.deepEqual(await pipeline.whyTask("second"), {
    task: "second",
    counts: { ...none, done: 1, blocked: 1 },
    conditions: [
      { text: "in b (b)", link: "b", gate: "present", count: 2, missing: ["2"] },
      { text: "first has succeeded", link: "b", gate: "present", count: 2, missing: ["2"] },
      { text: "not in stop (stop)", link: "stop", gate: "absent", count: 2, missing: ["3"] },
    ],
    examples: [
      { job: "2", state: "blocked", text: 'b is made by first: first has failed with "2"' },
      { job: "3", state: "waiting", text: '"3" is in stop (stop), which keeps it from starting' },
    ],
  });
});

Deno.test("whyTask says how jobs have failed", async () => {
  const { pipeline } = await chain();
  await runAll(pipeline);
  assert.deepEqual((await pipeline.whyTask("first")).examples, [
    { job: "2", state: "failed", text: "failed after 0ms: bad luck" },
  ]);
});

Deno.test("plan promises no job that lacks what nobody brings", async () => {
  const [raw, approved] = [await blobs("raw", "a", "b", "c"), await blobs("approved", "a")];
  const [clean, loud] = [await blobs("clean"), await blobs("loud")];
  const shout = functionTask("shout", {
    done: outcomes("shout-done"),
    links: { clean: input(clean), approved: requires(approved), loud: output(loud) },
  }, () => {});
  const { start, downstream } = await inMemory([copy("wash", raw, clean), shout]).plan();
  assert.equal(start.length, 3);
  assert.deepEqual(downstream, { wash: 0, shout: 1 });
});

Deno.test("whyTask says of a key only that it is missing when it was asked for", async () => {
  const [raw, owners] = [await blobs("raw", "a", "b"), await blobs("owners", "ada")];
  const meta = new MemoryMetadataRepository<{ owner: string }>("meta");
  // What lacks nothing else, what has another owner, and what lacks its text.
  for (const [key, owner] of [["a", "ada"], ["b", "bob"], ["c", "ada"]] as const) {
    await meta.set(key, { owner });
  }
  const clean = functionTask("clean", {
    done: outcomes(),
    links: { raw: input(raw), meta: input(meta), owner: input(owners, { key: field("meta.owner") }) },
  }, () => {});
  const { conditions } = await inMemory([clean]).whyTask("clean");
  assert.deepEqual(conditions.map(({ link, missing }) => [link, missing]), [
    ["raw", ["c"]],
    ["meta", []],
    ["owner", ["b"]],
  ]);
});

Deno.test("trace finds a job in every link of every task, by its key there", async () => {
  const { pipeline, first } = await chain();
  await runAll(pipeline);
  const { job, tasks } = await pipeline.trace("2");
  assert.equal(job, "2");
  assert.deepEqual(
    tasks.map(({ name, state, links }) => [
      name,
      state,
      ...links.filter(({ present }) => present).map(({ name }) => name),
    ]),
    [
      ["first", "failed", "first.from", "first.done", "first.failed"],
      ["second", "blocked"],
    ],
  );
  assert.deepEqual(tasks[0]!.outcome, await first.outcomes.failed.get("2"));
  assert.deepEqual(tasks[0]!.links[0], {
    name: "first.from",
    key: "2",
    present: true,
    direction: "in",
    repository: "a",
  });
  assert(
    (await pipeline.trace("nowhere")).tasks.every(({ state, links }) =>
      state === "unknown" && links.every(({ present }) => !present)
    ),
  );
});

Deno.test("plan tells what a run would start, what would wait and for what, and starts nothing", async () => {
  const { pipeline, first } = await chain();
  const report = await pipeline.plan();
  assert.deepEqual(
    report.start.map(({ task, job, replica, attempt, priority }) => [task, job, replica, attempt, priority]),
    [
      ["first", "1", 0, 1, 0],
      ["first", "2", 0, 1, 0],
      ["first", "3", 0, 1, 0],
    ],
  );
  assert.deepEqual([report.wait, report.ready, report.downstream], [[], 3, { first: 0, second: 2 }]);
  assert.equal((await Array.fromAsync(first.outcomes.done)).length, 0);
  assert.deepEqual((await pipeline.plan({ notTasks: ["first"] })).start, []);
  const a = await blobs("a", "1", "2");
  const narrow = inMemory([
    each("task", a, () => {}, { concurrency: 1 }),
    each("off", a, () => {}, { disabled: true }),
  ]);
  assert.deepEqual((await narrow.plan()).wait, [{ task: "task", job: "2", for: "concurrency" }]);
  assert.deepEqual((await narrow.plan()).start.map(({ task }) => task), ["task"]);
});

Deno.test("graph draws tasks and repositories once each, in the order of the flow", async () => {
  const { pipeline } = await chain();
  const { nodes, edges } = await pipeline.graph({ counts: true });
  assert.deepEqual(nodes.map((node) => `${node.type} ${node.label}`), [
    "task first",
    "repository a",
    "repository b",
    "task second",
    "repository c",
    "repository stop",
  ]);
  const label = new Map(nodes.map(({ id, label }) => [id, label]));
  assert.deepEqual(
    edges.map(({ from, to, link, direction }) =>
      `${label.get(from)} -> ${label.get(to)} (${link}, ${direction})`
    ),
    [
      "a -> first (from, in)",
      "first -> b (to, out)",
      "b -> second (b, in)",
      "second -> c (c, out)",
      "stop -> second (stop, gate)",
    ],
  );
  const [first, a] = nodes;
  assert(first?.type === "task" && a?.type === "repository");
  assert.deepEqual([first.counts, a.count], [{ ...none, ready: 3 }, 3]);
  const plain = await pipeline.graph();
  assert.equal(plain.nodes.length, 6);
  assert(
    plain.nodes.every((node) => node.type === "task" ? node.counts === undefined : node.count === undefined),
  );
});

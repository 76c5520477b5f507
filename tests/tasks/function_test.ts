import assert from "node:assert/strict";
import {
  type Bound,
  type FunctionContext,
  functionTask,
  input,
  type Links,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  type Outcome,
  output,
  status,
  type Task,
  type TaskOptions,
} from "../../mod.ts";
import { faulty } from "../../testing/faulty.ts";
import { ManualClock } from "../../testing/manual_clock.ts";
import { until } from "../kit/waiting.ts";
import { blobs, each, inMemory, keysOf, outcomes, runAll } from "../pipeline/kit.ts";

/** Runs a body for one job with an output, and gives the outcome. */
async function outcomeOf(
  body: (
    context: FunctionContext & Bound<{ out: ReturnType<typeof output<MemoryBlobRepository>> }>,
  ) => unknown,
  options: Partial<TaskOptions<Links>> & { readonly out?: MemoryBlobRepository } = {},
): Promise<Outcome> {
  const { out = new MemoryBlobRepository("out"), ...rest } = options;
  const a = await blobs("a", "1");
  const task = functionTask(
    "task",
    { done: outcomes(), ...rest, links: { a: input(a), out: output(out) } },
    body,
  );
  await runAll(inMemory([task]));
  return await task.outcomes.done.get("1");
}

Deno.test("A body gets its job, its attempt, its quota and its links, bound and typed", async () => {
  const text = await blobs("text", "1");
  const documents = new MemoryMetadataRepository<{ n: number }>("documents");
  await documents.set("1", { n: 3 });
  const trees = new MemoryFilesystemRepository("trees");
  const encoder = new TextEncoder();
  await trees.put("1", [{
    kind: "file",
    path: "f",
    mode: 0o644,
    size: 2,
    open: () => Promise.resolve(new Blob([encoder.encode("hi")]).stream()),
  }]);
  const [outText, outDocuments, outTrees] = [
    new MemoryBlobRepository("x"),
    new MemoryMetadataRepository<string>("y"),
    new MemoryFilesystemRepository("z"),
  ];
  let seen: unknown;
  const task = functionTask("task", {
    done: outcomes(),
    quota: { cpu: "500m" },
    links: {
      text: input(text),
      doc: input(documents),
      tree: input(trees),
      value: input(documents, { as: "value" }),
      key: input(text, { as: "key" }),
      hidden: input(text, { as: "none" }),
      outText: output(outText),
      outDoc: output(outDocuments),
      outTree: output(outTrees),
    },
  }, async (context) => {
    const {
      job,
      task,
      attempt,
      replica,
      quota,
      signal,
      text,
      doc,
      tree,
      value,
      key,
      outText,
      outDoc,
      outTree,
    } = context;
    seen = [
      job,
      task,
      attempt,
      replica,
      quota,
      signal.aborted,
      await text.text(),
      await doc.get(),
      value,
      key,
      text.key,
      await doc.find(),
      context.hidden,
    ];
    assert.deepEqual(await new Response(await text.stream()).text(), "1");
    assert.deepEqual(await text.bytes(), encoder.encode("1"));
    assert.equal(await new Response(await tree.open("f")).text(), "hi");
    assert.deepEqual((await Array.fromAsync(await tree.entries())).map(({ path }) => path), ["f"]);
    const stream = outText.create().getWriter();
    await stream.write(encoder.encode("streamed"));
    await stream.close();
    await outDoc.write("document");
    await outTree.write(await tree.entries());
    assert.equal(await outText.exists(), true);
    assert.equal(await outText.text(), "streamed");
  });
  const { summary } = await runAll(inMemory([task]));
  assert.equal(summary.succeeded, 1, JSON.stringify(await task.outcomes.done.find("1")));
  assert.deepEqual(seen, [
    "1",
    "task",
    1,
    0,
    { cpu: 0.5 },
    false,
    "1",
    { n: 3 },
    { n: 3 },
    "1",
    "1",
    { n: 3 },
    undefined,
  ]);
  assert.deepEqual([await outText.text("1"), await outDocuments.get("1"), await keysOf(outTrees)], [
    "streamed",
    "document",
    ["1"],
  ]);
});

Deno.test("An input cannot be written through its link", async () => {
  const a = await blobs("a", "1");
  let names: string[] = [];
  await runAll(
    inMemory([
      functionTask(
        "task",
        { done: outcomes(), links: { a: input(a) } },
        ({ a }) => void (names = Object.keys(a)),
      ),
    ]),
  );
  assert.deepEqual(names.filter((name) => name === "write" || name === "create"), []);
});

Deno.test("An outcome tells when, where, and what was thrown, whatever it was", async () => {
  const cases: [unknown, string, string][] = [
    [new TypeError("bad"), "TypeError", "bad"],
    ["text", "string", "text"],
    [undefined, "undefined", "undefined"],
    [Object.assign(Object.create(null), { odd: true }), "object", "[Object: null prototype] { odd: true }"],
    [new Error("half \ud800 character"), "Error", "half \ufffd character"],
  ];
  for (const [thrown, name, message] of cases) {
    const outcome = await outcomeOf(() => {
      throw thrown;
    });
    assert.deepEqual([outcome.success, outcome.reason, outcome.error?.name, outcome.error?.message], [
      false,
      "failed",
      name,
      message,
    ]);
    assert.equal(outcome.error?.stack !== undefined, thrown instanceof Error);
    assert(outcome.start <= outcome.end && outcome.seconds >= 0 && outcome.host !== "" && !outcome.timeout);
  }
});

Deno.test("A job whose body returns without its output has failed, and is told which", async () => {
  const outcome = await outcomeOf(() => {});
  assert.deepEqual([outcome.success, outcome.reason, outcome.error], [false, "missing-output", {
    name: "MissingOutput",
    message:
      'The body returned, but "1" is not in out (link out); write it, or mark the link { required: false }',
  }]);
});

Deno.test("An output that the body does not see, or sees as a key, is expected all the same", async () => {
  for (const as of ["none", "key"] as const) {
    for (const writes of [true, false]) {
      const [a, out] = [await blobs("a", "1"), await blobs("out")];
      const task = functionTask("task", {
        done: outcomes(),
        links: { a: input(a), out: output(out, { as }) },
      }, async () => {
        if (writes) await out.put("1", "");
      });
      const { summary } = await runAll(inMemory([task]));
      assert.deepEqual([summary.succeeded, summary.failed], writes ? [1, 0] : [0, 1], `${as} ${writes}`);
    }
  }
});

Deno.test("An output that is not required may be left out; one that was there before is enough", async () => {
  const [a, out, there] = [await blobs("a", "1"), await blobs("out"), await blobs("there", "1")];
  const task = functionTask("task", {
    done: outcomes(),
    links: { a: input(a), out: output(out, { required: false }), there: output(there) },
  }, () => {});
  assert.equal((await runAll(inMemory([task]))).summary.succeeded, 1);
});

Deno.test("A rerun replaces its output", async () => {
  const out = await blobs("out");
  const a = await blobs("a", "1");
  let n = 0;
  const done = outcomes();
  const task = functionTask("task", {
    done,
    retry: { attempts: 2, delay: 0 },
    links: { a: input(a), out: output(out) },
  }, async ({ out }) => {
    await out.write(`attempt ${++n}`);
    if (n === 1) throw new Error("after writing");
  });
  await runAll(inMemory([task]));
  assert.equal(await out.text("1"), "attempt 2");
});

Deno.test("A body that is stopped has not succeeded, whatever it returns", async () => {
  const outcome = await outcomeOf(async ({ out, signal }) => {
    await out.write("early");
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  }, { timeout: 5 });
  assert.deepEqual([outcome.success, outcome.reason, outcome.timeout], [false, "timed-out", true]);
});

Deno.test("A body that does not end when it is stopped holds nothing up, and publishes nothing any more", async () => {
  const out = await blobs("out");
  const late = Promise.withResolvers<void>();
  const refused: unknown[] = [];
  let ended = Promise.resolve();
  const outcome = await outcomeOf(({ out }) =>
    ended = (async () => {
      await late.promise;
      await out.write("late").catch((error) => refused.push(error.message));
      await out.text().catch((error) => refused.push(error.message));
      try {
        out.create();
      } catch (error) {
        refused.push((error as Error).message);
      }
    })(), { timeout: 5, grace: 5, out });
  assert.equal(outcome.reason, "timed-out");
  late.resolve();
  await ended;
  const text = "The time for this attempt is over";
  assert.deepEqual(refused, [text, text, text]);
  assert.deepEqual(await keysOf(out), []);
});

Deno.test("A body that has returned publishes nothing any more", async () => {
  let late: (() => Promise<void>) | undefined;
  const out = await blobs("out");
  await outcomeOf(async ({ out }) => {
    await out.write("in time");
    late = () => out.write("late");
  }, { out });
  await assert.rejects(late!(), {
    code: "conflict",
    message:
      'Cannot use a link of job "1" of task task: attempt 1 is over; wait for all that the body has begun before it returns',
  });
  assert.equal(await out.text("1"), "in time");
});

Deno.test("A write that the body has not waited for is waited for, and its failure is the job's", async () => {
  const out = await blobs("out");
  assert.equal((await outcomeOf(({ out }) => void out.write("floating"), { out })).success, true);
  assert.equal(await out.text("1"), "floating");
  const bad = new MemoryBlobRepository("out").with(
    faulty({ rate: 1, on: ["write"] }),
  ) as MemoryBlobRepository;
  const outcome = await outcomeOf(({ out }) => void out.write("floating"), { out: bad });
  assert.equal(outcome.reason, "failed");
  assert.match(outcome.error!.message, /was made to fail/);
});

Deno.test("A stream that is not closed shows nothing, and does not hold the job", async () => {
  const out = await blobs("out");
  for (const ends of [() => {}, () => Promise.reject(new Error("no"))]) {
    const outcome = await outcomeOf(async ({ out }) => {
      const writer = out.create().getWriter();
      await writer.write(new Uint8Array([1]));
      writer.closed.catch(() => {});
      await ends();
    }, { out });
    assert.equal(outcome.success, false);
    assert.deepEqual(await keysOf(out), []);
  }
});

Deno.test("A failed write that the body gets over is no failure", async () => {
  const bad = new MemoryBlobRepository("out").with(faulty({ nth: 1, on: ["write"] })) as MemoryBlobRepository;
  const outcome = await outcomeOf(async ({ out }) => {
    await out.write("one").catch(() => {});
    await out.write("two");
  }, { out: bad });
  assert.deepEqual([outcome.success, await bad.text("1")], [true, "two"]);
});

Deno.test("A job whose input is gone when its body reads it has failed with a text that says so", async () => {
  const a = await blobs("a", "1");
  const task = each("task", a, async () => {
    await a.delete("1");
  });
  const late = functionTask("late", { done: outcomes(), links: { a: input(a) } }, async ({ a: link }) => {
    await a.delete("1");
    await link.text();
  });
  await runAll(inMemory([late]));
  assert.equal(
    (await late.outcomes.failed.get("1")).error?.message,
    'Cannot read "1" of a: there is no such key',
  );
  assert.equal(task.kind, "function");
});

Deno.test("A status link is written by the body, and not expected", async () => {
  const [a, notes] = [await blobs("a", "1", "2"), await blobs("notes")];
  const task = functionTask(
    "task",
    { done: outcomes(), links: { a: input(a), notes: status(notes) } },
    async ({ job, notes }) => {
      if (job === "1") await notes.write("noted");
    },
  );
  assert.equal((await runAll(inMemory([task]))).summary.succeeded, 2);
  assert.deepEqual(await keysOf(notes), ["1"]);
});

Deno.test("A link whose key cannot be found when the job runs fails the job with a text that says so", async () => {
  const a = await blobs("a", "1");
  const task = functionTask("task", {
    done: outcomes(),
    links: { a: input(a), other: input(a, { required: false, key: () => undefined }) },
  }, () => {});
  await runAll(inMemory([task]));
  assert.equal(
    (await task.outcomes.failed.get("1")).error?.message,
    'Cannot find the key of job "1" in link task.other: key gives none',
  );
});

Deno.test("Lines that a body logs are events, and are kept with what it threw; each attempt keeps its own", async () => {
  const a = await blobs("a", "1");
  const logs = await blobs("logs");
  const task = each("task", a, ({ attempt, log }) => {
    log("attempt", attempt, { deep: [1, { x: 2 }] });
    if (attempt < 3) throw new Error(`failure ${attempt}`);
  }, { logs, retry: { attempts: 3, delay: 0 } });
  const pipeline = inMemory([task]);
  const { events } = await runAll(pipeline);
  assert.deepEqual(
    events.flatMap((event) => event.type === "log" ? [event.line] : []),
    [1, 2, 3].map((n) => `attempt ${n} { deep: [ 1, { x: 2 } ] }`),
  );
  const read = async (attempt?: number): Promise<string> =>
    await new Response(await pipeline.logs("task", "1", attempt ? { attempt } : {})).text();
  assert.equal(await read(), "attempt 3 { deep: [ 1, { x: 2 } ] }\n");
  assert.match(await read(1), /^attempt 1 \{ deep: \[ 1, \{ x: 2 \} \] \}\nError: failure 1\n {4}at /);
  assert.match(await read(2), /^attempt 2 .*\nError: failure 2\n {4}at /);
  await pipeline.close();
});

Deno.test("A later attempt that says nothing leaves an empty log in place of the log of the attempt before", async () => {
  const [a, logs] = [await blobs("a", "1"), await blobs("logs")];
  const task = each("task", a, ({ attempt }) => {
    if (attempt === 1) throw new Error("first");
  }, { logs, retry: { attempts: 2, delay: 0 } });
  await runAll(inMemory([task]));
  assert.equal(await logs.text("1"), "");
});

Deno.test("The log of a body that says very much keeps its beginning and its end", async () => {
  const [a, logs] = [await blobs("a", "1"), await blobs("logs")];
  const line = "x".repeat(1000);
  await runAll(inMemory([each("task", a, ({ log }) => {
    log("first");
    for (let i = 0; i < 4000; i++) log(line);
    log("last");
  }, { logs })]));
  const text = await logs.text("1");
  assert(text.startsWith("first\nxxx") && text.endsWith("xxx\nlast\n"));
  assert.match(text, /\n\.\.\. \d+ lines left out \.\.\.\n/);
  assert(text.length < 2.2 * 2 ** 20);
});

Deno.test("A log that cannot be kept is told of, and changes nothing for the job", async () => {
  const a = await blobs("a", "1");
  const logs = new MemoryBlobRepository("logs").with(
    faulty({ rate: 1, on: ["write"] }),
  ) as MemoryBlobRepository;
  const { summary, events } = await runAll(inMemory([each("task", a, ({ log }) => log("hello"), { logs })]));
  assert.equal(summary.succeeded, 1);
  const [trouble] = events.flatMap((event) => event.type === "trouble" ? [event.message] : []);
  assert.match(trouble!, /^Cannot keep the log of job "1" of task task: /);
});

Deno.test("A body in its grace is ended by the clock of the pipeline", async () => {
  const clock = new ManualClock();
  const a = await blobs("a", "1");
  const task: Task = each("task", a, () => new Promise(() => {}), { timeout: "1m", grace: "30s" });
  const run = inMemory([task], { clock }).run();
  await until(() => run.running().length === 1);
  clock.advance("1m");
  await until(() => clock.waiting > 0);
  assert.equal(run.running().length, 1);
  clock.advance("30s");
  assert.equal((await run.finished).failed, 1);
  assert.equal((await task.outcomes.failed.get("1")).seconds, 90);
});

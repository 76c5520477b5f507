/** Tests of pipelines in isolation. */
import assert from "node:assert/strict";
import {
  and,
  defineTask,
  field,
  FileRepository,
  functionTask,
  input,
  json,
  keeping,
  lookup,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  outputs,
  Pipeline,
  requires,
  Session,
  stream,
} from "../../mod.ts";
import { assertHistory, fake, faulty, testPipeline } from "../../testing/mod.ts";
import { MetadataRepository } from "../../repositories/metadata.ts";
import { encoded } from "../../repositories/encoded.ts";

/** A pipeline over folders that do not exist and must not be made. */
function bookPipeline(retry = 1) {
  const folder = "/nowhere/that/can/be/written";
  const books = new FileRepository(`${folder}/books`, { extension: ".txt" });
  const reports = new FileRepository(`${folder}/reports`, { extension: ".txt" });
  const ranks = new FileRepository(`${folder}/ranks`, { extension: ".txt" });
  const results = (name: string) =>
    new MetadataRepository(
      encoded(new FileRepository(`${folder}/${name}`, { extension: ".json" }).driver, json),
    );
  const session = new Session();
  session.resource("database", () => Promise.reject(new Error("a test must not connect")));
  const count = functionTask(
    "count",
    {
      done: results("count"),
      retry: { attempts: retry, delay: "1m", jitter: 0 },
      links: { books: input(books), reports: output(reports) },
    },
    async ({ books, reports, attempt, log }) => {
      log(`attempt ${attempt}`);
      const text = await books.text();
      if (text === "bad" || (text === "shy" && attempt === 1)) throw new Error("unreadable");
      await reports.write(String(text.split(/\s+/).length));
    },
  );
  const rank = functionTask(
    "rank",
    { done: results("rank"), links: { reports: input(reports), ranks: output(ranks) } },
    async ({ reports, ranks }) => await ranks.write(Number(await reports.text()) > 2 ? "long" : "short"),
  );
  return { books, reports, ranks, count, rank, pipeline: new Pipeline({ tasks: [rank, count], session }) };
}

Deno.test("testPipeline runs the bodies over memory and opens no resource", async () => {
  const { pipeline, books, ranks } = bookPipeline();
  await using test = testPipeline(pipeline);
  await test.standIn(books).put("emma", "Emma Woodhouse handsome clever");
  await test.standIn(books).put("ulysses", "Stately");
  const summary = await test.run();
  assert.equal(summary.succeeded, 4);
  assert.equal(await test.standIn(ranks).text("emma"), "long");
  assert.equal(await test.standIn(ranks).text("ulysses"), "short");
  assert.deepEqual(test.history("count").sort(), ["count/emma succeeded", "count/ulysses succeeded"]);
  assert.deepEqual(test.logged("count"), ["attempt 1", "attempt 1"]);
  test.check();
});

Deno.test("run turns the clock when nothing but time is waited for", async () => {
  const { pipeline, books } = bookPipeline(3);
  await using test = testPipeline(pipeline, { start: "2001-01-01T00:00:00Z" });
  await test.standIn(books).put("shy", "shy");
  await test.standIn(books).put("bad", "bad");
  const { succeeded, failed } = await test.run();
  assert.deepEqual([succeeded, failed], [2, 1]);
  assert.deepEqual(test.history("count").sort(), [
    "count/bad failed",
    "count/bad@2 failed",
    "count/bad@3 failed",
    "count/shy failed",
    "count/shy@2 succeeded",
  ]);
  const { bad, shy } = await test.outcomes("count");
  assert.equal(bad!.earlier!.length, 2);
  assert.equal(bad!.error!.message, "unreadable");
  assert.equal(shy!.start, "2001-01-01T00:01:00.000Z");
  assert(test.clock.now() >= Date.parse("2001-01-01T00:03:00Z"), "a minute, then two");
  test.check();
});

Deno.test("run turns the clock while bodies wait for items, and links to many values lead to stand-ins", async () => {
  const folder = "/nowhere/that/can/be/written";
  const books = new FileRepository(`${folder}/books`);
  const pages = new FileRepository(`${folder}/pages`);
  const meta = new MetadataRepository<{ book: string }>(
    encoded(new FileRepository(`${folder}/meta`).driver, json) as never,
  );
  const counts = new FileRepository(`${folder}/counts`);
  const split = functionTask("split", {
    done: new MemoryMetadataRepository("split-done"),
    retry: { attempts: 2, delay: "1h" },
    links: {
      books: input(books),
      pages: outputs(pages, { cokeyed: { meta }, values: { meta: ({ job }) => ({ book: job }) } }),
    },
  }, async ({ attempt, pages }) => {
    await pages.write(`${attempt}`, "text");
    if (attempt === 1) throw new Error("not yet");
  });
  const count = functionTask("count", {
    done: new MemoryMetadataRepository("count-done"),
    links: {
      books: requires(books),
      all: lookup(pages),
      pages: stream(pages, { of: field("meta.book"), cokeyed: { meta } }),
      counts: output(counts),
    },
  }, async ({ all, pages, counts }) => {
    let n = 0;
    for await (const page of pages) n += (await page.text()).length + (await all.text(page.key)).length;
    await counts.write(`${n}`);
  });
  await using test = testPipeline(new Pipeline({ tasks: [split, count], state: null }));
  await test.standIn(books).put("emma", "");
  assert.equal((await test.run()).succeeded, 2);
  assert.equal(await test.standIn(counts).text("emma"), "16");
  test.check();
});

Deno.test("start leaves the clock to the test, for timeouts", async () => {
  const books = new MemoryBlobRepository("books");
  const begun = Promise.withResolvers<void>();
  const slow = functionTask(
    "slow",
    { done: new MemoryMetadataRepository("done"), timeout: "10m", links: { books: input(books) } },
    ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        begun.resolve();
      }),
  );
  await using test = testPipeline(new Pipeline({ tasks: [slow], state: null }));
  await test.standIn(books).put("emma", "x");
  const run = test.start();
  await begun.promise;
  test.clock.advance("9m59s");
  assert.equal(run.running().length, 1);
  test.clock.advance("1s");
  await run.finished;
  assert.deepEqual(test.history(), ["slow/emma timed-out"]);
});

Deno.test("fake stands in for a task that runs elsewhere, with its links", async () => {
  const pages = new MemoryBlobRepository("pages");
  const images = new MemoryBlobRepository("images");
  const render = defineTask("render", "pod", {
    done: new MemoryMetadataRepository("done"),
    links: { pages: input(pages), images: output(images) },
  }, {
    pool: { name: "cluster", capacity: {}, width: 1 },
    defaultQuota: {},
    run: () => Promise.reject(new Error("a test must not start a pod")),
  });
  const pipeline = new Pipeline({ tasks: [render], state: null });
  assert.throws(() => testPipeline(pipeline), {
    message:
      "Task render is a pod task, which runs outside of the test; give it a body with fakes: [fake(task, body)]",
  });
  await using test = testPipeline(pipeline, {
    fakes: [fake(render, async ({ pages, images }) => await images.write(`image of ${await pages.text()}`))],
  });
  await test.standIn(pages).put("one", "page one");
  await test.run();
  assert.equal(await test.standIn(images).text("one"), "image of page one");
  assert.equal(await images.has("one"), false);
});

Deno.test("testPipeline keeps views over stand-ins: what is filtered and combined", async () => {
  const books = new MemoryBlobRepository("books");
  const licences = new MemoryMetadataRepository("licences");
  const free = and(books.with(keeping((key) => !key.startsWith("draft-"))), licences);
  const read = functionTask(
    "read",
    { done: new MemoryMetadataRepository("done"), links: { books: input(free) } },
    () => {},
  );
  await using test = testPipeline(new Pipeline({ tasks: [read], state: null }));
  for (const key of ["emma", "draft-1", "secret"]) await test.standIn(books).put(key, "x");
  for (const key of ["emma", "draft-1"]) await test.standIn(licences).set(key, { free: true });
  await test.run();
  assert.deepEqual(Object.keys(await test.outcomes("read")), ["emma"]);
});

Deno.test("testPipeline uses the repositories it is given in place of others", async () => {
  const { pipeline, books, reports } = bookPipeline();
  const mine = new MemoryBlobRepository("mine");
  await mine.put("emma", "one two");
  await using test = testPipeline(pipeline, { replace: [[books, mine]] });
  await test.run();
  assert.equal(await test.standIn(reports).text("emma"), "2");
});

Deno.test("testPipeline says all that cannot be replaced", () => {
  const { pipeline } = bookPipeline();
  const stranger = functionTask("stranger", {
    done: new MemoryMetadataRepository("done"),
    links: { x: input(new MemoryBlobRepository()) },
  }, () => {});
  assert.throws(() => testPipeline(pipeline, { fakes: [fake(stranger, () => {})] }), {
    message: "There is a fake for task stranger, which the pipeline does not have",
  });
  const inner = new MemoryMetadataRepository("inner").driver;
  const odd = new MetadataRepository({ ...inner, name: "odd", derived: { by: "same", parts: [inner] } });
  const task = functionTask(
    "odd",
    { done: new MemoryMetadataRepository("done"), links: { odd: input(odd) } },
    () => {},
  );
  assert.throws(() => testPipeline(new Pipeline({ tasks: [task], state: null })), {
    message:
      "Cannot put a stand-in in place of odd: it does not say how to make it over other parts; give one of your own with replace: [[repository, yours]]",
  });
});

Deno.test("a pipeline over stores that fail now and then keeps its promises, for every seed", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const { pipeline, books, count, rank } = bookPipeline();
    const faults = faulty({
      seed,
      rate: 0.1,
      on: ["read", "write", "look up"],
      at: "either",
      when: ({ repository }) => !repository.includes("books"),
    });
    await using test = testPipeline(pipeline, { layers: [faults] });
    for (let i = 0; i < 10; i++) await test.standIn(books).put(`book-${i}`, "a b c");
    for (let again = 0; again < 20; again++) {
      const { tasks } = await test.run();
      const open = [tasks.count!, tasks.rank!].some((each) => each.ready + each.failed + each.retrying > 0);
      if (!open) break;
      for (const task of [count, rank]) await retryAll(test.pipeline, task.name);
    }
    assert(faults.faults.length > 0, `seed ${seed} met no fault`);
    assert.equal(Object.keys(await outcomesOf(test.pipeline, "rank")).length, 10, `seed ${seed}`);
  }
});

/** Repeats what fails by chance. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (let i = 0;; i++) {
    try {
      return await call();
    } catch (error) {
      if (i > 50) throw error;
    }
  }
}

const retryAll = (pipeline: Pipeline, task: string) => insist(() => pipeline.retry(task, "failed"));

const outcomesOf = (pipeline: Pipeline, task: string) =>
  insist(async () =>
    Object.fromEntries((await Array.fromAsync(pipeline.task(task).outcomes.success)).map((k) => [k, 1]))
  );

Deno.test("assertHistory names what broke a promise", () => {
  const { pipeline } = bookPipeline();
  const attempt = { task: "count", job: "emma", replica: 0, attempt: 1 };
  const started = { type: "started", at: 0, attempt } as const;
  assert.throws(
    () => assertHistory(pipeline, [started, started]),
    /count\/emma began while count\/emma was running/,
  );
  assert.throws(
    () => assertHistory(pipeline, [started, { ...started, attempt: { ...attempt, task: "rank" } }]),
    /rank\/emma began while count\/emma, which makes its input, was running/,
  );
  assert.throws(
    () => assertHistory(pipeline, [{ ...started, attempt: { ...attempt, attempt: 2 } }]),
    /count\/emma@2 began, but 1 attempts are the limit/,
  );
  assert.throws(() => assertHistory(pipeline, [started]), /attempts that never ended/);
});

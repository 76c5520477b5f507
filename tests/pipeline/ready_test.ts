/** Readiness of one's own: what a job waits for, said with combinators in place of a list that somebody keeps. */
import assert from "node:assert/strict";
import {
  and,
  except,
  filter,
  functionTask,
  inhibits,
  input,
  keepingWhere,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  or,
  output,
  type Repository,
  requires,
  status,
} from "../../mod.ts";
import { blobs, copy, each, inMemory, jobsOf, outcomes, runAll } from "./kit.ts";

/** The jobs that run when this is all that is required. */
async function readyFor(ready: Repository): Promise<string[]> {
  const task = functionTask("task", { done: outcomes(), links: { ready: requires(ready) } }, () => {});
  return jobsOf((await runAll(inMemory([task]))).events, "finished").map((job) => job.replace("task/", ""))
    .sort();
}

Deno.test("One expression over repositories says which jobs there are", async () => {
  const [scanned, typed] = [await blobs("scanned", "a", "b"), await blobs("typed", "b", "c", "d-draft")];
  const [proofread, banned] = [
    await blobs("proofread", "a", "b", "c", "d-draft"),
    await blobs("banned", "b"),
  ];
  assert.deepEqual(await readyFor(or(scanned, typed)), ["a", "b", "c", "d-draft"]);
  assert.deepEqual(await readyFor(and(or(scanned, typed), proofread)), ["a", "b", "c", "d-draft"]);
  assert.deepEqual(await readyFor(except(and(or(scanned, typed), proofread), banned)), ["a", "c", "d-draft"]);
  const whole = filter(except(and(or(scanned, typed), proofread), banned), (key) => !key.endsWith("-draft"));
  assert.deepEqual(await readyFor(whole), ["a", "c"]);
});

Deno.test("A document decides whether its job is ready, and its change is seen by the next run", async () => {
  const scores = new MemoryMetadataRepository<{ readonly points: number }>("scores");
  await scores.set("a", { points: 7 });
  await scores.set("b", { points: 3 });
  const good = scores.with(keepingWhere(({ points }: { readonly points: number }) => points > 5));
  const task = functionTask("task", { done: outcomes(), links: { good: input(good) } }, () => {});
  const pipeline = inMemory([task]);
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/a"]);
  await scores.set("b", { points: 9 });
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/b"]);
});

Deno.test("What a task requires may be made for it alone, by a task that decides", async () => {
  const [books, wanted] = [await blobs("books", "a", "b", "c"), new MemoryBlobRepository("wanted")];
  const decide = functionTask("decide", {
    done: outcomes("decided"),
    links: { books: input(books), wanted: output(wanted, { required: false }) },
  }, async ({ job, wanted }) => {
    if (job !== "b") await wanted.write("");
  });
  const act = functionTask("act", {
    done: outcomes("acted"),
    links: { wanted: requires(wanted), books: input(books) },
  }, () => {});
  const { events } = await runAll(inMemory([act, decide]));
  assert.deepEqual(jobsOf(events, "finished").filter((job) => job.startsWith("act")).sort(), [
    "act/a",
    "act/c",
  ]);
});

Deno.test("A task keeps others from what it has found wanting, though it has succeeded", async () => {
  const [books, copies] = [await blobs("books", "a", "b"), new MemoryBlobRepository("copies")];
  const [rejected, read] = [new MemoryBlobRepository("rejected"), new MemoryBlobRepository("read")];
  const check = functionTask("check", {
    done: outcomes("checked"),
    links: { books: input(books), copies: output(copies), rejected: status(rejected) },
  }, async ({ job, books, copies, rejected }) => {
    if (job === "b") await rejected.write("too long");
    await copies.write(await books.text());
  });
  const reader = functionTask("reader", {
    done: outcomes("read-done"),
    links: { copies: input(copies), rejected: inhibits(rejected), read: output(read) },
  }, async ({ copies, read }) => await read.write(await copies.text()));
  const pipeline = inMemory([reader, check]);
  const { summary } = await runAll(pipeline);
  assert.deepEqual([summary.tasks.check!.done, summary.tasks.reader!.done], [2, 1]);
  await rejected.delete("b");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["reader/b"]);
});

Deno.test("An input that is not gated is read although who makes it runs, or has failed", async () => {
  const [a, b, c] = [
    await blobs("a", "1", "2"),
    new MemoryBlobRepository("b"),
    new MemoryBlobRepository("c"),
  ];
  const read = Promise.withResolvers<void>();
  const writer = functionTask("writer", {
    done: outcomes("written"),
    links: { a: input(a), b: output(b) },
  }, async ({ job, b }) => {
    await b.write("some");
    if (job === "1") await read.promise;
    else throw new Error("no");
  });
  const reader = functionTask("reader", {
    done: outcomes("read-done"),
    links: { b: input(b, { gated: false }), c: output(c) },
  }, async ({ job, b, c }) => {
    await c.write(await b.text());
    if (job === "1") read.resolve();
  });
  const gated = copy("gated", b, new MemoryBlobRepository("d"));
  const pipeline = inMemory([writer, reader, gated]);
  const { summary } = await runAll(pipeline);
  assert.deepEqual([summary.tasks.reader!.done, summary.tasks.gated!.done, summary.tasks.gated!.blocked], [
    2,
    1,
    1,
  ]);
});

Deno.test("What is neither required nor gated keeps no job waiting, and what is required ungated only for its key", async () => {
  const [a, b] = [await blobs("a", "1"), await blobs("b", "1")];
  const go = Promise.withResolvers<void>();
  const slow = functionTask("slow", {
    done: outcomes("slow-done"),
    links: { a: input(a), b: output(b) },
  }, async ({ b }) => {
    await go.promise;
    await b.write("new");
  });
  const seen: string[] = [];
  const eager = functionTask("eager", {
    done: outcomes("eager-done"),
    links: {
      a: input(a),
      b: input(b, { required: false, gated: false }),
      there: requires(b, { gated: false }),
    },
  }, async ({ b }) => {
    seen.push(await b.text());
    go.resolve();
  });
  const { summary } = await runAll(inMemory([slow, eager]));
  assert.deepEqual([summary.succeeded, seen], [2, ["1"]]);
});

Deno.test("Whatever is ready, a job that is over does not run again until its record is gone", async () => {
  const queue = await blobs("queue", "1");
  const done = outcomes();
  const pipeline = inMemory([each("task", queue, () => {}, { done })]);
  assert.equal((await runAll(pipeline)).summary.started, 1);
  await queue.put("1", "again");
  assert.equal((await runAll(pipeline)).summary.started, 0);
  await done.delete("1");
  assert.equal((await runAll(pipeline)).summary.started, 1);
});

/** Views as conditions for the start of a job: the keys of a combination decide, whoever brings them. */
import assert from "node:assert/strict";
import {
  and,
  except,
  functionTask,
  inhibits,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  related,
  requires,
} from "../../mod.ts";
import { blobs, copy, inMemory, jobsOf, outcomes, runAll } from "./kit.ts";

Deno.test("requires(and(...)) lets through what is in all parts, also what a task puts there during the run", async () => {
  const [texts, a] = [await blobs("texts", "1", "2", "3"), await blobs("a", "1", "2")];
  const [from, b] = [await blobs("from", "1", "3"), new MemoryBlobRepository("b")];
  const task = functionTask("task", {
    done: outcomes(),
    links: { texts: input(texts), both: requires(and(a, b)) },
  }, () => {});
  const pipeline = inMemory([copy("make", from, b), task]);
  const { events } = await runAll(pipeline);
  assert.deepEqual(jobsOf(events, "finished").sort(), ["make/1", "make/3", "task/1"]);
  await a.put("3", "3");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/3"]);
});

Deno.test("inhibits(except(...)) holds up what is in the first and in no other, until it is there or gone", async () => {
  const [texts, held] = [await blobs("texts", "1", "2", "3", "4"), await blobs("held", "1", "2", "3")];
  const released = await blobs("released", "1");
  const task = functionTask("task", {
    done: outcomes(),
    links: { texts: input(texts), no: inhibits(except(held, released)) },
  }, () => {});
  const pipeline = inMemory([task]);
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished").sort(), ["task/1", "task/4"]);
  await released.put("2", "2");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/2"]);
  await held.delete("3");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/3"]);
});

Deno.test("requires(related(...)) lets a job through when the key that stands for it is there", async () => {
  const books = await blobs("books", "emma", "persuasion", "moby-dick", "anonymous");
  const portraits = await blobs("portraits", "austen");
  const authors = new MemoryMetadataRepository<string>("authors");
  for (const [book, author] of [["emma", "austen"], ["persuasion", "austen"], ["moby-dick", "melville"]]) {
    await authors.set(book!, author!);
  }
  const task = functionTask("task", {
    done: outcomes(),
    links: { books: input(books), portrait: requires(related(portraits, authors)) },
  }, () => {});
  const pipeline = inMemory([task]);
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished").sort(), [
    "task/emma",
    "task/persuasion",
  ]);
  await portraits.put("melville", "x");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/moby-dick"]);
  await authors.set("anonymous", "austen");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["task/anonymous"]);
});

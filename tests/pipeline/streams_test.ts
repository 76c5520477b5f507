import assert from "node:assert/strict";
import {
  allocated,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  outputs,
  stream,
} from "../../mod.ts";
import { blobs, inMemory, jobsOf, keysOf, outcomes, runAll, until } from "./kit.ts";

Deno.test("Items come to the job they were made for, one by one, while their maker is still at work", async () => {
  const books = await blobs("books", "emma", "walden");
  const chapters = new MemoryBlobRepository("chapters");
  const seen: Record<string, string[]> = { emma: [], walden: [] };
  const split = functionTask("split", {
    done: outcomes("split-done"),
    links: { books: input(books), chapters: outputs(chapters) },
  }, async ({ job, chapters }) => {
    for (const n of [1, 2, 3]) {
      await chapters.write(`${n}`, `${job} ${n}`);
      await until(() => seen[job]!.length === n);
    }
  });
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: { books: input(books, { as: "key" }), chapters: stream(chapters, { of: allocated() }) },
  }, async ({ job, chapters }) => {
    for await (const chapter of chapters) seen[job]!.push(await chapter.text());
  });
  const { summary } = await runAll(inMemory([read, split]));
  assert.equal(summary.succeeded, 4);
  assert.deepEqual(seen, {
    emma: ["emma 1", "emma 2", "emma 3"],
    walden: ["walden 1", "walden 2", "walden 3"],
  });
});
void MemoryMetadataRepository;
void jobsOf;
void keysOf;

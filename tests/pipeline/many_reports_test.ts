import assert from "node:assert/strict";
import {
  allocated,
  field,
  functionTask,
  input,
  lookup,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  outputs,
  type Pipeline,
  requires,
  stream,
} from "../../mod.ts";
import { toMermaid } from "../../cli/graph/mermaid.ts";
import { blobs, inMemory, outcomes, runAll } from "./kit.ts";

/** Books are split into chapters, chapters are counted, and an index is made of them while they come. */
async function shelf(keys: "allocated" | "name" = "allocated"): Promise<{
  readonly pipeline: Pipeline;
  readonly chapters: MemoryBlobRepository;
}> {
  const books = await blobs("books", "emma", "walden");
  const [chapters, sizes, indexes, notes] = [
    new MemoryBlobRepository("chapters"),
    new MemoryBlobRepository("sizes"),
    new MemoryBlobRepository("indexes"),
    new MemoryBlobRepository("notes"),
  ];
  const meta = new MemoryMetadataRepository<{ book: string }>("meta");
  const split = functionTask("split", {
    done: outcomes("split-done"),
    links: {
      books: input(books),
      chapters: outputs(chapters, {
        keys,
        cokeyed: { meta },
        values: { meta: ({ job }) => ({ book: job }) },
      }),
    },
  }, async ({ job, chapters }) => {
    for (const n of [1, 2]) await chapters.write(`${job}-${n}`, `${job} ${n}`);
  });
  const measure = functionTask("measure", {
    done: outcomes("measure-done"),
    links: { chapter: input(chapters), sizes: output(sizes) },
  }, ({ sizes }) => sizes.write("9"));
  const index = functionTask("index", {
    done: outcomes("index-done"),
    links: {
      books: requires(books),
      chapters: stream(chapters, { cokeyed: { meta }, of: field("meta.book") }),
      indexes: output(indexes),
    },
  }, async ({ chapters, indexes }) => indexes.write(String((await Array.fromAsync(chapters)).length)));
  const annotate = functionTask("annotate", {
    done: outcomes("annotate-done"),
    links: { books: requires(books), chapters: lookup(chapters), notes: output(notes) },
  }, ({ notes }) => notes.write("note"));
  return { pipeline: inMemory([split, measure, index, annotate]), chapters };
}

async function gone(
  pipeline: Pipeline,
  name: string,
  key: string,
): Promise<{ values: string[]; unknown: string[] }> {
  const unknown: string[] = [];
  const removals = await pipeline.removals(name, [key], {
    recursive: true,
    onUnknown: (text) => unknown.push(text),
  });
  return {
    values: removals.map(({ repository, key }) => `${repository}/${key.replace(/-[0-9a-z]{13}-/, "-")}`),
    unknown,
  };
}

Deno.test("rm -r follows the items that a job has made, what was made of each, and who has streamed them", async () => {
  const { pipeline, chapters } = await shelf();
  assert.equal((await runAll(pipeline)).summary.succeeded, 10);
  const { values, unknown } = await gone(pipeline, "split", "emma");
  const own = (await Array.fromAsync(chapters.keys())).filter((key) => key.startsWith("emma-"))
    .map((key) => key.replace(/-[0-9a-z]{13}-/, "-")).sort();
  assert.deepEqual(
    values.toSorted(),
    [
      ...own.flatMap((key) => [`chapters/${key}`, `meta/${key}`, `sizes/${key}`, `measure-done/${key}`]),
      "index-done/emma",
      "indexes/emma",
      "split-done/emma",
    ].toSorted(),
  );
  assert.deepEqual(unknown, [
    "Which jobs of annotate have looked up what is deleted cannot be told, so they are left; delete those that shall be done again: datatask rm -r annotate JOB",
  ]);
  await pipeline.remove(await pipeline.removals("split", ["emma"], { recursive: true }));
  assert.equal((await runAll(pipeline)).summary.succeeded, 4);
});

Deno.test("rm of a single item follows it to the job that it was for, and to no other", async () => {
  const { pipeline, chapters } = await shelf();
  await runAll(pipeline);
  const item = (await Array.fromAsync(chapters.keys())).find((key) => key.startsWith("walden-"))!;
  const { values } = await gone(pipeline, "split.chapters", item);
  const short = item.replace(/-[0-9a-z]{13}-/, "-");
  assert.deepEqual(values.toSorted(), [
    `chapters/${short}`,
    "index-done/walden",
    "indexes/walden",
    `measure-done/${short}`,
    `sizes/${short}`,
  ]);
});

Deno.test("rm -r deletes no item of which it cannot tell who has made it, and says so", async () => {
  const { pipeline } = await shelf("name");
  await runAll(pipeline);
  assert.deepEqual(await gone(pipeline, "split", "emma"), {
    values: ["split-done/emma"],
    unknown: [
      "Which items of split.chapters come from which job cannot be told, so none of them is deleted; delete those that shall go: datatask rm split.chapters KEY",
    ],
  });
});

Deno.test("rm -r of an item that every job has seen follows to all jobs that have begun", async () => {
  const [jobs, words] = [await blobs("jobs", "1", "2"), await blobs("words", "w")];
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: { jobs: requires(jobs), words: stream(words) },
  }, () => {});
  const pipeline = inMemory([read]);
  await runAll(pipeline);
  await jobs.put("3", "3");
  assert.deepEqual((await gone(pipeline, "read.words", "w")).values, [
    "words/w",
    "read-done/1",
    "read-done/2",
  ]);
});

Deno.test("why tells what a job reads while it runs, how much of it is there, and who may bring more", async () => {
  const { pipeline } = await shelf();
  const before = await pipeline.why("index", "emma");
  assert.equal(before.state, "ready");
  assert.deepEqual(before.conditions.map(({ text }) => text), [
    '"emma" is in books (books)',
    "items of chapters (chapters) come to it while it runs: 0 so far, more may come from split",
  ]);
  await runAll(pipeline);
  const after = await pipeline.why("index", "emma");
  assert.equal(
    after.conditions.at(-1)!.text,
    "items of chapters (chapters) came to it while it ran; 2 are there now",
  );
  const annotate = await pipeline.why("annotate", "emma");
  assert.equal(
    annotate.conditions.at(-1)!.text,
    "it may look up any key of chapters (chapters) while it runs",
  );
  assert.match(
    (await pipeline.why(
      "measure",
      (await pipeline.status()).tasks.find(({ name }) => name === "measure")!.links[0]!.first[0]!,
    )).text,
    /^It succeeded/,
  );
});

Deno.test("The graph has an edge for each link to many values, and says which kind it is", async () => {
  const { pipeline } = await shelf();
  const { edges } = await pipeline.graph();
  const of = (task: string, link: string) => {
    const edge = edges.find((edge) => edge.link === link && [edge.from, edge.to].includes(`task:${task}`))!;
    return [edge.from === `task:${task}` ? "out" : "in", edge.many, edge.key];
  };
  assert.deepEqual(of("split", "chapters"), ["out", "items", "allocated"]);
  assert.deepEqual(of("split", "chapters.meta"), ["out", undefined, "allocated"]);
  assert.deepEqual(of("index", "chapters"), ["in", "stream", "meta.book"]);
  assert.deepEqual(of("annotate", "chapters"), ["in", "lookup", undefined]);
  assert.deepEqual(of("measure", "chapter"), ["in", undefined, undefined]);
  assert.match(toMermaid(await pipeline.graph()), /chapters #40;stream, meta\.book#41;/);
});

Deno.test("trace tells whether there are items of a job, and for it", async () => {
  const { pipeline } = await shelf();
  await runAll(pipeline, { tasks: ["split"], only: { task: "split", jobs: ["emma"] } });
  for (const [job, there] of [["emma", true], ["walden", false]] as const) {
    const { tasks } = await pipeline.trace(job);
    const present = (name: string): boolean | undefined =>
      tasks.flatMap(({ links }) => links).find((link) => link.name === name)?.present;
    assert.deepEqual(
      [present("split.chapters"), present("index.chapters"), present("annotate.chapters")],
      [there, there, undefined],
    );
  }
});

Deno.test("status counts the keys of links to many values", async () => {
  const { pipeline } = await shelf();
  await runAll(pipeline);
  const { tasks } = await pipeline.status();
  const counts = Object.fromEntries(
    tasks.flatMap(({ links }) => links.map(({ name, count }) => [name, count])),
  );
  assert.deepEqual(
    [
      counts["split.chapters"],
      counts["split.chapters.meta"],
      counts["index.chapters"],
      counts["annotate.chapters"],
    ],
    [4, 4, 4, 4],
  );
});

Deno.test("A job launched by force does not wait for its first item", async () => {
  const [jobs, words] = [await blobs("jobs", "1"), await blobs("words")];
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: { jobs: requires(jobs), words: stream(words, { of: allocated(), start: "first" }) },
  }, async ({ words }) => assert.deepEqual(await Array.fromAsync(words), []));
  const make = functionTask("make", {
    done: outcomes("make-done"),
    links: { jobs: requires(jobs), words: outputs(words) },
  }, () => {});
  const pipeline = inMemory([read, make]);
  await assert.rejects(pipeline.launch("read", "1"), /no item for it is in words \(words\) yet/);
  assert.equal((await pipeline.launch("read", "1", { force: true })).reason, "succeeded");
});

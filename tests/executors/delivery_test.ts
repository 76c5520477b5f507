import assert from "node:assert/strict";
import {
  allocated,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  sh,
} from "../../mod.ts";
import { DirectoryRepository } from "../../repositories/directory.ts";
import { FileRepository } from "../../repositories/files.ts";
import { S3BucketRepository } from "../../repositories/s3/mod.ts";
import { lookup, outputs, stream } from "../../tasks/many.ts";
import { everywhere } from "./places.ts";
import { blobs, runAll } from "../pipeline/kit.ts";
import { available as s3There, BUCKET, client, place } from "../repositories/s3/server.ts";

/** What is left of deliveries on this machine. */
function delivered(state: string, task: string): string[] {
  try {
    return [...Deno.readDirSync(`${state}/state/pipeline/delivery/${task}`)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

everywhere("a script step reads a text and writes a report", async ({ script, agent }, _, state) => {
  const books = new MemoryBlobRepository("books");
  const settings = new MemoryMetadataRepository<{ word: string }>("settings");
  const reports = new FileRepository(`${state}/reports`, { extension: ".txt" });
  const facts = new MemoryMetadataRepository<{ words: number }>("facts");
  const trees = new DirectoryRepository(`${state}/trees`);
  const copies = new DirectoryRepository(`${state}/copies`);
  const said = new MemoryBlobRepository("said");
  const given = new MemoryBlobRepository("given");
  const done = new MemoryMetadataRepository("done");
  const step = script("report", {
    done,
    links: {
      books: input(books),
      settings: input(settings),
      trees: input(trees),
      reports: output(reports),
      facts: output(facts),
      copies: output(copies, { key: allocated() }),
    },
    stdin: given,
    stdout: said,
    script: ({ job, books, settings, trees, reports, facts, copies }) =>
      sh`set -eu; [ -z "$(ls -A)" ]; [ "$DATATASK_INPUT_BOOKS" = ${books} ]; cat
printf '%s ' ${job} >${reports}; wc -w <${books} >>${reports}; cat ${settings} >>${reports}
printf '{"words": %s}' "$(wc -w <${books})" >${facts}
cp -R ${trees}/. ${copies}`,
  });
  for (const job of ["emma", "moby-dick"]) {
    await books.put(job, `call me ${job}`);
    await settings.set(job, { word: 'whale\'s "ü"' });
    await given.put(job, `input of ${job}\n`);
    Deno.mkdirSync(`${state}/trees/${job}/sub`, { recursive: true });
    Deno.writeTextFileSync(`${state}/trees/${job}/sub/a leaf`, "green");
  }
  const pipeline = new Pipeline({ tasks: [step], state: `${state}/state`, agent });
  const { summary, events } = await runAll(pipeline);
  assert.deepEqual([summary.succeeded, summary.failed], [2, 0], JSON.stringify(events));
  assert.match(await reports.text("emma"), /^emma +3\n\{\s*"word": "whale's \\"ü\\""\s*\}\n$/);
  assert.deepEqual(await facts.get("moby-dick"), { words: 3 });
  assert.equal(await said.text("moby-dick"), "input of moby-dick\n");
  const copy = (await Array.fromAsync(copies)).find((key) => key.startsWith("emma"))!;
  assert.equal(Deno.readTextFileSync(`${state}/copies/${copy}/sub/a leaf`), "green");
  assert.deepEqual(delivered(state, "report"), []);
});

everywhere("published streams are kept byte for byte", async ({ script, agent }, _, state) => {
  const [said, wrong] = [new MemoryBlobRepository("said"), new MemoryBlobRepository("wrong")];
  const books = await blobs("books", "emma");
  const say = script("say", {
    done: new MemoryMetadataRepository("done"),
    links: { books: input(books, { as: "key" }) },
    stdout: said,
    stderr: wrong,
    script: String.raw`printf 'a\r\nb\0\377\r'; printf 'c\r\n' >&2`,
  });
  const { summary, events } = await runAll(
    new Pipeline({ tasks: [say], state: `${state}/state`, agent }),
  );
  assert.equal(summary.succeeded, 1, JSON.stringify(events));
  assert.deepEqual([...await said.bytes("emma")], [97, 13, 10, 98, 0, 255, 13]);
  assert.equal(await wrong.text("emma"), "c\r\n");
  assert.deepEqual(delivered(state, "say"), []);
});

everywhere(
  "texts in S3 become reports in S3, by a script and a function",
  async ({ script, agent }, stack, state) => {
    const s3 = client(stack);
    const prefix = await place(stack, s3);
    const inBucket = (name: string): S3BucketRepository =>
      new S3BucketRepository(s3, { bucket: BUCKET, prefix: `${prefix}${name}/` });
    const [books, counts, reports] = [inBucket("books"), inBucket("counts"), inBucket("reports")];
    const counting = script("count", {
      done: new MemoryMetadataRepository("count-done"),
      links: { books: input(books), counts: output(counts) },
      script: ({ books, counts }) => sh`wc -w <${books} | tr -d ' ' >${counts}`,
    });
    const reporting = functionTask("report", {
      done: new MemoryMetadataRepository("report-done"),
      links: { counts: input(counts), reports: output(reports) },
    }, async ({ job, counts, reports }) => {
      await reports.write(`${job} has ${(await counts.text()).trim()} words`);
    });
    const pipeline = new Pipeline({ tasks: [counting, reporting], state: `${state}/state`, agent });
    await books.put("emma", "handsome, clever, and rich");
    const { summary, events } = await runAll(pipeline);
    assert.equal(summary.failed, 0, JSON.stringify(events));
    assert.equal(await reports.text("emma"), "emma has 4 words");
  },
  s3There,
);

everywhere("links to many values are the same", async ({ script, agent }, _, state) => {
  const books = new MemoryBlobRepository("books");
  const pages = new MemoryBlobRepository("pages");
  const notes = new MemoryMetadataRepository<{ of: string; title?: string }>("notes");
  const sums = new MemoryBlobRepository("sums");
  const split = script("split", {
    done: new MemoryMetadataRepository("split-done"),
    links: {
      books: input(books),
      pages: outputs(pages, { cokeyed: { notes }, values: { notes: ({ job }) => ({ of: job }) } }),
    },
    script: ({ books, pages }) =>
      sh`set -eu
echo '{"title": "first"}' >"$DATATASK_OUTPUT_PAGES_NOTES/it's 1"
cp ${books} .whole; mv .whole ${pages}/"it's 1"
printf two >put; [ "$(datatask put pages put '-n ü')" ]
printf last >${pages}/last`,
  });
  const sum = script("sum", {
    done: new MemoryMetadataRepository("sum-done"),
    links: {
      books: input(books),
      pages: stream(pages, { of: allocated(), cokeyed: { notes } }),
      any: lookup(books),
      sums: output(sums),
    },
    script: ({ pages, any, sums, job }) =>
      sh`set -eu
while [ ! -e ${pages}.end ]; do sleep 0.1; done
for page in ${pages}/*; do cat "$page"; cat "$DATATASK_INPUT_PAGES_NOTES/\${page##*/}"; done >${sums}
${any} ${job} >>${sums}
code=0; ${any} not-there || code=$?; echo " $code" >>${sums}`,
  });
  await books.put("emma", "Emma Woodhouse");
  const pipeline = new Pipeline({ tasks: [split, sum], state: `${state}/state`, agent });
  const { summary, events } = await runAll(pipeline);
  assert.deepEqual([summary.succeeded, summary.failed], [2, 0], JSON.stringify(events));
  const keys = await Array.fromAsync(pages);
  assert.deepEqual(
    (await Promise.all(keys.map((key) => pages.text(key)))).sort(),
    ["Emma Woodhouse", "last", "two"],
  );
  const found = await Promise.all(keys.map((key) => notes.get(key)));
  assert.equal(found.filter(({ of }) => of === "emma").length, 3);
  assert.equal(found.filter(({ title }) => title === "first").length, 1);
  const text = await sums.text("emma");
  assert.match(text, /Emma WoodhouseEmma Woodhouse 3\n$|Emma Woodhouse 3\n$/);
  assert.equal(text.match(/"of": "emma"/g)?.length, 3);
  assert.deepEqual([...delivered(state, "split"), ...delivered(state, "sum")], []);
});

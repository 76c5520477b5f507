import assert from "node:assert/strict";
import {
  FileRepository,
  functionTask,
  input,
  output,
  Pipeline,
  Session,
  YamlMetadataRepository,
} from "../../../mod.ts";
import { S3BucketRepository, s3Client } from "../../../repositories/s3/mod.ts";
import { BUCKET, client, credentials, endpoint, place, s3Test } from "./server.ts";

const BOOKS: Readonly<Record<string, string>> = {
  "moby-dick": "Call me Ishmael.\n\nSome years ago\nnever mind how long\n",
  "a-christmas-carol": "Marley was dead:\n\nto begin with.\n",
};

s3Test("a pipeline counts the books of a bucket into files", async (stack) => {
  const prefix = await place(stack, client(stack));
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));

  const session = new Session();
  const bucket = session.resource("bucket", s3Client({ endpoint, credentials }));
  const books = new S3BucketRepository(bucket, { bucket: BUCKET, prefix: `${prefix}books/`, suffix: ".txt" });
  const reports = new FileRepository(`${dir}/reports`, { extension: ".txt" });
  const done = YamlMetadataRepository.files(`${dir}/results`);

  const summary = functionTask(
    "summary",
    { done, links: { books: input(books), reports: output(reports) } },
    async ({ job, books, reports }) => {
      let [paragraphs, lines, words, chars] = [0, 0, 0, 0];
      const text = await books.text();
      for (const line of text.split("\n").slice(0, -1)) {
        if (line.trim() === "") paragraphs++;
        lines++;
        words += line.split(/\s+/).filter((word) => word !== "").length;
        chars += line.length;
      }
      await reports.write(
        `The book "${job}" has ${paragraphs} paragraphs, ${lines} lines, ${words} words, and ${chars} characters.\n`,
      );
    },
  );
  const pipeline = new Pipeline({ tasks: [summary], session, state: `${dir}/.datatask` });

  {
    await using _open = await session.open();
    for (const [key, text] of Object.entries(BOOKS)) await books.put(key, text);
  }
  await pipeline.run().finished;
  assert.equal(
    await reports.text("moby-dick"),
    'The book "moby-dick" has 1 paragraphs, 4 lines, 10 words, and 49 characters.\n',
  );
  assert.deepEqual((await Array.fromAsync(done)).sort(), Object.keys(BOOKS).sort());

  // Delete data and it is made again.
  await done.delete("moby-dick");
  await reports.delete("moby-dick");
  await pipeline.run().finished;
  assert.equal(await reports.has("moby-dick"), true);
});

Deno.test("neither the library nor the command line reaches the SDK of S3 or SQLite", async () => {
  for (const entry of ["mod.ts", "cli.ts"]) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", new URL(`../../../${entry}`, import.meta.url).href],
    }).output();
    const graph = JSON.parse(new TextDecoder().decode(stdout));
    const modules = graph.modules.map(({ specifier }: { specifier: string }) => specifier);
    assert(modules.length > 20);
    assert.deepEqual(
      modules.filter((module: string) => /aws-sdk|\/repositories\/(s3|sqlite)\//.test(module)),
      [],
    );
  }
});

/** Tests that programs which insist on paths of their own get them by links of the file system. */
import assert from "node:assert/strict";
import {
  DirectoryRepository,
  FileRepository,
  input,
  MemoryBlobRepository,
  output,
  outputs,
  Pipeline,
  processTask,
  sh,
  YamlMetadataRepository,
} from "../../mod.ts";
import { runAll } from "../pipeline/kit.ts";

Deno.test("A program that insists on paths of its own finds inputs and leaves outputs there", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const books = new FileRepository(`${folder}/books`);
    const report = new FileRepository(`${folder}/reports`);
    const site = new DirectoryRepository(`${folder}/sites`);
    const parts = new MemoryBlobRepository("parts");
    const press = processTask("press", {
      done: YamlMetadataRepository.files(`${folder}/done`),
      links: {
        books: input(books),
        report: output(report),
        site: output(site),
        parts: outputs(parts, { keys: "name" }),
      },
      script: ({ books, report, site, parts }) =>
        sh`ln -s ${books} in.txt && ln -s ${report} report.txt && ln -s ${site} site && ln -s ${parts} queue
# The program knows these names only.
cp in.txt queue/one
wc -w < in.txt > report.txt
cp in.txt site/index.html`,
    });
    await books.put("emma", "handsome, clever, and rich");
    const pipeline = new Pipeline({ name: "press", tasks: [press], state: `${folder}/state` });
    const { summary } = await runAll(pipeline);
    assert.deepEqual([summary.succeeded, summary.failed], [1, 0]);
    assert.equal((await report.text("emma")).trim(), "4");
    assert.equal(
      await new Response(await site.open("emma", "index.html")).text(),
      "handsome, clever, and rich",
    );
    assert.equal(await parts.text("one"), "handsome, clever, and rich");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

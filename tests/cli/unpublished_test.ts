/** How a job reads whose script ended well, and whose output could not be published. */
import assert from "node:assert/strict";
import { FileRepository, input, output, Pipeline, processTask, YamlMetadataRepository } from "../../mod.ts";
import { inFolder } from "../kit/folder.ts";
import { cli } from "./held_io.ts";

Deno.test("a script that ended well and whose output cannot be published has not failed by its exit code", () =>
  inFolder(async (folder) => {
    const books = new FileRepository(`${folder}/books`);
    await books.put("emma", "");
    const count = processTask("count", {
      done: YamlMetadataRepository.files(`${folder}/done`),
      links: {
        books: input(books),
        counts: output(YamlMetadataRepository.files(`${folder}/counts`)),
      },
      script: ({ counts }) => `echo '[1, 2' > ${counts}`,
    });
    const pipeline = new Pipeline({ tasks: [count], state: `${folder}/state` });
    const run = await cli(["run", "--progress", "plain"], { pipeline });
    const text = /its output could not be published: .*counts.*\n/;
    assert.equal(run.code, 1);
    for (
      const words of [["trace", "emma"], ["why", "count", "emma"], ["launch", "--force", "count", "emma"]]
    ) {
      const { out } = await cli(words, { pipeline });
      assert.match(out, text, words.join(" "));
      assert.doesNotMatch(out, /exit code/, words.join(" "));
    }
    assert.match(run.out + run.err, text);
    assert.doesNotMatch(run.out + run.err, /exit code/);
  }));

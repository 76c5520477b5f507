/** A body in the process of the coordinator has the permissions of that process, and no more. */
import assert from "node:assert/strict";
import { inFolder } from "../kit/folder.ts";

Deno.test("The outcome of a body that lacks a permission names the flag that it needs", () =>
  inFolder(async (folder) => {
    const file = `${folder}/pipeline.ts`;
    await Deno.writeTextFile(
      file,
      `import { functionTask, input, MemoryBlobRepository, MemoryMetadataRepository, Pipeline } from ${
        JSON.stringify(new URL("../../mod.ts", import.meta.url).href)
      };
const pages = new MemoryBlobRepository("the pages");
await pages.put("emma", "x");
const done = new MemoryMetadataRepository("done");
const fetchIt = functionTask("fetch", { done, links: { pages: input(pages) } }, async () => {
  await fetch("http://127.0.0.1:65530/");
});
await new Pipeline({ tasks: [fetchIt], state: null }).run().finished;
console.log(JSON.stringify(await fetchIt.outcomes.done.get("emma")));
`,
    );
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-lock", "--no-config", "--no-check", "--quiet", "--no-prompt", "--allow-read", file],
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    assert.equal(text.decode(stderr), "");
    const { success, reason, error } = JSON.parse(text.decode(stdout));
    assert.deepEqual([success, reason, error.name], [false, "failed", "NotCapable"]);
    assert.equal(
      error.message,
      'Requires net access to "127.0.0.1:65530", run again with the --allow-net flag',
    );
  }));

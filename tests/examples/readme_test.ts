/** The first program of the README, run as it stands there. */
import assert from "node:assert/strict";
import { ROOT } from "../../tools/entries.ts";

Deno.test("the pipeline of the README is checked and runs as it is printed, with the settings of Deno", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const program = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/books`);
    await Deno.writeTextFile(`${folder}/books/emma.txt`, "Emma\n\nhandsome, clever,\nand rich");
    await Deno.writeTextFile(`${folder}/deno.json`, `{"imports": {"@datatask/datatask": "${ROOT}mod.ts"}}`);
    await Deno.writeTextFile(`${folder}/pipeline.ts`, program);
    for (
      const args of [["check", "--no-lock", "pipeline.ts"], ["run", "-A", "--no-lock", "pipeline.ts", "run"]]
    ) {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: folder, stdin: "null" })
        .output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    }
    assert.equal(
      await Deno.readTextFile(`${folder}/reports/emma.txt`),
      'The book "emma" has 1 paragraphs, 4 lines, 5 words, and 29 characters.\n',
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What the README tells a newcomer to write, as it is printed there. */
import assert from "node:assert/strict";
import { entries, ROOT } from "../../tools/entries.ts";
import { example as prepared } from "./run_example.ts";
import { inFolder } from "../kit/folder.ts";

const README = await Deno.readTextFile(new URL("README.md", ROOT));

/** The first example of the README in a language, as it stands there. */
const example = (language: string): string =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(README)![1]!;

/** A folder of somebody's own, with the `deno.json` of the README. */
function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  return inFolder(async (folder) => {
    const config = example("json").replace("/path/to/datatask", decodeURIComponent(ROOT.pathname));
    await Deno.writeTextFile(`${folder}/deno.json`, config);
    await use(folder);
  });
}

async function deno(cwd: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd, stdin: "null" }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

Deno.test("the pipeline of the README is checked and runs as it is printed, in a folder of one's own", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/books`);
    await Deno.writeTextFile(`${folder}/books/emma.txt`, "Emma\n\nhandsome, clever,\nand rich");
    await Deno.writeTextFile(`${folder}/pipeline.ts`, example("ts"));
    await deno(folder, "check", "--no-lock", "pipeline.ts");
    await deno(folder, "run", "-A", "--no-lock", "pipeline.ts", "run");
    assert.equal(
      await Deno.readTextFile(`${folder}/reports/emma.txt`),
      'The book "emma" has 1 paragraphs, 4 lines, 5 words, and 29 characters.\n',
    );
  }));

Deno.test("every entry point is found and checked from a folder of one's own, with the settings of Deno", () =>
  withFolder(async (folder) => {
    const { name } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    const lines = Object.keys(entries()).map((entry, n) =>
      `export * as entry${n} from "${name}${entry.slice(1)}";`
    );
    await Deno.writeTextFile(`${folder}/all.ts`, lines.join("\n"));
    await deno(folder, "check", "--no-lock", "all.ts");
  }));

/** What the README shows below a command, or a command writes, without what differs from day to day. */
const timeless = (text: string): string[] =>
  text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "DAY").replace(/\b\d\d:\d\d:\d\d\b/g, "CLOCK")
    .replace(/\b[\d.]+m?s\b/g, "TIME").trim().split("\n");

/** The output that the README shows of a command. */
function shown(command: string): string[] {
  const begin = `$ deno run -A cli.ts ${command}\n`;
  const from = README.indexOf(begin);
  assert.notEqual(from, -1, begin);
  return timeless(README.slice(from + begin.length).split(/\n\$ |\n```/)[0]!);
}

Deno.test("commands write what the README shows", async () => {
  await using books = await prepared("books");
  await using flaky = await prepared("flaky");
  assert.deepEqual(
    timeless((await books.command("plan")).stdout),
    shown("plan -p examples/books/pipeline.ts"),
  );
  const { stdout, stderr } = await flaky.command("run");
  // Jobs that run at the same time end in any order.
  assert.deepEqual(timeless(stdout + stderr).sort(), shown("run -p examples/flaky/pipeline.ts").sort());
  for (const words of [["why", "credit", "lost-book"], ["why", "fetch", "lost-book"]]) {
    const why = (await flaky.command(...words)).stdout.replaceAll(flaky.out, "./examples/flaky/out");
    assert.deepEqual(timeless(why), shown(`${words.join(" ")} -p examples/flaky/pipeline.ts`));
  }
});

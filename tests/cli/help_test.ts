import assert from "node:assert/strict";
import { styles, widthOf } from "../../cli/ansi.ts";
import { commandPage, mainPage, type PageOptions } from "../../cli/help.ts";
import { dashed } from "../../cli/spec.ts";
import { COMMANDS } from "../../cli/table.ts";

const options: PageOptions = {
  program: "deno run -A pipeline.ts",
  width: 80,
  style: styles(false),
  bound: false,
};

Deno.test("mainPage() gives every command one line", () => {
  const lines = mainPage(options).split("\n");
  for (const { name, brief, hidden } of COMMANDS.values()) {
    const own = lines.filter((line) => line.startsWith(`  ${name.padEnd(11)}  `));
    assert.equal(own.length, hidden ? 0 : 1, name);
    if (!hidden) assert.ok(own[0]!.endsWith(brief), `the summary of ${name} fits on its line`);
  }
  assert.ok(lines.every((line) => widthOf(line) <= 80));
  assert.equal(lines.filter((line) => line.startsWith("  deno run -A pipeline.ts ")).length, 3);
});

Deno.test("mainPage() speaks of -p only where it is of use", () => {
  assert.match(mainPage(options), /DATATASK_PIPELINE/);
  assert.doesNotMatch(mainPage({ ...options, bound: true }), /-p /);
});

Deno.test("commandPage() explains all flags and shows examples", () => {
  for (const spec of COMMANDS.values()) {
    const page = commandPage(spec, options);
    for (const [name, { brief }] of Object.entries(spec.flags)) {
      assert.ok(page.includes(dashed(name)), `${spec.name} ${name}`);
      assert.ok(
        page.replace(/\s+/g, " ").includes(brief.replace(/\s+/g, " ")),
        `${spec.name} ${name}: ${brief}`,
      );
    }
    for (const [text] of spec.examples) assert.ok(page.includes(`  deno run -A pipeline.ts ${text}\n`));
  }
});

/** Tests of the files themselves: their size, their headers, and what must not be left in them. */
import assert from "node:assert/strict";
import { ROOT, sources } from "../../tools/entries.ts";
import { LONGER, MAX_CODE_LINES } from "./budgets.ts";

const texts = new Map(sources().map((path) => [path, Deno.readTextFileSync(new URL(path, ROOT))]));

/** How many lines hold code. */
function codeLines(text: string): number {
  const bare = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""));
  return bare.split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("//")).length;
}

Deno.test("no file is longer than its budget", () => {
  const long = [...texts].map(([path, text]) => [path, codeLines(text)] as const)
    .filter(([path, lines]) => lines > MAX_CODE_LINES && !LONGER[path]);
  assert.deepEqual(long, [], "split it, or give the reason in tests/tree/budgets.ts");
  for (const path of Object.keys(LONGER)) {
    assert(codeLines(texts.get(path) ?? "") > MAX_CODE_LINES, `${path} needs no exception any more`);
  }
});

Deno.test("every file says what it is for", () => {
  const silent = [...texts].filter(([path, text]) =>
    !path.startsWith("deps/") && !/^(#!.*\n)?\/\*\*[\s\S]*?@module[\s\S]*?\*\//.test(text)
  ).map(([path]) => path);
  assert.deepEqual(silent, []);
});

Deno.test("nothing is left to be done", () => {
  const words = new RegExp(
    `\\b(${["TO", "DO"].join("")}|${["FIX", "ME"].join("")}|${["XX", "X"].join("")})\\b`,
  );
  const left = [...texts].filter(([, text]) => words.test(text)).map(([path]) => path);
  assert.deepEqual(left, []);
});

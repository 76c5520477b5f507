import assert from "node:assert/strict";
import { CORE_SCHEMA, load } from "../../deps/js_yaml.ts";
import { plainYaml } from "../../repositories/yaml_plain.ts";
import { yaml } from "../../repositories/yaml.ts";
import { decodeText } from "../../core/bytes.ts";
import { seededRandom } from "../../core/random.ts";

/** What the library makes of a text; nothing when it refuses it. */
function byLibrary(text: string): unknown {
  try {
    return load(text, { schema: CORE_SCHEMA });
  } catch {
    return undefined;
  }
}

Deno.test("what tasks leave behind is read without the library", () => {
  const outcome = {
    success: true,
    reason: "succeeded",
    start: "2026-01-01T00:00:00.000Z",
    seconds: 0.001,
    attempt: 1,
    timeout: false,
    host: "worker-1.example",
    exitCode: null,
    n: -12,
    empty: "",
  };
  assert.deepEqual(plainYaml(decodeText(yaml.encode(outcome))), outcome);
});

Deno.test("plain YAML is what the library takes it for, whatever the lines are made of", () => {
  const next = seededRandom(20_260_101);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
  const names = [
    "a",
    "b_2",
    '"n"',
    '"with space"',
    '""',
    "yes",
    "n",
    "true",
    "Null",
    "nan",
    "1",
    "a b",
    "__proto__",
    '"__proto__"',
    "'a'",
    "?",
    "-",
    "<<",
    '"<<"',
    "a-b",
    "\u00fc",
    "a:",
    "",
    "b",
    "#c",
  ];
  const values = [
    "1",
    "-1",
    "0",
    "-0",
    "01",
    "0x1f",
    "0o7",
    "1e5",
    "1.5",
    "-0.5",
    "-0.0",
    "1.",
    ".5",
    "+1",
    "1_000",
    "12:30",
    "999999999999999",
    "9999999999999999",
    "123456.123456789",
    "true",
    "True",
    "TRUE",
    "false",
    "null",
    "Null",
    "~",
    "",
    "yes",
    "No",
    "on",
    "nan",
    ".nan",
    "NaN",
    "inf",
    "-.inf",
    "word",
    "two words",
    "a: b",
    "a #b",
    "a#b",
    "#b",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "[]",
    "{}",
    "[1]",
    "- a",
    "a,b",
    "a/b(c)+d@e-f",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    '"quoted"',
    '"q" ',
    '"a\\n"',
    '"a"b',
    '"un',
    '"#"',
    '":"',
    '"{}"',
    "'single'",
    "%",
    "@a",
    "`a`",
    "a ",
    "a  b",
    "\ta",
    "a\tb",
    "---",
    "...",
    "a'b",
    'a"b',
    "\u00fc",
    "x".repeat(1000),
  ];
  const breaks = ["\n", "\n", "\n", "\n", "\n", "\n", "\n\n", "\r\n", "", " \n", " #c\n"];
  const between = [": ", ": ", ": ", ": ", ": ", ":  ", ":", " : ", ":\t"];
  const indents = ["", "", "", "", "", "", " ", "  ", "- ", "\t", "---\n"];
  let read = 0;
  for (let i = 0; i < 200_000; i++) {
    let text = "";
    for (let lines = Math.floor(next() * 3) + 1; lines > 0; lines--) {
      text += pick(indents) + pick(names) + pick(between) + pick(values) + pick(breaks);
    }
    const plain = plainYaml(text);
    if (plain === undefined) continue;
    read++;
    assert.deepEqual(plain, byLibrary(text), JSON.stringify(text));
  }
  assert(read > 500, `${read} of them are plain`);
});

Deno.test("each line of one form is what the library takes it for", () => {
  for (let code = 0; code < 0x3000; code++) {
    const char = String.fromCharCode(code);
    for (
      const text of [
        `a: ${char}\n`,
        `a: b${char}c\n`,
        `a: "${char}"\n`,
        `${char}: 1\n`,
        `a: 1${char}\n`,
        `"${char}": 1\n`,
        `${char}a: 1\n`,
        `a: b${char}\n`,
      ]
    ) {
      const plain = plainYaml(text);
      if (plain !== undefined) assert.deepEqual(plain, byLibrary(text), JSON.stringify(text));
    }
  }
});

Deno.test("plain YAML leaves to the library what is long, twice there, or of another kind", () => {
  for (
    const text of [
      "",
      "a: 1",
      "a: 1\na: 2\n",
      "- a\n",
      "a:\n  b: 1\n",
      "__proto__: 1\n",
      `a: "${"x".repeat(5000)}"\n`,
      "text\n",
      "true: 1\n",
    ]
  ) {
    assert.equal(plainYaml(text), undefined, JSON.stringify(text.slice(0, 40)));
  }
});

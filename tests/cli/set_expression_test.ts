import assert from "node:assert/strict";
import { parseSetExpression, type SetExpression } from "../../cli/set_expression.ts";
import { keysOf } from "../../cli/set_keys.ts";

/** An expression with all its parentheses. */
function shown(expression: SetExpression): string {
  if (expression.type === "name") return expression.name;
  const sign = { and: "&", or: "|", minus: "-", xor: "^" }[expression.type];
  return `(${shown(expression.left)} ${sign} ${shown(expression.right)})`;
}

const SETS: Record<string, string[][]> = {
  "a.x": [["1", "2"], ["3"]],
  "b.y": [["2", "3", "4"]],
  "c.z": [["3"], ["5"]],
  "e.e": [],
};

async function keys(text: string): Promise<string[]> {
  const found: string[] = [];
  async function* source(name: string): AsyncGenerator<readonly string[]> {
    yield* SETS[name]!;
  }
  for await (const page of keysOf(parseSetExpression(text), source)) found.push(...page);
  assert.equal(new Set(found).size, found.length, "each key once");
  return found.sort();
}

Deno.test("parseSetExpression() lets - bind tighter than &, then ^, then |", () => {
  for (
    const [text, expected] of [
      ["a | b & c", "(a | (b & c))"],
      ["a & b - c", "(a & (b - c))"],
      ["a ^ b | c ^ d & e", "((a ^ b) | (c ^ (d & e)))"],
      ["a - b - c", "((a - b) - c)"],
      ["a - (b - c)", "(a - (b - c))"],
      ["(a|b)&c", "((a | b) & c)"],
      ["a-b.c_d - e", "(a-b.c_d - e)"],
      ["  a.b.c  ", "a.b.c"],
      ["(a)-(b)", "(a - b)"],
    ] as const
  ) assert.equal(shown(parseSetExpression(text)), expected, text);
});

Deno.test("parseSetExpression() puts a caret beneath what is wrong", () => {
  for (
    const [text, message] of [
      ["", "Cannot read the expression: a name is missing here; write task.link\n  \n  ^"],
      ["a.x &", "Cannot read the expression: a name is missing here; write task.link\n  a.x &\n       ^"],
      [
        "a.x & | b",
        "Cannot read the expression: a name is missing here; write task.link\n  a.x & | b\n        ^",
      ],
      [
        "a.x b.y",
        "Cannot read the expression: an operator is missing before this; write & | - or ^\n  a.x b.y\n      ^",
      ],
      ["(a.x", "Cannot read the expression: this parenthesis is never closed\n  (a.x\n  ^"],
      ["a.x)", "Cannot read the expression: this parenthesis was never opened\n  a.x)\n     ^"],
      [
        "(a b)",
        "Cannot read the expression: an operator is missing before this; write & | - or ^\n  (a b)\n     ^",
      ],
      [
        "a; import('x')",
        "Cannot read the expression: \";\" is not expected; write names of repositories with & | - ^ and parentheses\n  a; import('x')\n   ^",
      ],
    ] as const
  ) {
    assert.throws(() => parseSetExpression(text), { code: "usage", message }, text);
  }
});

Deno.test("parseSetExpression() shows the place in a long expression, and refuses to go too deep", () => {
  const long = `${"a.x | ".repeat(100)}%`;
  assert.throws(() => parseSetExpression(long), (error: Error) => {
    const [, line, caret] = error.message.split("\n");
    assert.ok(line!.length < 130);
    assert.equal(line![caret!.indexOf("^")], "%");
    return true;
  });
  assert.throws(() => parseSetExpression("(".repeat(5000)), /more than 100 parentheses in one another/);
});

Deno.test("keysOf() does set algebra over pages", async () => {
  assert.deepEqual(await keys("a.x & b.y"), ["2", "3"]);
  assert.deepEqual(await keys("a.x | b.y | a.x"), ["1", "2", "3", "4"]);
  assert.deepEqual(await keys("a.x - b.y"), ["1"]);
  assert.deepEqual(await keys("a.x ^ b.y"), ["1", "4"]);
  assert.deepEqual(await keys("b.y ^ b.y"), []);
  assert.deepEqual(await keys("(a.x | c.z) - (b.y & c.z)"), ["1", "2", "5"]);
  assert.deepEqual(await keys("e.e | e.e - a.x"), []);
});

Deno.test("keysOf() hands out the first keys before it has asked for all", async () => {
  let asked = 0;
  async function* source(): AsyncGenerator<readonly string[]> {
    for (asked = 1; asked <= 1000; asked++) yield [`k${asked}`];
  }
  const pages = keysOf(parseSetExpression("a.x"), source);
  assert.deepEqual((await pages.next()).value, ["k1"]);
  await pages.return();
  assert.equal(asked, 1);
});

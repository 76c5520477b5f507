import assert from "node:assert/strict";
import { scan } from "../../cli/argv.ts";
import { COMMANDS } from "../../cli/table.ts";

const spec = (name: string) => COMMANDS.get(name)!;

Deno.test("scan() reads flags wherever they stand", async () => {
  const { flags, args } = await scan(spec("run"), [
    "--task",
    "a",
    "-t",
    "b",
    "--not-task=c",
    "-n",
    "--fail-fast",
    "-p",
    "x.ts",
  ]);
  assert.deepEqual(flags.task, ["a", "b"]);
  assert.deepEqual(flags.notTask, ["c"]);
  assert.equal(flags.dryRun, true);
  assert.equal(flags.failFast, true);
  assert.equal(flags.once, false);
  assert.equal(flags.pipeline, "x.ts");
  assert.deepEqual(args, []);
});

Deno.test("scan() takes a lone minus and what follows -- as arguments", async () => {
  assert.deepEqual((await scan(spec("ls"), ["a.x", "-", "b.y"])).args, ["a.x", "-", "b.y"]);
  assert.deepEqual((await scan(spec("ls"), ["--", "-x"])).args, ["-x"]);
  assert.deepEqual((await scan(spec("rm"), ["-ry", "count", "k"])).flags.recursive, true);
});

Deno.test("scan() says what is wrong, and what to write", async () => {
  for (
    const [name, words, message] of [
      ["run", ["--onc"], "run has no flag --onc; did you mean --once?"],
      ["run", ["--zzzzzz"], 'run has no flag --zzzzzz; see its flags with "run --help"'],
      ["run", ["-z"], 'run has no flag -z; see its flags with "run --help"'],
      [
        "run",
        ["--progress", "plian"],
        'Cannot use "plian" for --progress; did you mean "plain"? choose auto, plain or none',
      ],
      ["run", ["--progress", "fancy"], 'Cannot use "fancy" for --progress; choose auto, plain or none'],
      ["run", ["--task"], "--task needs a value; write --task TASK"],
      ["run", ["x"], 'run takes no arguments, and "x" is one too many; write run'],
      [
        "logs",
        ["a", "b", "--attempt", "zero"],
        'Cannot use "zero" for --attempt; write a whole number above zero',
      ],
      ["logs", ["a", "b", "--attempt", "0"], 'Cannot use "0" for --attempt; write a whole number above zero'],
      ["logs", ["a", "b", "--attempt", "1", "--attempt", "2"], "--attempt was given twice; give it once"],
      ["why", [], "why needs a TASK; write why TASK [JOB]"],
      ["launch", ["a"], "launch needs a JOB; write launch TASK JOB"],
      ["why", ["a", "b", "c"], 'why takes 2 arguments, and "c" is one too many; write why TASK [JOB]'],
      ["trace", [], "trace needs a JOB; write trace JOB..."],
    ] as const
  ) {
    await assert.rejects(scan(spec(name), words), { code: "usage", message }, `${name} ${words.join(" ")}`);
  }
});

Deno.test("scan() takes every example of the help", async () => {
  for (const { name, examples, hidden } of COMMANDS.values()) {
    assert.ok(hidden || examples.length > 0, `${name} has examples`);
    for (const [text] of examples) {
      const plain = text.replace(/ [|<>].*$/, "");
      const words = [...plain.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
      assert.equal(words[0], name);
      await scan(spec(name), words.slice(1));
    }
  }
});

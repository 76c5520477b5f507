import assert from "node:assert/strict";
import { scan } from "../../cli/argv.ts";
import { usage } from "../../cli/usage.ts";
import { COMMANDS } from "../../cli/table.ts";

const spec = (name: string) => COMMANDS.get(name)!;

Deno.test("scan() reads flags wherever they stand", () => {
  const { flags, args } = scan(spec("run"), [
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

Deno.test("scan() takes a lone minus and what follows -- as arguments", () => {
  assert.deepEqual(scan(spec("ls"), ["a.x", "-", "b.y"]).args, ["a.x", "-", "b.y"]);
  assert.deepEqual(scan(spec("ls"), ["--", "-x"]).args, ["-x"]);
  assert.deepEqual(scan(spec("rm"), ["-ry", "count", "k"]).flags.recursive, true);
});

Deno.test("scan() takes the value of a flag in all ways in which it is usually written", () => {
  for (
    const words of [["-n", "5"], ["-n5"], ["-n=5"], ["--limit", "5"], ["--limit=5"], ["-sn5"], ["-sn", "5"]]
  ) {
    const { flags, args } = scan(spec("ls"), [...words, "a.x"]);
    assert.deepEqual([flags.limit, args], [5, ["a.x"]], words.join(" "));
  }
  for (const words of [["-o", "-"], ["-o-"], ["--output=-"]]) {
    assert.equal(scan(spec("graph"), words).flags.output, "-");
  }
  for (const text of ["--json", "two\nlines", "a=b", "-5"]) {
    assert.equal(scan(spec("graph"), [`--output=${text}`]).flags.output, text);
  }
  assert.equal(scan(spec("graph"), ["-o", "-5"]).flags.output, "-5");
  assert.deepEqual(scan(spec("ls"), ["--json", "--json"]).flags.json, true);
});

Deno.test("scan() says what is wrong, and what to write", () => {
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
      ["status", ["--once"], "status has no flag --once; run has it"],
      ["run", ["--force"], "run has no flag --force; launch and inject have it"],
      ["inject", ["--json"], 'inject has no flag --json; see its flags with "inject --help"'],
      ["run", ["--task"], "--task needs a value; write --task TASK"],
      ["run", ["x"], 'run takes no arguments, and "x" is one too many; write run'],
      [
        "logs",
        ["a", "b", "--attempt", "zero"],
        'Cannot use "zero" for --attempt; write a whole number above zero',
      ],
      ["logs", ["a", "b", "--attempt", "0"], 'Cannot use "0" for --attempt; write a whole number above zero'],
      ["logs", ["a", "b", "--attempt", "1", "--attempt", "2"], "--attempt was given twice; give it once"],
      ["run", ["-5"], 'run has no flag -5; see its flags with "run --help"'],
      ["ls", ["-5"], "ls has no flag -5; write -- before it if it is an argument"],
      ["ls", ["-n", "-5"], 'Cannot use "-5" for --limit; write a whole number above zero'],
      ["ls", ["-n5x"], 'Cannot use "5x" for --limit; write a whole number above zero'],
      ["ls", ["--limit="], 'Cannot use "" for --limit; write a whole number above zero'],
      ["ls", ["--limit", ""], 'Cannot use "" for --limit; write a whole number above zero'],
      ["ls", ["--n=5"], "ls has no flag --n; did you mean -n?"],
      ["ls", ["--=5"], 'ls has no flag --=5; see its flags with "ls --help"'],
      ["ls", ["-count"], "ls has no flag -count; did you mean --count?"],
      ["ls", ["-sz"], 'ls has no flag -z; see its flags with "ls --help"'],
      ["ls", ["--count=yes"], '--count takes no value; leave "yes" out'],
      ["ls", ["-c=yes"], '-c takes no value; leave "yes" out'],
      ["ls", ["-sc=a=b"], '-c takes no value; leave "a=b" out'],
      ["run", ["--notTask", "a"], "run has no flag --notTask; did you mean --not-task?"],
      ["graph", ["-o", ""], "--output is empty; write --output FILE"],
      ["graph", ["--output="], "--output is empty; write --output FILE"],
      ["ls", ["-p", ""], "--pipeline is empty; write --pipeline MODULE"],
      ["backup", [""], `DIR is empty; write ${usage(spec("backup"))}`],
      ["restore", [""], `DIR is empty; write ${usage(spec("restore"))}`],
      ["run", ["--progress="], 'Cannot use "" for --progress; choose auto, plain or none'],
      ["run", ["-t", "--"], "--task needs a value; write --task TASK"],
      [
        "run",
        ["-t", "--once"],
        "--task needs a value, and --once is written as a flag; write --task TASK, or --task=--once if it is the value",
      ],
      ["why", [], "why needs a TASK; write why TASK [JOB]"],
      ["launch", ["a"], "launch needs a JOB; write launch TASK JOB"],
      ["why", ["a", "b", "c"], 'why takes 2 arguments, and "c" is one too many; write why TASK [JOB]'],
      ["trace", [], "trace needs a JOB; write trace JOB..."],
    ] as const
  ) {
    assert.throws(() => scan(spec(name), words), { code: "usage", message }, `${name} ${words.join(" ")}`);
  }
});

Deno.test("scan() takes every example of the help", () => {
  for (const { name, examples, hidden } of COMMANDS.values()) {
    assert.ok(hidden || examples.length > 0, `${name} has examples`);
    for (const [text] of examples) {
      const plain = text.replace(/ [|<>].*$/, "");
      const words = [...plain.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
      assert.equal(words[0], name);
      scan(spec(name), words.slice(1));
    }
  }
});

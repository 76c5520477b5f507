/** Tests of commands that a pipeline brings along. */
import assert from "node:assert/strict";
import { type Command, command } from "../../cli/main.ts";
import { UsageError } from "../../core/errors.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { Session } from "../../session/session.ts";
import { CLI, deno, ended, ROOT } from "./own_program.ts";
import { cli, toy } from "./held_io.ts";

/** Counts the characters of books; fails at those that are too short. */
const measure = command("measure", {
  brief: "Say how long books are",
  about: ["A book that is too short is named."],
  args: [{ name: "BOOK", completes: "job" }, { name: "MORE", optional: true, many: true, completes: "job" }],
  flags: {
    atLeast: { kind: "number", short: "l", brief: "How long they must be", placeholder: "N" },
    unit: { kind: "choice", values: ["characters", "words"], brief: "What is counted" },
    json: { kind: "boolean", brief: "Print JSON" },
  },
  examples: [["measure emma --at-least 100", "is it long enough"]],
}, async ({ pipeline, args: [first, ...more], flags, print }) => {
  const books = pipeline.repositories().get("count.books")! as ReturnType<typeof toy>["books"];
  const lengths: Record<string, number> = {};
  for (const book of [first, ...more]) {
    const text = await books.text(book);
    lengths[book] = flags.unit === "words" ? text.split(" ").length : text.length;
  }
  if (flags.json) print(lengths);
  else for (const [book, n] of Object.entries(lengths)) print(`${book}: ${n} ${flags.unit ?? "characters"}`);
  return Object.values(lengths).every((n) => n >= (flags.atLeast ?? 0)) ? 0 : 3;
});

async function withBooks(words: readonly string[], commands: readonly Command[] = [measure]) {
  const it = toy();
  await it.books.put("emma", "handsome, clever, and rich");
  await it.books.put("walden", "I went");
  return await cli(words, { pipeline: it.pipeline, commands });
}

Deno.test("a command of the pipeline gets the opened pipeline, its arguments and its flags", async () => {
  const plain = await withBooks(["measure", "emma", "walden"]);
  assert.deepEqual([plain.code, plain.out, plain.err], [
    0,
    "emma: 26 characters\nwalden: 6 characters\n",
    "",
  ]);
  const json = await withBooks(["measure", "--json", "--unit=words", "walden"]);
  assert.deepEqual([json.code, JSON.parse(json.out)], [0, { walden: 2 }]);
});

Deno.test("what a command returns is the exit code, and what it throws is told as any error", async () => {
  assert.equal((await withBooks(["measure", "emma", "walden", "-l", "10"])).code, 3);
  const missing = await withBooks(["measure", "persuasion"]);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /^datatask: Cannot read "persuasion" of the books: /);
  const refuse = command("refuse", { brief: "Refuse" }, () => {
    throw new UsageError("I will not; ask another");
  });
  const refused = await withBooks(["refuse"], [refuse]);
  assert.deepEqual([refused.code, refused.err], [2, "datatask: I will not; ask another\n"]);
  const odd = command("odd", { brief: "Be odd" }, () => "yes" as never);
  const oddly = await withBooks(["odd"], [odd]);
  assert.deepEqual([oddly.code, oddly.err], [
    2,
    'datatask: Command "odd" gave "yes" for an exit code; return a whole number from 0 to 255, or nothing\n',
  ]);
});

Deno.test("help lists commands of the pipeline, and has a page for each", async () => {
  const { out } = await withBooks(["--help"]);
  assert.match(out, /\nOf this pipeline\n {2}measure {5,}Say how long books are\n/);
  for (const words of [["measure", "--help"], ["help", "measure"]]) {
    const page = await withBooks(words);
    assert.equal(page.code, 0);
    assert.match(page.out, /^Say how long books are\.\n\nUsage: dt measure BOOK \[MORE\.\.\.\] \[flags\]\n/);
    assert.match(page.out, /-l, --at-least N {2,}How long they must be\n/);
    assert.match(page.out, /\n {2}dt measure emma --at-least 100\n/);
  }
  const without = await withBooks(["--help"], []);
  assert.doesNotMatch(without.out, /Of this pipeline/);
});

Deno.test("a mistyped command or flag of the pipeline gets its suggestion", async () => {
  assert.equal(
    (await withBooks(["mesure"])).err,
    'datatask: There is no command "mesure"; did you mean "measure"?\n',
  );
  assert.equal(
    (await withBooks(["measure", "emma", "--at-last", "2"])).err,
    "datatask: measure has no flag --at-last; did you mean --at-least?\n",
  );
  assert.equal(
    (await withBooks(["measure"])).err,
    "datatask: measure needs a BOOK; write measure BOOK [MORE...]\n",
  );
});

Deno.test("what is written like a flag of the pipeline's command and is none is no argument", async () => {
  for (const words of [["-l30"], ["-l=30"], ["--at-least=30"]]) {
    assert.equal((await withBooks(["measure", "emma", ...words])).code, 3, words.join(" "));
  }
  for (
    const [word, fault] of [
      ["-5", "measure has no flag -5; write -- before it if it is an argument"],
      ["--at-least=", 'Cannot use "" for --at-least; write a whole number above zero'],
    ] as const
  ) {
    const { code, err } = await withBooks(["measure", "emma", word]);
    assert.deepEqual([code, err], [2, `datatask: ${fault}\n`]);
  }
  assert.match((await withBooks(["measure", "--", "-5"])).err, /Cannot read "-5"/);
});

Deno.test("commands of the pipeline are completed, with their flags, choices and jobs", async () => {
  const proposals = async (...words: string[]) =>
    (await withBooks(["complete", "--", ...words])).out.split("\n").map((line) => line.split("\t")[0]!)
      .filter((text) => text !== "");
  assert.deepEqual(await proposals("me"), ["measure"]);
  assert.ok((await proposals("")).includes("run"));
  assert.deepEqual(await proposals("measure", "--a"), ["--at-least"]);
  assert.deepEqual(await proposals("measure", "--unit", "w"), ["words"]);
  assert.deepEqual(await proposals("measure", "e"), ["emma"]);
});

Deno.test("a command that only looks is content with what does not open", async () => {
  const session = new Session();
  session.resource("library", () => {
    throw new Error("the library is closed");
  });
  const pipeline = new Pipeline({ tasks: [], session, state: null });
  const body = ({ print }: { readonly print: (text: string) => void }) => print("looked");
  const commands = [
    command("peek", { brief: "Look", look: true }, body),
    command("enter", { brief: "Go in" }, body),
  ];
  const peek = await cli(["peek"], { pipeline, commands });
  assert.deepEqual([peek.code, peek.out, peek.err], [0, "looked\n", ""]);
  const enter = await cli(["enter"], { pipeline, commands });
  assert.deepEqual([enter.code, enter.out], [1, ""]);
  assert.match(enter.err, /the library is closed/);
});

Deno.test("all that is wrong with commands is said at once", async () => {
  const nothing = () => {};
  const { code, err } = await withBooks(["status"], [
    command("run", { brief: "Run" }, nothing),
    command("help", { brief: "Help" }, nothing),
    command("Two Words", { brief: "Be two" }, nothing),
    measure,
    measure,
    command("late", { brief: "Be late", args: [{ name: "A", optional: true }, { name: "B" }] }, nothing),
    command("all", { brief: "Take all", args: [{ name: "A", many: true }, { name: "B" }] }, nothing),
    command("flags", {
      brief: "Have flags",
      flags: {
        debug: { kind: "boolean", brief: "Debug" },
        "not-task": { kind: "boolean", brief: "Not" },
        n: { kind: "boolean", brief: "Be short" },
        toString: { kind: "boolean", brief: "Be a text" },
        wide: { kind: "boolean", short: "wide", brief: "Wide" },
        pretty: { kind: "boolean", short: "p", brief: "Pretty" },
        one: { kind: "text", short: "o", brief: "One" },
        other: { kind: "text", short: "o", brief: "Other" },
        choice: { kind: "choice", values: [], brief: "Choose" },
      },
    }, nothing),
    {} as Command,
  ]);
  assert.equal(code, 2);
  for (
    const text of [
      'Command "run" is there already; call yours something else',
      'Command "help" is there already; call yours something else',
      'Command "Two Words" has no name that can be typed; use small letters, digits and dashes',
      'Command "measure" is there twice; call one something else',
      'Command "late" needs B after A, which may be left out; put it before',
      'Command "all" has B after A, which takes all; put it before',
      'Command "flags" has a flag --debug, which all commands have; call it otherwise',
      'Command "flags" has a flag "not-task"; write its name in camel case, of two letters or more, as notTask',
      'Command "flags" has a flag "n"; write its name in camel case, of two letters or more, as notTask',
      'Command "flags" has a flag "toString"; write its name in camel case, of two letters or more, as notTask',
      'Flag --wide of command "flags" is short for "wide"; write a letter',
      'Flags --pipeline and --pretty of command "flags" are both -p; give one another letter',
      'Flags --one and --other of command "flags" are both -o; give one another letter',
      'Flag --choice of command "flags" has nothing to choose from; give it values',
      'Number 9 of the commands is none; make it by command("name", { ... }, body)',
    ]
  ) assert.ok(err.includes(text), `${text}\n\n${err}`);
});

/** A folder with a pipeline whose module exports a command. */
async function inFolder(module: string, use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  await Deno.writeTextFile(
    `${dir}/pipeline.ts`,
    `import { Pipeline } from "${ROOT}pipeline/pipeline.ts";
import { command, main } from "${ROOT}cli/main.ts";
const pipeline = new Pipeline({ name: "shelf", tasks: [] });
export default pipeline;
${module}`,
  );
  try {
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const GREET = `export const commands = [
  command("greet", { brief: "Greet somebody", args: [{ name: "WHOM" }] }, ({ pipeline, args: [whom], print }) =>
    print(\`\${pipeline.name} greets \${whom}\`)),
];
if (import.meta.main) await main(pipeline, { commands });
`;

Deno.test("a module brings its commands by exporting them, and to main when it is the program", async () => {
  await inFolder(GREET, async (dir) => {
    const own = await ended(deno(dir, "-A", "pipeline.ts", "greet", "emma"));
    assert.deepEqual(own, { code: 0, out: "shelf greets emma\n", err: "" });
    const file = `${dir}/pipeline.ts`;
    for (const words of [["greet", "emma", "-p", file], ["-p", file, "greet", "emma"]]) {
      assert.equal((await cli(words)).out, "shelf greets emma\n", words.join(" "));
    }
    assert.match((await cli(["--help", "-p", file])).out, /\n {2}greet +Greet somebody\n/);
    assert.match((await cli(["help", "greet", `--pipeline=${file}`])).out, /^Greet somebody\./);
    assert.match((await cli(["gret", "-p", file])).err, /did you mean "greet"\?/);
    assert.match(
      (await cli(["complete", "--", "-p", file, "gr"])).out,
      /^graph\t.+\ngreet\tGreet somebody\n$/,
    );
    const near = await ended(deno(dir, "-A", CLI, "--help"));
    assert.match(near.out, /\n {2}greet +Greet somebody\n/);
  });
});

Deno.test("a module that does not load keeps nobody from help, nor from a suggestion", async () => {
  await inFolder("throw new Error('boom');\n", async (dir) => {
    const file = `${dir}/pipeline.ts`;
    const help = await cli(["--help", "-p", file]);
    assert.equal(help.code, 2);
    assert.match(help.out, /\n {2}status +/);
    assert.match(help.err, /it threw Error: boom/);
    const near = await ended(deno(dir, "-A", CLI, "--help"));
    assert.deepEqual([near.code, near.err], [0, ""]);
    assert.match(
      (await cli(["statsu", "-p", file])).err,
      /There is no command "statsu"; did you mean "status"\?/,
    );
    assert.match((await cli(["greet", "-p", file])).err, /it threw Error: boom/);
  });
});

for (const unrelated of ["{ greet: 1 }", "['a', 'b']", "null", "() => {}"]) {
  Deno.test(`an export of that name that holds no commands is left alone, and named: ${unrelated}`, async () => {
    await inFolder(`export const commands = ${unrelated};\n`, async (dir) => {
      const file = `${dir}/pipeline.ts`;
      const help = await cli(["--help", "-p", file]);
      assert.deepEqual([help.code, help.err], [
        0,
        `datatask: It lists no commands of the pipeline, for what ${file} exports as "commands" is no list of them\n`,
      ]);
      assert.match(help.out, /\n {2}status +/);
      assert.equal((await cli(["ls", "-p", file])).code, 0);
      const greet = await cli(["greet", "-p", file]);
      assert.deepEqual([greet.code, greet.err], [
        2,
        `datatask: There is no command "greet", and what ${file} exports as "commands" is no list of them; make it by command("greet", { ... }, body)\n`,
      ]);
    });
  });
}

Deno.test("an export of commands among which are others, or a command alone, is told to be wrong", async () => {
  const greet = `command("greet", { brief: "Greet" }, () => {})`;
  for (
    const [list, fault] of [
      [`[${greet}, 1]`, 'Number 2 of the commands is none; make it by command("name", { ... }, body)'],
      [greet, "Cannot use the commands of the pipeline: they are no list; write [...]"],
    ]
  ) {
    await inFolder(`export const commands = ${list};\n`, async (dir) => {
      const { code, err } = await cli(["--help", "-p", `${dir}/pipeline.ts`]);
      assert.deepEqual([code, err], [2, `datatask: ${fault}\n`]);
    });
  }
});

for (
  const [ending, told, error] of [
    ["print('left in order')", "left in order\n", ""],
    ["throw new Error('the draft could not be saved')", "", "datatask: the draft could not be saved\n"],
    ["signal.throwIfAborted()", "", ""],
  ] as const
) {
  Deno.test(`Ctrl-C aborts the signal of a command, and the exit code says so: ${ending}`, async () => {
    const wait = `export const commands = [
  command("wait", { brief: "Wait" }, async ({ signal, print }) => {
    print("waiting");
    const timer = setInterval(() => {}, 1000);
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    clearInterval(timer);
    ${ending};
  }),
];
`;
    await inFolder(wait, async (dir) => {
      const child = deno(dir, "-A", CLI, "wait").spawn();
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      let out = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        if (out === "") child.kill("SIGINT");
        out += part.value;
      }
      const err = await new Response(child.stderr).text();
      assert.deepEqual([(await child.status).code, out, err], [
        130,
        `waiting\n${told}`,
        `Stopping wait. Ctrl-C again to leave at once.\n${error}`,
      ]);
    });
  });
}

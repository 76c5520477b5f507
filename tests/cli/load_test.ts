import assert from "node:assert/strict";
import { cli } from "./held_io.ts";

const ROOT = new URL("../../", import.meta.url).href;

/** Writes modules into a folder of their own, and asks for the status of one. */
async function load(files: Record<string, string>, words: readonly string[] = []) {
  const dir = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${dir}/${name}`, text);
    const done = await cli(["status", "-p", `${dir}/pipeline.ts`, ...words]);
    return { ...done, err: done.err.replaceAll(dir, "DIR") };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const GOOD = `import { Pipeline } from "${ROOT}pipeline/pipeline.ts";\n`;

Deno.test("a pipeline is taken from the default export, or from the export named pipeline", async () => {
  for (
    const line of [
      "export default new Pipeline({ tasks: [], state: null });",
      "export const pipeline = new Pipeline({ tasks: [], state: null });",
    ]
  ) {
    const { code, out, err } = await load({ "pipeline.ts": GOOD + line });
    assert.deepEqual([code, err], [0, ""]);
    assert.equal(out, "pipeline is not running\nIt has no tasks.\n");
  }
});

Deno.test("what $DATATASK_PIPELINE says is named as the source of a wrong path, and JSON as no module", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/data.json`, "{}");
    const asked = async (env: Record<string, string>, ...words: string[]) => {
      const cliPath = new URL("cli.ts", ROOT).pathname;
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-lock", "--no-config", "--quiet", "-A", cliPath, "status", ...words],
        cwd: dir,
        env: { NO_COLOR: "1", ...env },
      }).output();
      return [code, new TextDecoder().decode(stderr)];
    };
    assert.deepEqual(await asked({ DATATASK_PIPELINE: "gone.ts" }), [
      2,
      "datatask: Cannot load gone.ts (from $DATATASK_PIPELINE): there is no such file; check the path\n",
    ]);
    assert.deepEqual(await asked({}, "-p", "data.json"), [
      2,
      "datatask: Cannot load data.json: it is JSON, and a pipeline is a module; name a .ts or .js file\n",
    ]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a module that is no pipeline gets one line that says what is wrong, and where", async () => {
  const cases: [Record<string, string>, string | RegExp][] = [
    [{}, "Cannot load DIR/pipeline.ts: there is no such file; check the path"],
    [
      { "pipeline.ts": "export const x = 1;\nexport const y = 2;\n" },
      "Cannot use DIR/pipeline.ts: it exports no pipeline (only x, y); end it with  export default new Pipeline({ tasks: [...] });",
    ],
    [
      { "pipeline.ts": "" },
      "Cannot use DIR/pipeline.ts: it exports no pipeline; end it with  export default new Pipeline({ tasks: [...] });",
    ],
    [
      { "pipeline.ts": `${GOOD}export const mine = new Pipeline({ tasks: [], state: null });\n` },
      'Cannot use DIR/pipeline.ts: its pipeline is exported as "mine"; add  export default mine;',
    ],
    [
      {
        "pipeline.ts":
          "const a = 1;\n\nfunction f() {\n  throw new Error('boom\\nmore');\n}\nf();\nexport default a;\n",
      },
      "Cannot load DIR/pipeline.ts (DIR/pipeline.ts:4:9): it threw Error: boom; correct it there",
    ],
    [
      { "pipeline.ts": "throw 'text';\n" },
      'Cannot load DIR/pipeline.ts: it threw "text" while it was loading; throw an Error there',
    ],
    [
      { "pipeline.ts": "export default 1 +;\n" },
      /^Cannot load DIR\/pipeline\.ts \(DIR\/pipeline\.ts:1:\d+\): a syntax error: Expression expected; correct it there$/,
    ],
    [
      { "pipeline.ts": 'import x from "lodash";\nexport default x;\n' },
      'Cannot load DIR/pipeline.ts (DIR/pipeline.ts:1:15): it imports "lodash", a name that needs an import map; write npm:lodash, jsr:lodash or a path, or add --config with the deno.json that has it',
    ],
    [
      { "pipeline.ts": 'import x from "./nope.ts";\nexport default x;\n' },
      "Cannot load DIR/pipeline.ts (DIR/pipeline.ts:1:15): it imports DIR/nope.ts, which is not there; correct the import",
    ],
    [
      {
        "pipeline.ts": 'import { x } from "./other.ts";\nexport default x;\n',
        "other.ts": "export const y = 1;\n",
      },
      /^Cannot load DIR\/pipeline\.ts \(DIR\/pipeline\.ts:1:10\): The requested module '\.\/other\.ts' does not provide an export named 'x'$/,
    ],
    [
      {
        "pipeline.ts":
          `${GOOD}\nexport default new Pipeline({ tasks: [1 as never, 1 as never], state: null });\n`,
      },
      /^Cannot load DIR\/pipeline\.ts \(DIR\/pipeline\.ts:3:16\): /,
    ],
  ];
  for (const [files, expected] of cases) {
    const { code, err, out } = await load(files);
    const message = err.replace(/^datatask: /, "").trimEnd();
    if (typeof expected === "string") assert.equal(message, expected);
    else assert.match(message, expected);
    assert.doesNotMatch(err, /^\s+at /m, "no stack");
    assert.deepEqual([code, out], [2, ""]);
  }
});

Deno.test("--debug shows where a module has thrown", async () => {
  const { err } = await load({ "pipeline.ts": "throw new Error('boom');\n" }, ["--debug"]);
  assert.match(err, /Caused by: Error: boom\n {4}at file:\/\/DIR\/pipeline\.ts:1:7/);
});

Deno.test("an address that cannot be fetched is named", async () => {
  const { code, err } = await cli(["status", "-p", "http://127.0.0.1:1/pipeline.ts"]);
  assert.equal(code, 2);
  assert.match(
    err,
    /^datatask: Cannot load http:\/\/127\.0\.0\.1:1\/pipeline\.ts: http:\/\/127\.0\.0\.1:1\/pipeline\.ts could not be fetched \(.*\); check the address and the network\n$/,
  );
});

Deno.test("-p takes a folder, and paths with blanks and signs", async () => {
  const parent = await Deno.makeTempDir();
  const dir = `${parent}/a b%20#?c`;
  await Deno.mkdir(dir);
  try {
    const empty = await cli(["status", "-p", dir]);
    assert.deepEqual([empty.code, empty.err], [
      2,
      `datatask: Cannot load ${dir}: it is a folder without pipeline.ts or pipeline.js; name the file\n`,
    ]);
    await Deno.writeTextFile(
      `${dir}/pipeline.js`,
      `${GOOD}export default new Pipeline({ tasks: [], state: null });`,
    );
    assert.equal((await cli(["status", "-p", dir])).code, 0);
    assert.equal((await cli(["-p", dir, "status"])).code, 0);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});

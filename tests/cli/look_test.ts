import assert from "node:assert/strict";
import { inFolder } from "../kit/folder.ts";

const ROOT = new URL("../../", import.meta.url);
const CLI = new URL("cli.ts", ROOT).pathname;

async function cli(
  dir: string,
  permissions: readonly string[],
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--no-config", "--quiet", "--no-prompt", ...permissions, CLI, ...args],
    cwd: dir,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

/** All files and folders, with what is in them. */
async function tree(dir: string): Promise<string> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    names.push(isDirectory ? `${name}/\n${await tree(`${dir}/${name}`)}` : name);
  }
  return names.sort().join("\n");
}

/** A folder with a pipeline of one task, and of another whose store is a resource that does not open. */
const withPipeline = (use: (dir: string) => Promise<void>): Promise<void> =>
  inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/in`);
    for (const job of ["a", "b"]) await Deno.writeTextFile(`${dir}/in/${job}`, `text of ${job}`);
    await Deno.writeTextFile(
      `${dir}/pipeline.ts`,
      `import { executorGroup } from "${ROOT}executors/group/mod.ts";
import { BlobRepository, FileRepository, functionTask, input, localExecutor, memoryBlobDriver, output, Pipeline, processTask, Session, sh, YamlMetadataRepository } from "${ROOT}mod.ts";
const session = new Session();
const database = session.resource("database", () => {
  try { Deno.statSync("down"); } catch { return memoryBlobDriver(); }
  throw new Error("nobody answers on port 5432");
});
const documents = new BlobRepository({
  ...memoryBlobDriver(),
  name: "documents",
  identity: "documents",
  async *keys() { yield* database().keys(); },
});
const store = functionTask("store", {
  done: YamlMetadataRepository.files("./stored"),
  links: { documents: input(documents) },
}, () => {});
const made = new FileRepository("./out");
const copy = functionTask("copy", {
  done: YamlMetadataRepository.files("./done"),
  links: { given: input(new FileRepository("./in")), made: output(made) },
}, async ({ given, made }) => { await made.write(await given.text()); });
const count = processTask("count", {
  done: YamlMetadataRepository.files("./counted"),
  links: { made: input(made), counts: output(new FileRepository("./counts")) },
  script: ({ made, counts }) => sh\`wc -c < \${made} > \${counts}\`,
});
const spread = processTask("spread", {
  done: YamlMetadataRepository.files("./spread"),
  executor: executorGroup({ name: "both", executors: [localExecutor({ name: "one" }), localExecutor({ name: "two" })] }),
  links: { made: input(made) },
  script: "true",
});
export default new Pipeline({ tasks: [copy, count, spread, store], session });
`,
    );
    await use(dir);
  });

/** What looking needs. */
const READ = ["--allow-read", "--allow-env", "--allow-sys"];

const LOOKS: readonly (readonly string[])[] = [
  ["status"],
  ["status", "--json"],
  ["plan"],
  ["run", "--dry-run"],
  ["why", "copy"],
  ["why", "copy", "a"],
  ["why", "count", "a"],
  ["why", "spread", "a"],
  ["trace", "a"],
  ["ls"],
  ["ls", "copy.given - copy.made"],
  ["cat", "copy.given", "a"],
  ["graph"],
  ["graph", "--counts"],
];

Deno.test("commands that look make nothing and need to read only", () =>
  withPipeline(async (dir) => {
    const before = await tree(dir);
    for (const words of LOOKS) {
      // Who may do more must not do more.
      for (const permissions of [READ, ["-A"]]) {
        const { code, out, err } = await cli(dir, permissions, ...words);
        assert.deepEqual([code, err], [0, ""], words.join(" "));
        assert.notEqual(out, "", words.join(" "));
      }
    }
    assert.equal(await tree(dir), before);
  }));

Deno.test("what has run is looked at in the same way, and left as it is", () =>
  withPipeline(async (dir) => {
    assert.equal((await cli(dir, ["-A"], "run", "--quiet")).code, 0);
    const before = await tree(dir);
    for (const words of [...LOOKS, ["cat", "count.counts", "a"], ["logs", "count", "a"]]) {
      const { code, err } = await cli(dir, READ, ...words);
      assert.deepEqual([code, err], [0, ""], words.join(" "));
    }
    assert.equal(await tree(dir), before);
    // Not even where there is something to remove, and nobody has said yes.
    const { code, err } = await cli(dir, READ, "rm", "copy", "a");
    assert.equal(code, 2);
    assert.match(err, /--yes/);
    assert.equal(await tree(dir), before);
  }));

Deno.test("a resource that is down stops work, and only those who look at what needs it", () =>
  withPipeline(async (dir) => {
    await Deno.writeTextFile(`${dir}/down`, "");
    const { code, out, err } = await cli(dir, ["-A"], "ls", "copy.given", "--sort");
    assert.deepEqual([code, out, err], [0, "a\nb\n", ""]);
    const told = 'resource "database" did not open: nobody answers on port 5432';
    const used = await cli(dir, ["-A"], "ls", "store.documents");
    assert.equal(used.code, 1);
    assert.match(
      used.err,
      /Cannot use resource "database": it did not open: nobody answers on port 5432; put that right/,
    );
    const run = await cli(dir, ["-A"], "run");
    assert.equal(run.code, 1);
    assert.match(run.err, new RegExp(told));
    const doctor = await cli(dir, ["-A"], "doctor");
    assert.match(doctor.out, new RegExp(told));
  }));

import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);

/** A script on an executor that says of its runs that they wait, until there is a file `go`; only then the script ends. */
const PIPELINE = `import { processTask } from "${ROOT}tasks/process.ts";
import { localExecutor } from "${ROOT}executors/local.ts";
import { YamlMetadataRepository } from "${ROOT}repositories/yaml.ts";
import { FileRepository } from "${ROOT}repositories/files.ts";
import { input } from "${ROOT}tasks/link.ts";
import { Pipeline } from "${ROOT}pipeline/pipeline.ts";
const local = localExecutor();
const went = () => Deno.stat("go").then(() => true, () => false);
const crowded = new Proxy(local, {
  get(executor, name) {
    if (name === "list") {
      return async function* (options) {
        for await (const run of executor.list(options)) {
          yield run.state === "running" && !await went() ? { ...run, waiting: "no node has room" } : run;
        }
      };
    }
    const value = executor[name];
    return typeof value === "function" ? value.bind(executor) : value;
  },
});
export default new Pipeline({
  tasks: [processTask("hold", {
    done: YamlMetadataRepository.files("./done"),
    executor: crowded,
    links: { given: input(new FileRepository("./in")) },
    script: \`while [ ! -e "\${Deno.cwd()}/go" ]; do sleep 0.05; done\`,
  })],
});
`;

Deno.test("a run whose output is piped says on a line of its own what a job waits for, once", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  await Deno.mkdir(`${dir}/in`);
  await Deno.writeTextFile(`${dir}/in/emma`, "");
  await Deno.writeTextFile(`${dir}/pipeline.ts`, PIPELINE);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--no-config", "--quiet", "-A", new URL("cli.ts", ROOT).pathname, "run"],
    cwd: dir,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let said = "";
  const decoder = new TextDecoder();
  const listen = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const chunk of stream) {
      said += decoder.decode(chunk, { stream: true });
      if (said.includes("waits")) await Deno.writeTextFile(`${dir}/go`, "");
    }
  };
  try {
    await Promise.all([listen(child.stdout), listen(child.stderr)]);
    assert.equal((await child.status).code, 0, said);
    assert.deepEqual(said.match(/.*waits.*/g)?.map((line) => line.replace(/^.*?(?=hold)/, "")), [
      "hold/emma waits: no node has room",
    ], said);
    assert.match(said, /1 succeeded/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** The rehearsal of the published form: what a stranger types, against a registry and a web server of this machine. */
import assert from "node:assert/strict";
import { ROOT } from "../../tools/entries.ts";
import { loopbackRegistry } from "./loopback_registry.ts";
import { type Scratch, scratch } from "./scratch.ts";

const { name, version } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));

/** A pipeline that counts words, as a stranger writes it. */
const pipelineOf = (from: string): string => `
import { FileRepository, functionTask, input, main, output, Pipeline, YamlMetadataRepository } from "${from}";
const books = new FileRepository("./books", { extension: ".txt" });
const reports = new FileRepository("./reports", { extension: ".txt" });
const done = YamlMetadataRepository.files("./results");
const summary = functionTask("summary", { done, links: { books: input(books), reports: output(reports) } },
  async ({ job, books, reports }) => {
    await reports.write(job + ": " + (await books.text()).split(/\\s+/).length + " words\\n");
  });
const pipeline = new Pipeline({ tasks: [summary] });
export default pipeline;
if (import.meta.main) await main(pipeline);
`;

/** Publishes the package. */
async function publish(url: string): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--allow-dirty", "--no-check", "--no-provenance", "--token", "loopback"],
    cwd: ROOT,
    env: { JSR_URL: url, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

/** A book in the folder, and the report that must come of it. */
async function withBook(place: Scratch): Promise<() => Promise<void>> {
  await Deno.remove(`${place.path}/reports`, { recursive: true }).catch(() => {});
  await Deno.remove(`${place.path}/results`, { recursive: true }).catch(() => {});
  await Deno.mkdir(`${place.path}/books`, { recursive: true });
  await place.write("books/emma.txt", "Emma Woodhouse, handsome, clever, and rich");
  return async () => {
    assert.equal(await Deno.readTextFile(`${place.path}/reports/emma.txt`), "emma: 6 words\n");
  };
}

Deno.test("the published package can be run, added, installed and imported", async (t) => {
  await using registry = loopbackRegistry();
  await publish(registry.url);
  await using place = await scratch({ JSR_URL: registry.url });

  await t.step("it holds what it needs and nothing else", () => {
    const files = [...registry.files(name, version)!.keys()];
    for (const wanted of ["/mod.ts", "/cli.ts", "/README.md", "/LICENSE", "/deno.json"]) {
      assert(files.includes(wanted), wanted);
    }
    const beyond = files.filter((file) => /^\/(tests|tools|examples|bench|docs|\.ci|\.github)\b/.test(file));
    assert.deepEqual(beyond, []);
  });

  await t.step("deno run jsr:…/cli --help", async () => {
    const { code, text } = await place.deno("run", "-A", `jsr:${name}/cli`, "--help");
    assert.equal(code, 0, text);
    assert.match(text, /run .*\n/);
  });

  await t.step("deno run jsr:…/cli under a package.json", async () => {
    await place.write("package.json", "{}");
    const { code, text } = await place.deno(
      "run",
      "-A",
      "--node-modules-dir=none",
      `jsr:${name}/cli`,
      "--help",
    );
    await Deno.remove(`${place.path}/package.json`);
    assert.equal(code, 0, text);
  });

  await t.step("deno add, then a program that imports it", async () => {
    const check = await withBook(place);
    await place.write("deno.json", "{}");
    const added = await place.deno("add", `jsr:${name}`);
    assert.equal(added.code, 0, added.text);
    await place.write("pipeline.ts", pipelineOf(name));
    const ran = await place.deno("run", "-A", "pipeline.ts", "run");
    assert.equal(ran.code, 0, ran.text);
    await check();
  });

  await t.step("deno install -g, then its command on a pipeline", async () => {
    const check = await withBook(place);
    await place.write("pipeline.ts", pipelineOf(`jsr:${name}`));
    const installed = await place.deno(
      "install",
      "-gA",
      "--root",
      `${place.path}/root`,
      "-n",
      "datatask",
      `jsr:${name}/cli`,
    );
    assert.equal(installed.code, 0, installed.text);
    const ran = await place.program(`${place.path}/root/bin/datatask`, "run");
    assert.equal(ran.code, 0, ran.text);
    await check();
  });

  await t.step("what was cached beforehand works without a network", async () => {
    await using image = await scratch({ JSR_URL: registry.url });
    const check = await withBook(image);
    await image.write("pipeline.ts", pipelineOf(`jsr:${name}`));
    const early = await image.deno("cache", "pipeline.ts", `jsr:${name}/cli`);
    assert.equal(early.code, 0, early.text);
    for (const program of [["pipeline.ts"], [`jsr:${name}/cli`, "-p", "pipeline.ts"]]) {
      const { code, text } = await image.deno("run", "-A", "--cached-only", ...program, "status");
      assert.equal(code, 1, text);
      assert.match(text, /^datatask: Cannot load cli\/.+ of this package, which is not in Deno's cache; /);
      assert(text.endsWith(`run: deno cache jsr:${name}@${version}/offline\n`), text);
    }
    const cached = await image.deno("cache", "pipeline.ts", `jsr:${name}/offline`);
    assert.equal(cached.code, 0, cached.text);
    for (const words of [["run"], ["status"], ["graph", "--format", "svg"], ["doctor"]]) {
      const { code, text } = await image.deno("run", "-A", "--cached-only", "pipeline.ts", ...words);
      assert.equal(code, 0, text);
    }
    await check();
  });

  await t.step("types: a program that uses it wrongly does not check", async () => {
    await place.write("wrong.ts", pipelineOf(name).replace("await books.text()", "await books.write('x')"));
    const { code, text } = await place.deno("check", "wrong.ts");
    assert.notEqual(code, 0);
    assert.match(text, /Property 'write' does not exist/);
  });
});

Deno.test("the sources can be run from any web server, with a pipeline that has the package from elsewhere", async () => {
  await using registry = loopbackRegistry();
  await publish(registry.url);
  const files = registry.files(name, version)!;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const file = files.get(new URL(request.url).pathname);
    return file
      ? new Response(file, { headers: { "content-type": "text/plain" } })
      : new Response("not found", { status: 404 });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  await using place = await scratch({ JSR_URL: registry.url });
  for (const from of [`${url}/mod.ts`, `jsr:${name}`]) {
    const check = await withBook(place);
    await place.write("pipeline.ts", pipelineOf(from));
    const { code, text } = await place.deno("run", "-A", `${url}/cli.ts`, "run", "-p", "pipeline.ts");
    assert.equal(code, 0, text);
    await check();
  }
});

Deno.test("on the day of a release the minimum age must be lifted by hand", async () => {
  await using registry = loopbackRegistry({ publishedAt: new Date() });
  await publish(registry.url);
  await using place = await scratch({ JSR_URL: registry.url });
  const refused = await place.deno("run", "-A", `jsr:${name}/cli`, "--help");
  assert.notEqual(refused.code, 0);
  assert.match(refused.text, /newer than the specified minimum dependency date/);
  const { code, text } = await place.deno("run", "-A", "--min-dep-age=0", `jsr:${name}/cli`, "--help");
  assert.equal(code, 0, text);
});

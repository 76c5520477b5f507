import assert from "node:assert/strict";
import { Pipeline } from "../../pipeline/pipeline.ts";
import type { BlobDriver, TreeEntry } from "../../repositories/driver.ts";
import { BlobRepository } from "../../repositories/blob.ts";
import { ContentAddressedRepository } from "../../repositories/combine/content_addressed.ts";
import { DirectoryRepository } from "../../repositories/directory.ts";
import { FileRepository } from "../../repositories/files.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../repositories/memory_tree.ts";
import type { Repository } from "../../repositories/repository.ts";
import { SqliteMetadataRepository } from "../../repositories/sqlite/mod.ts";
import { JsonMetadataRepository } from "../../repositories/yaml.ts";
import { functionTask } from "../../tasks/function.ts";
import { input } from "../../tasks/link.ts";
import { cli } from "./held_io.ts";
import { inFolder } from "../kit/folder.ts";

/** A pipeline whose task `t` links these repositories. */
function linking(links: Readonly<Record<string, Repository>>, state: string | null = null): Pipeline {
  const task = functionTask("t", {
    done: new MemoryMetadataRepository(),
    links: Object.fromEntries(
      Object.entries(links).map(([name, repository]) => [name, input(repository as BlobRepository)]),
    ),
  }, () => {});
  return new Pipeline({ tasks: [task], state });
}

async function copied(pipeline: Pipeline, ...words: string[]): Promise<Record<string, unknown>> {
  const { out, err } = await cli(["copy", ...words, "--json"], { pipeline });
  assert.equal(err, "");
  return JSON.parse(out);
}

const SAME = { kept: 0, failed: 0, interrupted: false };

async function* tree(): AsyncGenerator<TreeEntry> {
  yield { kind: "directory", path: "sub", mode: 0o750 };
  yield { kind: "symlink", path: "latest", target: "sub/a.txt" };
  for (const [path, text] of [["sub/a.txt", "hello"], ["sub/b.txt", ""]] as const) {
    yield {
      kind: "file",
      path,
      mode: 0o640,
      size: text.length,
      open: () => Promise.resolve(new Blob([text]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>),
    };
  }
}

Deno.test("copy carries every kind of value between stores of different kinds", () =>
  inFolder(async (dir) => {
    const blobs = [new MemoryBlobRepository("memory"), new FileRepository(`${dir}/files`)] as const;
    await blobs[0].put("emma", "a b c");
    await blobs[0].put("empty", "");
    const documents = [
      new JsonMetadataRepository(new FileRepository(`${dir}/json`)),
      new SqliteMetadataRepository(`${dir}/library.db`),
    ] as const;
    using _database = documents[1];
    await documents[0].set("emma", { z: 1, a: ["x", { d: null }] });
    const trees = [
      new MemoryFilesystemRepository("memory"),
      new DirectoryRepository(`${dir}/trees`),
      new ContentAddressedRepository(new MemoryBlobRepository(), new MemoryMetadataRepository()),
    ] as const;
    await trees[0].put("emma", tree());
    const pipeline = linking({
      a: blobs[0],
      b: blobs[1],
      c: documents[0],
      d: documents[1],
      e: trees[0],
      f: trees[1],
      g: trees[2],
    });
    assert.deepEqual(await copied(pipeline, "t.a", "t.b"), { ...SAME, copied: 2, bytes: 5 });
    assert.equal(await blobs[1].text("emma"), "a b c");
    assert.equal((await copied(pipeline, "t.c", "t.d")).copied, 1);
    assert.deepEqual(await documents[1].get("emma"), { z: 1, a: ["x", { d: null }] });
    assert.deepEqual(await copied(pipeline, "t.e", "t.f"), { ...SAME, copied: 1, bytes: 5 });
    assert.deepEqual(await copied(pipeline, "t.f", "t.g"), { ...SAME, copied: 1, bytes: 5 });
    assert.equal(await new Response(await trees[2].open("emma", "latest")).text(), "hello");
    // There already: known without a state folder, too.
    for (const words of [["t.a", "t.b"], ["t.c", "t.d"], ["t.e", "t.g"]]) {
      const { copied: count, kept } = await copied(pipeline, ...words);
      assert.deepEqual([count, kept], [0, words[0] === "t.a" ? 2 : 1]);
    }
  }));

/** Counts what is read of a repository of blobs. */
function counting(inner: BlobDriver): { readonly repository: BlobRepository; reads: number } {
  const counts = {
    reads: 0,
    repository: new BlobRepository({
      ...inner,
      read: (key, options) => {
        counts.reads++;
        return inner.read(key, options);
      },
    }),
  };
  return counts;
}

Deno.test("copy goes on where it was left, and copies again what has changed", () =>
  inFolder(async (dir) => {
    const from = counting(new FileRepository(`${dir}/from`).driver);
    const to = new FileRepository(`${dir}/to`);
    for (let i = 0; i < 20; i++) await from.repository.put(`k${i}`, `value ${i}`);
    // As if an earlier call had been killed: some values are there, and nothing says whose they are.
    for (let i = 0; i < 5; i++) await to.put(`k${i}`, `value ${i}`);
    const pipeline = linking({ from: from.repository, to }, `${dir}/state`);
    assert.deepEqual(await copied(pipeline, "t.from", "t.to"), { ...SAME, copied: 15, kept: 5, bytes: 115 });
    assert.equal(from.reads, 20);
    from.reads = 0;
    // Noted in the state folder: nothing is read to know that it is there.
    assert.deepEqual(await copied(pipeline, "t.from", "t.to"), { ...SAME, copied: 0, kept: 20, bytes: 0 });
    assert.equal(from.reads, 0);
    const [journal] = [...Deno.readDirSync(`${pipeline.state}/copies`)];
    const path = `${pipeline.state}/copies/${journal!.name}`;
    await Deno.writeTextFile(path, (await Deno.readTextFile(path)).slice(0, -9));
    await from.repository.put("k7", "changed");
    const { code, err } = await cli(["copy", "t.from", "t.to"], { pipeline });
    assert.deepEqual([code, err], [
      1,
      `t.from to t.to: Cannot copy "k7" of ${from.repository.name} to ${to.name}: another value is there; delete it, or call copy with --overwrite\n`,
    ]);
    assert.equal(await to.text("k7"), "value 7");
    assert.deepEqual(
      await copied(pipeline, "t.from", "t.to", "--overwrite"),
      { ...SAME, copied: 1, kept: 19, bytes: 7 },
    );
    assert.equal(await to.text("k7"), "changed");
    await from.repository.delete("k7");
    assert.equal((await copied(pipeline, "t.from", "t.to")).kept, 19);
    assert.equal(await to.has("k7"), true);
  }));

Deno.test("copy says so when a value reads back as another one, and copies the others", async () => {
  const from = new MemoryBlobRepository("from");
  for (const key of ["one", "two"]) await from.put(key, key);
  const inner = new MemoryBlobRepository("to").driver;
  const to = new BlobRepository({
    ...inner,
    write: (key, content, options) =>
      key === "one"
        ? inner.write(key, new TextEncoder().encode("damaged"), options).then(() =>
          content instanceof ReadableStream ? content.pipeTo(new WritableStream()) : undefined
        )
        : inner.write(key, content, options),
  });
  const { code, out, err } = await cli(["copy", "t.from", "t.to"], { pipeline: linking({ from, to }) });
  assert.equal(code, 1);
  assert.equal(
    err,
    `t.from to t.to: Cannot copy "one" of ${from.name} to ${to.name}: it reads back as another value (7 bytes of 3); see who else writes it, and copy it again\n`,
  );
  assert.equal(out, "Done: 1 value copied (3 B), 0 there already, 1 failed, in t.to\n");
});

Deno.test("copy takes it well that another copy is quicker, and tells of twenty failures one by one", async () => {
  const from = new MemoryBlobRepository("from");
  const rival = new MemoryBlobRepository("to");
  for (let i = 0; i < 30; i++) await from.put(`k${i}`, `value ${i}`);
  let value = (key: string): string => `value ${key.slice(1)}`;
  const to = new BlobRepository({
    ...rival.driver,
    write: async (key, content, options) => {
      await rival.put(key, value(key));
      await rival.driver.write(key, content, options);
    },
  });
  const pipeline = linking({ from, to });
  const { kept, failed } = await copied(pipeline, "t.from", "t.to");
  assert.deepEqual([kept, failed], [30, 0]);
  await rival.delete("k1");
  value = () => "of another";
  const { code, err } = await cli(["copy", "t.from", "t.to"], { pipeline });
  assert.deepEqual([code, err], [
    1,
    `t.from to t.to: Cannot write "k1" of ${to.name}: there is a value already; delete it first, or write without ifAbsent\n`,
  ]);
  const many = await cli(["copy", "t.from", "t.to"], {
    pipeline: linking({ from, to: await otherValues(from) }),
  });
  assert.equal(many.err.split("\n").length, 22);
  assert.match(many.err, /\nand 10 more values failed\n$/);
});

/** A repository with other values under the same keys. */
async function otherValues(repository: BlobRepository): Promise<BlobRepository> {
  const others = new MemoryBlobRepository("others");
  for await (const key of repository) await others.put(key, "other");
  return others;
}

Deno.test("copy takes repositories that a module exports, and opens its session", () =>
  inFolder(async (dir) => {
    const from = new MemoryBlobRepository("from");
    await from.put("emma", "a b c");
    const pipeline = linking({ from });
    const library = new URL("../../mod.ts", import.meta.url).href;
    await Deno.writeTextFile(
      `${dir}/stores.ts`,
      `import { BlobRepository, FileRepository, Session } from ${JSON.stringify(library)};
       export const session = new Session();
       const folder = session.resource("folder", (stack) => {
         stack.defer(() => Deno.writeTextFile("${dir}/closed", ""));
         return new FileRepository("${dir}/archive");
       });
       const { driver } = new FileRepository("${dir}/archive");
       export const archive = new BlobRepository({
         ...driver,
         write: (...args) => folder().driver.write(...args),
       });
       export const other = 1;`,
    );
    const { copied: count } = await copied(pipeline, "t.from", `${dir}/stores.ts#archive`);
    assert.equal(count, 1);
    assert.equal(await Deno.readTextFile(`${dir}/archive/emma`), "a b c");
    assert.equal(await Deno.readTextFile(`${dir}/closed`), "");
    const wrong = await cli(["copy", "t.from", `${dir}/stores.ts#other`], { pipeline });
    assert.deepEqual([wrong.code, wrong.err], [
      2,
      `datatask: Cannot use ${dir}/stores.ts#other: ${dir}/stores.ts exports no repository "other"; it exports archive\n`,
    ]);
    const absent = await cli(["copy", "t.from", `${dir}/nothing.ts#archive`], { pipeline });
    assert.deepEqual([absent.code, absent.err], [
      2,
      `datatask: Cannot load ${dir}/nothing.ts: there is no such file; check the path\n`,
    ]);
  }));

Deno.test("copy refuses two stores that cannot be copied", async () => {
  const blobs = new MemoryBlobRepository("blobs");
  const pipeline = linking({ blobs, again: blobs, documents: new MemoryMetadataRepository("documents") });
  const same = await cli(["copy", "t.blobs", "t.again"], { pipeline });
  assert.deepEqual([same.code, same.err], [
    2,
    "datatask: Cannot copy t.blobs to t.again: they are the same store; name another\n",
  ]);
  const kinds = await cli(["copy", "t.blobs", "t.documents"], { pipeline });
  assert.deepEqual([kinds.code, kinds.err], [
    2,
    "datatask: Cannot copy t.blobs to t.documents: t.blobs holds blobs, and t.documents holds documents; name two repositories of one kind of value\n",
  ]);
});

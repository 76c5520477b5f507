import assert from "node:assert/strict";
import { checkRepositories } from "../../cli/doctor/stores.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { BlobRepository } from "../../repositories/blob.ts";
import { FileRepository } from "../../repositories/files.ts";
import { FilesystemRepository } from "../../repositories/filesystem.ts";
import { related } from "../../repositories/combine/related.ts";
import { compressed } from "../../repositories/layers/compressed.ts";
import { packed } from "../../repositories/layers/packed.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../repositories/memory.ts";
import { JsonMetadataRepository } from "../../repositories/yaml.ts";
import { functionTask } from "../../tasks/function.ts";
import { input } from "../../tasks/link.ts";

Deno.test("doctor reads samples of every kind of value back, and names what is damaged", async () => {
  const raw = {
    blobs: new MemoryBlobRepository("blobs"),
    documents: new MemoryBlobRepository("documents"),
    trees: new MemoryBlobRepository("trees"),
  };
  const links = {
    blobs: input(new BlobRepository(compressed("gzip")(raw.blobs.driver))),
    documents: input(new JsonMetadataRepository(raw.documents)),
    trees: input(new FilesystemRepository(packed()(raw.trees.driver))),
  };
  const task = functionTask("t", { done: new MemoryMetadataRepository(), links }, () => {});
  const pipeline = new Pipeline({ tasks: [task], state: null });
  const looked = async () =>
    (await checkRepositories(pipeline)).filter(({ name }) =>
      name !== "t.done" && !/success|failed/.test(name)
    );
  assert.deepEqual((await looked()).map(({ state }) => state), ["ok", "ok", "ok"]);
  for (const repository of Object.values(raw)) await repository.put("emma", "neither gzip, JSON nor tar");
  const checks = await looked();
  assert.deepEqual(checks.map(({ name, state }) => [name, state]), [
    ["t.blobs", "fail"],
    ["t.documents", "fail"],
    ["t.trees", "fail"],
  ]);
  for (const { text, advice } of checks) {
    assert.match(text!, /^Cannot read "emma" of /);
    assert.equal(advice, "mend the value, or delete it with rm so that it is made again");
  }
});

Deno.test("doctor reads the beginning of a large value only, and gives its file back", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const books = new FileRepository(dir);
    const file = await Deno.open(`${dir}/large`, { write: true, create: true });
    await file.truncate(2 ** 40);
    file.close();
    const task = functionTask(
      "t",
      { done: new MemoryMetadataRepository(), links: { books: input(books) } },
      () => {},
    );
    const checks = await checkRepositories(new Pipeline({ tasks: [task], state: null }));
    assert.equal(checks.find(({ name }) => name === "t.books")!.state, "ok");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("doctor names a folder that is not there, and the document that keeps keys from being told", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const raw = new MemoryBlobRepository("raw");
    const authors = new JsonMetadataRepository<string>(raw);
    await authors.set("emma", "austen");
    await raw.put("alice", "{");
    const portraits = new MemoryBlobRepository("portraits");
    await portraits.put("austen", "x");
    const links = {
      books: input(new FileRepository(`${dir}/boks`, { extension: ".txt" })),
      portrait: input(related(portraits, authors, { name: "portrait" })),
    };
    const task = functionTask("t", { done: new MemoryMetadataRepository(), links }, () => {});
    const checks = await checkRepositories(new Pipeline({ tasks: [task], state: null }));
    const [books, portrait] = ["t.books", "t.portrait"].map((name) =>
      checks.find((one) => one.name === name)!
    );
    assert.deepEqual(books, {
      name: "t.books",
      state: "warn",
      text: `files ${dir}/boks/*.txt: there is no folder ${dir}/boks`,
      advice:
        "make the folder, or correct its path: it is relative to the folder in which you run the pipeline",
    });
    assert.equal(portrait!.state, "fail");
    assert.match(
      portrait!.text,
      /^of 1 key it cannot be told whether portrait has them: Cannot read "alice" of .*; correct or delete it$/,
    );
    assert.match(portrait!.advice!, /^mend the document, or delete it; .* held back, and no others$/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

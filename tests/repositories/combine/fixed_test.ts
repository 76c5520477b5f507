import assert from "node:assert/strict";
import { fixed } from "../../../repositories/combine/fixed.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../../repositories/memory_tree.ts";
import { file } from "../../../testing/trees.ts";

Deno.test("fixed() is one item of a repository, for each kind", async () => {
  const blobs = new MemoryBlobRepository("blobs");
  const blob = fixed(blobs, "one");
  await blob.put("text");
  assert.deepEqual([await blob.text(), await blob.has(), (await blob.info())?.size], ["text", true, 4]);
  const writer = blob.create().getWriter();
  await writer.write(new TextEncoder().encode("streamed"));
  await writer.close();
  assert.equal(await new Response(await blob.open()).text(), "streamed");
  await blob.delete();
  assert.equal(await blob.find(), undefined);
  await assert.rejects(blob.bytes(), { code: "not-found" });

  const document = fixed(new MemoryMetadataRepository<number>("numbers"), "one");
  await document.set(7);
  assert.deepEqual([await document.get(), await document.find()], [7, 7]);

  const tree = fixed(new MemoryFilesystemRepository("trees"), "one");
  await tree.put([file("f", "1")]);
  assert.equal(await new Response(await tree.open("f")).text(), "1");
  assert.equal((await Array.fromAsync(await tree.entries())).length, 1);
  assert.equal("text" in tree, false);
});

Deno.test("fixed() refuses what is no key", () => {
  assert.throws(
    () => fixed(new MemoryBlobRepository("blobs"), "../x"),
    /^RepositoryError: Cannot fix "\.\.\/x" of blobs: not a valid key/,
  );
});

import assert from "node:assert/strict";
import {
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  Repository,
} from "../../mod.ts";
import {
  bind,
  type BoundBlobOutput,
  type BoundDocumentOutput,
  type BoundTreeOutput,
} from "../../tasks/bound.ts";

const open = { signal: new AbortController().signal, check: () => {} };

Deno.test("bind gives each kind of repository its methods, and those that write to outputs only", () => {
  const kinds = [
    [new MemoryBlobRepository(), ["text", "bytes", "stream"], ["write", "create"]],
    [new MemoryMetadataRepository(), ["get", "find"], ["write"]],
    [new MemoryFilesystemRepository(), ["entries", "open"], ["write"]],
    [new Repository(new MemoryBlobRepository().driver), [], []],
  ] as const;
  for (const [repository, reads, writes] of kinds) {
    const common = ["key", "exists", ...reads];
    assert.deepEqual(Object.keys(bind(repository, "k", "in", open)), common);
    for (const direction of ["out", "status"] as const) {
      assert.deepEqual(Object.keys(bind(repository, "k", direction, open)), [...common, ...writes]);
    }
  }
});

Deno.test("A bound repository touches its own key only", async () => {
  const [blobs, documents, trees] = [
    new MemoryBlobRepository("b"),
    new MemoryMetadataRepository<number>("d"),
    new MemoryFilesystemRepository("t"),
  ];
  const blob = bind(blobs, "mine", "out", open) as BoundBlobOutput;
  const document = bind(documents, "mine", "out", open) as BoundDocumentOutput<number>;
  const tree = bind(trees, "mine", "out", open) as BoundTreeOutput;
  await blobs.put("other", "theirs");
  assert.equal(await blob.exists(), false);
  await blob.write("text");
  await document.write(7);
  await tree.write([{ kind: "directory", path: "d", mode: 0o755 }]);
  assert.deepEqual([
    await blob.text(),
    await document.get(),
    (await Array.fromAsync(await tree.entries())).length,
  ], ["text", 7, 1]);
  assert.deepEqual([await blobs.text("mine"), await blobs.text("other"), await documents.get("mine")], [
    "text",
    "theirs",
    7,
  ]);
  const found = await (bind(documents, "absent", "in", open) as BoundDocumentOutput<number>).find();
  assert.equal(found, undefined);
});

Deno.test("A bound repository asks its guard before each call, and rejects with what the guard throws", async () => {
  const closed = {
    signal: open.signal,
    check: () => {
      throw new Error("over");
    },
  };
  const blobs = new MemoryBlobRepository("b");
  const blob = bind(blobs, "k", "out", closed) as BoundBlobOutput;
  for (
    const call of [
      () => blob.exists(),
      () => blob.text(),
      () => blob.bytes(),
      () => blob.stream(),
      () => blob.write("x"),
    ]
  ) {
    // It is a rejection, not an exception: a body that floats the promise can still catch it.
    const promise = call();
    await assert.rejects(promise, { message: "over" });
  }
  assert.throws(() => blob.create(), { message: "over" });
  assert.equal(await blobs.has("k"), false);
});

Deno.test("A bound repository stops with the signal of its guard", async () => {
  const aborter = new AbortController();
  const blob = bind(new MemoryBlobRepository("b"), "k", "out", {
    signal: aborter.signal,
    check: () => {},
  }) as BoundBlobOutput;
  aborter.abort(new Error("enough"));
  await assert.rejects(blob.write("x"), { message: "enough" });
  await assert.rejects(blob.exists(), { message: "enough" });
});

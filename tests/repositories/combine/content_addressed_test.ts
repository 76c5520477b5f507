import assert from "node:assert/strict";
import { encodeText } from "../../../core/bytes.ts";
import { RepositoryError } from "../../../core/errors.ts";
import { ContentAddressedRepository } from "../../../repositories/combine/content_addressed.ts";
import type { Manifest } from "../../../repositories/combine/manifest.ts";
import type { TreeEntry } from "../../../repositories/driver.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../../repositories/memory.ts";
import { describeTree, directory, file, link } from "../../../testing/trees.ts";

function make() {
  const blobs = new MemoryBlobRepository("blobs");
  const manifests = new MemoryMetadataRepository<Manifest>("trees");
  return { blobs, manifests, trees: new ContentAddressedRepository(blobs, manifests) };
}

const count = async (keys: AsyncIterable<string>): Promise<number> => (await Array.fromAsync(keys)).length;

Deno.test("ContentAddressedRepository keeps equal contents once, large ones too, and nothing that waits", async () => {
  const { blobs, trees } = make();
  const large = "large ".repeat(500_000);
  await trees.put("one", [
    file("a", "same"),
    directory("d"),
    file("d/b", "same"),
    file("c", large),
    link("l", "d/b"),
  ]);
  await trees.put("two", [file("x", large), file("y", "other")]);
  assert.equal(await count(blobs), 3);
  assert.equal(await new Response(await trees.open("one", "l")).text(), "same");
  assert.equal(await new Response(await trees.open("two", "x")).text(), large);
});

Deno.test("ContentAddressedRepository does not write a content again that is there", async () => {
  const { blobs, trees } = make();
  await trees.put("one", [file("a", "same")]);
  const [key] = await Array.fromAsync(blobs);
  const { version } = (await blobs.info(key!))!;
  await trees.put("two", [file("b", "same")]);
  assert.equal((await blobs.info(key!))?.version, version);
});

Deno.test("ContentAddressedRepository keeps what is in a folder that is told later", async () => {
  const { trees } = make();
  await trees.put("one", [file("d/a", "1"), directory("d", 0o700)]);
  assert.deepEqual(await describeTree(await trees.entries("one")), {
    d: "directory 700",
    "d/a": "file 644 1",
  });
});

Deno.test("ContentAddressedRepository gives an error for a damaged content, and verify() names it", async () => {
  const { blobs, trees } = make();
  await trees.put("one", [file("good", "good"), file("bad", "bad"), file("gone", "gone")]);
  for await (const key of blobs) {
    const text = await blobs.text(key);
    if (text === "bad") await blobs.put(key, "BAD");
    if (text === "gone") await blobs.delete(key);
  }
  await assert.rejects(trees.open("one", "bad").then((stream) => new Response(stream).text()), (error) => {
    assert(error instanceof RepositoryError);
    assert.match(
      error.message,
      /^Cannot read "bad" in "one" of trees: its content is not what its digest [0-9a-f]{12}… says; write it again$/,
    );
    return true;
  });
  const damaged = await trees.verify("one");
  assert.deepEqual(damaged.map((each) => each.path), ["bad", "gone"]);
  assert.match(damaged[1]!.reason, /there is no such key/);
  await assert.rejects(trees.verify("none"), { code: "not-found" });
});

Deno.test("ContentAddressedRepository collects contents that nothing refers to, and those only", async () => {
  const { blobs, trees } = make();
  await trees.put("one", [file("a", "shared"), file("b", "alone")]);
  await trees.put("two", [file("a", "shared")]);
  await assert.rejects(trees.put(
    "three",
    (function* (): Generator<TreeEntry> {
      yield file("a", "left behind");
      throw new Error("stop");
    })(),
  ));
  await trees.delete("one");
  assert.deepEqual(await trees.collectGarbage(), { removed: 0, bytes: 0 });
  assert.deepEqual(await trees.collectGarbage({ grace: 0 }), { removed: 2, bytes: 16 });
  assert.equal(await count(blobs), 1);
  assert.equal(await new Response(await trees.open("two", "a")).text(), "shared");
});

Deno.test("ContentAddressedRepository collects nothing of a write that is under way", async () => {
  const { trees } = make();
  await trees.put("old", [file("a", "content")]);
  await trees.delete("old");
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const writing = trees.put(
    "new",
    (async function* () {
      yield file("a", "content");
      yield file("large", "x".repeat(2_000_000));
      reached.resolve();
      await gate.promise;
    })(),
  );
  await reached.promise;
  assert.equal((await trees.collectGarbage({ grace: 0 })).removed, 0);
  gate.resolve();
  await writing;
  assert.deepEqual(await trees.verify("new"), []);
});

Deno.test("ContentAddressedRepository removes nothing when a document cannot be read", async () => {
  const { blobs, manifests, trees } = make();
  await trees.put("one", [file("a", "1")]);
  await manifests.set("bad", { entries: "?" } as unknown as Manifest);
  await assert.rejects(trees.collectGarbage({ grace: 0 }), {
    code: "invalid-value",
    message: 'Cannot read "bad" of trees: its document is no manifest of a tree; write it again',
  });
  assert.equal(await count(blobs), 1);
});

Deno.test("ContentAddressedRepository prepares both its stores, and leaves nothing waiting after a failure", async () => {
  const { blobs, manifests } = make();
  const prepared: string[] = [];
  const spy = <D extends { prepare?: unknown }>(driver: D, name: string): D => ({
    ...driver,
    prepare: () => Promise.resolve(void prepared.push(name)),
  });
  const trees = new ContentAddressedRepository(
    new (Object.getPrototypeOf(MemoryBlobRepository))(spy(blobs.driver, "blobs")),
    new (Object.getPrototypeOf(MemoryMetadataRepository))(spy(manifests.driver, "manifests")),
  );
  await trees.prepare();
  assert.deepEqual(prepared.sort(), ["blobs", "manifests"]);
  const chunk = encodeText("x".repeat(1_500_000));
  let pulled = 0;
  const open = () =>
    Promise.resolve(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull: (controller) => pulled++ < 2 ? controller.enqueue(chunk) : controller.error(new Error("cut")),
      }),
    );
  await assert.rejects(
    trees.put("one", [{ kind: "file", path: "a", mode: 0o644, size: 9_000_000, open }]),
    /cut/,
  );
  assert.equal(await count(blobs), 0);
});

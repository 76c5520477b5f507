/** `fallback` of blobs and of trees: small values in one store, large ones in another. */
import assert from "node:assert/strict";
import { type Bytes, decodeText, encodeText, readAll } from "../../../core/bytes.ts";
import { RepositoryError } from "../../../core/errors.ts";
import { BlobRepository } from "../../../repositories/blob.ts";
import { fallback } from "../../../repositories/combine/fallback.ts";
import { DirectoryRepository } from "../../../repositories/directory.ts";
import type { BlobDriver, FilesystemDriver, TreeEntry } from "../../../repositories/driver.ts";
import { FileRepository } from "../../../repositories/files.ts";
import { FilesystemRepository } from "../../../repositories/filesystem.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { MemoryBlobRepository } from "../../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../../repositories/memory_tree.ts";
import { openSqliteBlobs } from "../../../repositories/sqlite/blob.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { describeTree, directory, file, link, readMember, tree } from "../../../testing/trees.ts";

const many = 300;

async function folder(stack: AsyncDisposableStack): Promise<string> {
  const path = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(path, { recursive: true }));
  return path;
}

for (const maxBytes of [0, 60_000, 2 ** 30]) {
  testBlobDriver(`fallback() of blobs up to ${maxBytes} bytes`, {
    make: () =>
      fallback(new MemoryBlobRepository("one"), new MemoryBlobRepository("two"), { maxBytes }).driver,
    many,
  });
  testFilesystemDriver(`fallback() of trees up to ${maxBytes} bytes`, {
    make: () =>
      fallback(new MemoryFilesystemRepository("one"), new MemoryFilesystemRepository("two"), { maxBytes })
        .driver,
    many,
  });
}

const paths = new WeakMap<BlobDriver | FilesystemDriver, string>();
function overSqlite(path: string, stack: AsyncDisposableStack): BlobDriver {
  const { driver, close } = openSqliteBlobs(`${path}/small.db`, {});
  stack.defer(close);
  const large = new FileRepository(`${path}/large`);
  const made = fallback(new BlobRepository(driver), large, { maxBytes: 2 ** 16 }).driver;
  paths.set(made, path);
  return made;
}
testBlobDriver("fallback() of SQLite and files", {
  make: async (stack) => overSqlite(await folder(stack), stack),
  reopen: (driver, stack) => overSqlite(paths.get(driver)!, stack),
  huge: 2 ** 28,
  many,
});

function overArchives(path: string): FilesystemDriver {
  const small = new FilesystemRepository(packed()(new FileRepository(`${path}/small`).driver));
  const made = fallback(small, new DirectoryRepository(`${path}/large`), { maxBytes: 20 }).driver;
  paths.set(made, path);
  return made;
}
testFilesystemDriver("fallback() of archives and directories", {
  make: async (stack) => overArchives(await folder(stack)),
  reopen: (driver) => overArchives(paths.get(driver)!),
  many,
});

function pair(maxBytes = 5): Record<"small" | "large" | "both", BlobRepository> {
  const [small, large] = [new MemoryBlobRepository("small"), new MemoryBlobRepository("large")];
  return { small, large, both: fallback(small, large, { maxBytes }) };
}

/** A stream of chunks, and how many of them have been asked for. */
function source(chunks: readonly string[]): { stream: ReadableStream<Bytes>; taken: () => number } {
  let taken = 0;
  const stream = new ReadableStream<Bytes>({
    pull(controller) {
      if (taken === chunks.length) return controller.close();
      controller.enqueue(encodeText(chunks[taken++]!));
    },
  }, { highWaterMark: 0 });
  return { stream, taken: () => taken };
}

Deno.test("fallback() puts blobs where their size says, however they come, and moves them when it changes", async () => {
  const { small, large, both } = pair();
  for (
    const [text, chunks] of [
      ["12345", ["12345"]],
      ["123456", ["123", "456"]],
      ["", []],
      ["12345", ["1", "", "2345"]],
      ["123456", ["", "123456"]],
    ] as const
  ) {
    const where = text.length <= 5 ? [text, undefined] : [undefined, text];
    for (const content of [encodeText(text), source(chunks).stream]) {
      await both.put("one", content);
      const found = await Promise.all([small, large].map((part) => part.find("one")));
      assert.deepEqual(found.map((bytes) => bytes && decodeText(bytes)), where);
      assert.equal(await both.text("one"), text);
      assert.equal(decodeText(await readAll(await both.open("one"))), text);
      assert.equal((await both.info("one"))?.size, text.length);
      assert.deepEqual(await Array.fromAsync(both), ["one"]);
    }
  }
  await both.delete("one");
  assert.deepEqual([await small.has("one"), await large.has("one")], [false, false]);
});

Deno.test("fallback() takes no more of a blob than the second store asks for", async () => {
  const gate = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const large = new MemoryBlobRepository("large");
  const slow = new BlobRepository({
    ...large.driver,
    async write(key, content, options) {
      began.resolve();
      await gate.promise;
      await large.driver.write(key, content, options);
    },
  });
  const { stream, taken } = source(Array.from({ length: 1_000 }, () => "12"));
  const writing = fallback(new MemoryBlobRepository(), slow, { maxBytes: 5 }).put("one", stream);
  await began.promise;
  assert.equal(taken(), 3);
  gate.resolve();
  await writing;
  assert.equal((await large.bytes("one")).length, 2_000);
});

Deno.test("fallback() gives the second store what the first refuses, but nothing because of an outage", async () => {
  for (const code of ["invalid-value", "unavailable"] as const) {
    const trouble = new RepositoryError(code, "no");
    const { large } = pair();
    const blobs = new BlobRepository({
      ...new MemoryBlobRepository("small").driver,
      write: () => Promise.reject(trouble),
    });
    const both = fallback(blobs, large, { maxBytes: 5 });
    const trees = new MemoryFilesystemRepository("large trees");
    const refusing = new FilesystemRepository({
      ...new MemoryFilesystemRepository("small trees").driver,
      write: () => Promise.reject(trouble),
    });
    const bothTrees = fallback(refusing, trees, { maxBytes: 50 });
    if (code === "unavailable") {
      for (const content of [encodeText("1"), source(["1"]).stream]) {
        await assert.rejects(both.put("one", content), trouble);
      }
      await assert.rejects(bothTrees.put("one", [file("a", "1")]), trouble);
      assert.deepEqual([await large.has("one"), await trees.has("one")], [false, false]);
    } else {
      await both.put("one", source(["1", "2"]).stream);
      await bothTrees.put("one", [directory("d"), file("d/a", "1")]);
      assert.equal(await large.text("one"), "12");
      assert.equal(await readMember(trees.driver, "one", "d/a"), "1");
    }
  }
});

Deno.test("fallback() shows the old blob or the new one, once, when it breaks between its stores, and heals with the next write", async () => {
  for (const breaking of ["small", "large"] as const) {
    for (const asStream of [false, true]) {
      const { both, ...stores } = pair();
      await both.put("up", "short");
      await both.put("down", "much longer");
      const broken = { ...stores };
      broken[breaking] = new BlobRepository({
        ...stores[breaking].driver,
        delete: () => Promise.reject(new Error("power cut")),
      });
      const again = fallback(broken.small, broken.large, { maxBytes: 5 });
      const content = (text: string) => asStream ? source([...text]).stream : encodeText(text);
      const outcomes = await Promise.allSettled([
        again.put("up", content("now longer")),
        again.put("down", content("brief")),
      ]);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        breaking === "small" ? ["rejected", "fulfilled"] : ["fulfilled", "rejected"],
      );
      // The first store counts: what it still holds, or holds already.
      assert.equal(await both.text("up"), breaking === "small" ? "short" : "now longer");
      assert.equal(await both.text("down"), "brief");
      assert.deepEqual((await Array.fromAsync(both)).sort(), ["down", "up"]);
      await both.put("up", "once more");
      await both.put("down", "other");
      assert.deepEqual([await stores.small.has("up"), await stores.large.has("down")], [false, false]);
      assert.deepEqual([await both.text("up"), await both.text("down")], ["once more", "other"]);
      for (const key of ["up", "down"]) await both.delete(key);
      assert.deepEqual(await Array.fromAsync(both), []);
    }
  }
});

Deno.test("fallback() loses no value of writers that race in one process", async () => {
  for (const asStream of [false, true]) {
    const { small, large } = pair();
    const gate = Promise.withResolvers<void>();
    const written = Promise.withResolvers<void>();
    const held = new BlobRepository({
      ...large.driver,
      async delete(key, options) {
        written.resolve();
        await gate.promise;
        await large.driver.delete(key, options);
      },
    });
    const both = fallback(small, held, { maxBytes: 5 });
    const first = both.put("one", "short");
    // The small value is there, and the second store is about to be cleared.
    await written.promise;
    const second = both.put("one", asStream ? source(["much ", "longer"]).stream : "much longer");
    // A write that does not wait for its turn is over by then, and would be cleared away.
    await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 20))]);
    gate.resolve();
    await Promise.all([first, second]);
    assert.equal(await both.text("one"), "much longer");
    assert.deepEqual([await small.has("one"), await large.has("one")], [false, true]);
  }
});

Deno.test("fallback() lets others write a key while a large value flows, and shows that when it has ended", async () => {
  const { both, large } = pair();
  const gate = Promise.withResolvers<void>();
  let sent = 0;
  const slow = new ReadableStream<Bytes>({
    async pull(controller) {
      if (sent === 3) await gate.promise;
      if (sent++ < 4) controller.enqueue(encodeText("large"));
      else controller.close();
    },
  }, { highWaterMark: 0 });
  const writing = both.put("one", slow);
  await both.put("one", "short");
  assert.equal(await both.text("one"), "short");
  gate.resolve();
  await writing;
  assert.equal(await both.text("one"), "large".repeat(4));
  assert.equal(await large.has("one"), true);
});

Deno.test("fallback() gives up the wait of a write that is called off, and writes nothing", async () => {
  const gate = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const inner = new MemoryBlobRepository("small");
  const small = new BlobRepository({
    ...inner.driver,
    async write(key, content, options) {
      began.resolve();
      await gate.promise;
      await inner.driver.write(key, content, options);
    },
  });
  const both = fallback(small, new MemoryBlobRepository("large"), { maxBytes: 5 });
  const first = both.put("one", "first");
  await began.promise;
  const controller = new AbortController();
  const reason = new Error("called off");
  const waits = ["other", "much longer"].map((text) =>
    both.put("one", source([...text]).stream, { signal: controller.signal })
  );
  const last = both.put("one", "last");
  controller.abort(reason);
  for (const wait of waits) await assert.rejects(wait, reason);
  gate.resolve();
  await Promise.all([first, last]);
  assert.equal(await both.text("one"), "last");
});

Deno.test("fallback() puts trees where the size of all they hold says, and reads members of the tree that counts", async () => {
  const [small, large] = [new MemoryFilesystemRepository("small"), new MemoryFilesystemRepository("large")];
  const both = fallback(small, large, { maxBytes: 20 });
  const little = [directory("d"), file("d/a", "1234567890"), link("l", "d/a")]; // 1 + 3 + 10 + 1 + 3
  const much = [...little, file("b", "12")];
  for (const [entries, where] of [[little, small], [much, large], [little, small]] as const) {
    await both.put("one", entries);
    assert.deepEqual([await small.has("one"), await large.has("one")], [where === small, where === large]);
    assert.deepEqual(
      await describeTree(await both.entries("one")),
      await describeTree(tree(entries)),
    );
    assert.equal(await readMember(both.driver, "one", "l"), "1234567890");
  }
  // A leftover in the second store does not show through the tree in the first.
  await large.put("one", much);
  await assert.rejects(both.open("one", "b"), { code: "not-found" });
  await both.delete("one");
  assert.deepEqual(await Array.fromAsync(both), []);
  await assert.rejects(both.open("one", "b"), { code: "not-found" });
});

Deno.test("fallback() opens a file of a large tree when the second store does, before the next entry is asked for", async () => {
  const large = new MemoryFilesystemRepository("large");
  const both = fallback(new MemoryFilesystemRepository("small"), large, { maxBytes: 10 });
  const told: string[] = [];
  const walk = (async function* (): AsyncGenerator<TreeEntry> {
    for (const path of ["a", "b", "c", "d"]) {
      const entry = file(path, "12345");
      told.push(`ask ${path}`);
      yield {
        ...entry,
        open() {
          told.push(`open ${path}`);
          return entry.open();
        },
      };
    }
  })();
  await both.put("one", walk as AsyncIterable<TreeEntry>);
  assert.deepEqual(told, ["a", "b", "c", "d"].flatMap((path) => [`ask ${path}`, `open ${path}`]));
  assert.equal(await readMember(large.driver, "one", "d"), "12345");
});

Deno.test("fallback() refuses conditions, sizes and kinds that make no sense", async () => {
  const { both } = pair();
  let cancelled: unknown;
  const stream = new ReadableStream<Bytes>({ cancel: (reason) => void (cancelled = reason) });
  const why =
    'Cannot write "a" of fallback(small, large): two stores are not written in one step; write without a condition';
  await assert.rejects(both.put("a", stream, { ifAbsent: true }), { code: "unsupported", message: why });
  assert.equal((cancelled as Error).message, why);
  const [blobs, trees] = [new MemoryBlobRepository(), new MemoryFilesystemRepository()];
  for (const maxBytes of [-1, NaN, Infinity, undefined]) {
    assert.throws(() => fallback(blobs, blobs, { maxBytes: maxBytes as number }), {
      message:
        `Cannot make fallback() with maxBytes ${maxBytes}; write the size of the largest value for the first store, in bytes`,
    });
  }
  assert.throws(() => fallback(blobs, trees as unknown as BlobRepository, { maxBytes: 1 }), {
    message:
      "Cannot make fallback() of blob and filesystem; give it two repositories of blobs, of documents or of trees",
  });
});

Deno.test("fallback() keeps what is beside in two stores as well, and turns there", async () => {
  const { small, both } = pair();
  const beside = both.driver.beside!("logs");
  await beside.write("a", encodeText("1"));
  assert.equal(await small.driver.beside!("logs").has("a"), true);
  assert.equal(await both.has("a"), false);
  assert.equal(both.driver.beside!("logs"), beside);
});

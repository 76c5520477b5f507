import assert from "node:assert/strict";
import type { Clock } from "../../../core/clock.ts";
import type { Change, MetadataDriver } from "../../../repositories/driver.ts";
import { cached } from "../../../repositories/layers/cached.ts";
import { cachedKeys } from "../../../repositories/layers/cached_keys.ts";
import { memoryBlobDriver, memoryMetadataDriver } from "../../../repositories/memory.ts";
import { memoryFilesystemDriver } from "../../../repositories/memory_tree.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import { listKeys } from "../../../testing/suite.ts";

const many = 300;
testMetadataDriver("cached()", { make: () => cached({ maxAge: "1h" })(memoryMetadataDriver()), many });
testMetadataDriver("cached() of little room", {
  make: () => cached({ maxAge: "1h", maxEntries: 2, maxBytes: 100 })(memoryMetadataDriver()),
  many,
});
testMetadataDriver("cachedKeys() over documents", {
  make: () => cachedKeys({ maxAge: "1h" })(memoryMetadataDriver()),
  many,
});
testBlobDriver("cachedKeys() over blobs", {
  make: () => cachedKeys({ maxAge: "1h" })(memoryBlobDriver()),
  many,
});
testFilesystemDriver("cachedKeys() over trees", {
  make: () => cachedKeys({ maxAge: "1h" })(memoryFilesystemDriver()),
  many,
});

/** A clock turned by hand. */
function handClock(): Clock & { turn(ms: number): void } {
  let now = 0;
  return { now: () => 0, monotonic: () => now, after: () => () => {}, turn: (ms) => void (now += ms) };
}

/** Documents that count how often they are asked for. */
function counted(): { driver: MetadataDriver<number>; asked: string[] } {
  const inner = memoryMetadataDriver<number>();
  const asked: string[] = [];
  return {
    asked,
    driver: {
      ...inner,
      get(key, options) {
        asked.push(key);
        return inner.get(key, options);
      },
      getMany(keys, options) {
        asked.push(...keys);
        return inner.getMany!(keys, options);
      },
    },
  };
}

Deno.test("cached() looks again after maxAge, and after invalidate()", async () => {
  const clock = handClock();
  const { driver, asked } = counted();
  const layer = cached({ maxAge: "1m", clock });
  const documents = layer(driver);
  await driver.set("a", 1);
  assert.equal(await documents.get("a"), 1);
  await driver.set("a", 2);
  clock.turn(59_999);
  assert.equal(await documents.get("a"), 1);
  assert.deepEqual([...await documents.getMany!(["a"])], [["a", 1]]);
  clock.turn(1);
  assert.equal(await documents.get("a"), 2);
  await driver.set("a", 3);
  layer.invalidate("b");
  assert.equal(await documents.get("a"), 2);
  layer.invalidate("a");
  assert.equal(await documents.get("a"), 3);
  await driver.set("a", 4);
  layer.invalidate();
  assert.equal(await documents.get("a"), 4);
  assert.equal(asked.length, 4);
});

Deno.test("cached() keeps nothing of what is missing, and makes up no key", async () => {
  const { driver } = counted();
  const documents = cached({ maxAge: "1h" })(driver);
  assert.equal(await documents.get("ghost"), undefined);
  assert.equal((await documents.getMany!(["ghost"])).size, 0);
  assert.equal(await documents.has("ghost"), false);
  assert.deepEqual(await listKeys(documents), []);
  await driver.set("ghost", 1);
  assert.equal(await documents.get("ghost"), 1);
  await driver.delete("ghost");
  assert.equal(await documents.has("ghost"), false);
  assert.deepEqual(await listKeys(documents), []);
  await documents.getMany!(["ghost"]);
  await documents.set("new", 2);
  assert.equal((await documents.getMany!(["new"])).get("new"), 2);
});

Deno.test("cached() keeps the last used, within its limits", async () => {
  const { driver, asked } = counted();
  const documents = cached({ maxAge: "1h", maxEntries: 2 })(driver);
  for (const key of ["a", "b", "c"]) await driver.set(key, 1);
  for (const key of ["a", "b", "a", "c", "a", "b"]) await documents.get(key);
  assert.deepEqual(asked, ["a", "b", "c", "b"]);

  const { driver: other, asked: again } = counted();
  const small = cached({ maxAge: "1h", maxBytes: 10 })(other);
  for (const [key, value] of [["a", 12345], ["b", 12345], ["c", 1], ["d", 12345678901]] as const) {
    await other.set(key, value);
  }
  for (const key of ["a", "b", "a", "b", "c", "b", "c", "a", "d", "d", "a"]) await small.get(key);
  assert.deepEqual(again, ["a", "b", "c", "a", "d", "d"]);
});

Deno.test("cached() keeps nothing that was read before a change and arrives after it", async () => {
  const inner = memoryMetadataDriver<number>();
  await inner.set("a", 1);
  const gate = Promise.withResolvers<void>();
  const documents = cached({ maxAge: "1h" })<MetadataDriver<number>>({
    ...inner,
    async get(key, options) {
      const value = await inner.get(key, options);
      await gate.promise;
      return value;
    },
  });
  const old = documents.get("a");
  await documents.set("a", 2);
  gate.resolve();
  assert.equal(await old, 1);
  assert.equal(await documents.get("a"), 2);
});

Deno.test("cached() and cachedKeys() forget what a watch through them tells of", async () => {
  const { driver } = counted();
  const gate = Promise.withResolvers<void>();
  const watched: MetadataDriver<number> = {
    ...driver,
    async *watch() {
      await gate.promise;
      yield { key: "a", present: true } as Change;
    },
  };
  const documents = cached({ maxAge: "1h" })(cachedKeys({ maxAge: "1h" })(watched));
  await driver.set("a", 1);
  await documents.get("a");
  assert.deepEqual(await listKeys(documents), ["a"]);
  await driver.set("a", 2);
  await driver.set("b", 2);
  assert.deepEqual([await documents.get("a"), await listKeys(documents)], [1, ["a"]]);
  gate.resolve();
  await Array.fromAsync(documents.watch!({}));
  assert.deepEqual([await documents.get("a"), await listKeys(documents)], [2, ["a", "b"]]);
});

Deno.test("cachedKeys() looks again after maxAge, after invalidate(), and for what was too long or left early", async () => {
  const clock = handClock();
  const inner = memoryMetadataDriver<number>();
  let listed = 0;
  const counting: MetadataDriver<number> = {
    ...inner,
    async *keys(options) {
      listed++;
      yield* inner.keys(options);
    },
  };
  const layer = cachedKeys({ maxAge: 1000, maxKeys: 2, clock });
  const documents = layer(counting);
  await inner.set("a", 1);
  for await (const _ of documents.keys()) break;
  for (let i = 0; i < 3; i++) assert.deepEqual(await listKeys(documents), ["a"]);
  assert.equal(listed, 2);
  clock.turn(1000);
  await listKeys(documents);
  layer.invalidate();
  await listKeys(documents);
  assert.equal(listed, 4);
  await documents.set("b", 2);
  assert.deepEqual(await listKeys(documents), ["a", "b"]);
  await documents.set("c", 3);
  await listKeys(documents);
  await listKeys(documents);
  assert.equal(listed, 7);
});

Deno.test("cached() refuses limits that make no sense", () => {
  assert.throws(() => cached({ maxAge: 1, maxEntries: 0 }), {
    message: "Cannot keep a cache of maxEntries 0; write a number from 1",
  });
  assert.throws(() => cached({ maxAge: "soon" }), /^DefinitionError: Cannot read maxAge "soon"/);
});

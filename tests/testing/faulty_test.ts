/** Tests of faults on demand. */
import assert from "node:assert/strict";
import {
  memoryBlobDriver,
  MemoryBlobRepository,
  memoryMetadataDriver,
  MemoryMetadataRepository,
} from "../../mod.ts";
import { memoryFilesystemDriver } from "../../mod.ts";
import { faulty, testBlobDriver, testFilesystemDriver, testMetadataDriver } from "../../testing/mod.ts";

testBlobDriver("faulty() without faults over blobs", { make: () => faulty()(memoryBlobDriver()), many: 500 });
testMetadataDriver("faulty() without faults over documents", {
  make: () => faulty()(memoryMetadataDriver()),
  many: 500,
});
testFilesystemDriver("faulty() without faults over trees", {
  make: () => faulty()(memoryFilesystemDriver()),
  many: 500,
});

async function play(layer: ReturnType<typeof faulty>): Promise<string[]> {
  const books = new MemoryBlobRepository("books").with(layer);
  const results: string[] = [];
  for (let i = 0; i < 60; i++) {
    results.push(await books.put(`k${i % 5}`, "x").then(() => "done", (error) => error.code));
  }
  return results;
}

Deno.test("faulty fails the same operations for the same seed", async () => {
  const first = await play(faulty({ seed: 5, rate: 0.3 }));
  assert.deepEqual(await play(faulty({ seed: 5, rate: 0.3 })), first);
  assert.notDeepEqual(await play(faulty({ seed: 6, rate: 0.3 })), first);
  const failed = first.filter((each) => each === "unavailable").length;
  assert(failed > 5 && failed < 40, `${failed} of 60 failed`);
});

Deno.test("faulty fails the nth operation, once, whichever it is", async () => {
  const work = async (layer: ReturnType<typeof faulty>): Promise<void> => {
    const store = new MemoryMetadataRepository("meta").with(layer);
    await store.prepare();
    await store.set("a", 1);
    await store.get("a");
    await Array.fromAsync(store);
    await store.delete("a");
  };
  const clean = faulty();
  await work(clean);
  assert.equal(clean.count, 4);
  for (let nth = 1; nth <= clean.count; nth++) {
    const layer = faulty({ nth });
    await assert.rejects(work(layer), { code: "unavailable" });
    assert.equal(layer.faults.length, 1);
    assert.equal(layer.faults[0]!.count, nth);
  }
  await work(faulty({ nth: clean.count + 1 }));
});

Deno.test("faulty at after does the operation and loses the answer", async () => {
  const store = new MemoryBlobRepository("store");
  const lossy = store.with(faulty({ nth: 1, at: "after" }));
  await assert.rejects(lossy.put("a", "x"), {
    message: 'Cannot write "a" of store: operation 1 was made to fail',
  });
  assert.equal(await store.text("a"), "x");
});

Deno.test("faulty fails only what it is told to, with the error it is told", async () => {
  const layer = faulty({
    rate: 1,
    on: ["write"],
    when: ({ key }) => key === "b",
    error: ({ key }) => new Deno.errors.PermissionDenied(`no ${key}`),
  });
  const store = new MemoryBlobRepository("store").with(layer);
  await store.put("a", "x");
  await assert.rejects(store.put("b", "x"), { code: "denied" });
  assert.equal(await store.has("b"), false);
  assert.equal(layer.count, 1);
});

Deno.test("faulty covers what is beside the store", async () => {
  const layer = faulty({ rate: 1, on: ["write"] });
  const beside = layer(memoryBlobDriver("store")).beside!("failed");
  await assert.rejects(beside.write("a", new Uint8Array()), { code: "unavailable" });
});

Deno.test("faulty refuses a rate and a number that make no sense", () => {
  assert.throws(() => faulty({ rate: 2 }), {
    message: "Cannot fail at a rate of 2; write a number from 0 to 1",
  });
  assert.throws(() => faulty({ nth: 0 }), {
    message: "Cannot fail operation 0; write a whole number from 1",
  });
});

/** What `cached` does to blobs in memory. */
import assert from "node:assert/strict";
import { type Bytes, decodeText, encodeText, readAll } from "../../../core/bytes.ts";
import type { BlobDriver, Change } from "../../../repositories/driver.ts";
import { fileDriver } from "../../../repositories/files.ts";
import { cached, type CachedOptions } from "../../../repositories/layers/cached.ts";
import { memoryBlobDriver } from "../../../repositories/memory.ts";
import { memoryFilesystemDriver } from "../../../repositories/memory_tree.ts";
import { handClock } from "./hand_clock.ts";

/** Blobs that count how often they are read. */
function counted(): { driver: BlobDriver; asked: string[] } {
  const inner = memoryBlobDriver();
  const asked: string[] = [];
  const note = <O>(call: (key: string, options?: O) => Promise<unknown>) => (key: string, options?: O) => {
    asked.push(key);
    return call(key, options);
  };
  return {
    asked,
    driver: { ...inner, read: note(inner.read), readBytes: note(inner.readBytes!) } as BlobDriver,
  };
}

const put = (driver: BlobDriver, key: string, text: string): Promise<void> =>
  driver.write(key, encodeText(text));
const stream = async (driver: BlobDriver, key: string): Promise<string> =>
  decodeText(await readAll((await driver.read(key))!));
const bytes = async (driver: BlobDriver, key: string): Promise<string> =>
  decodeText((await driver.readBytes!(key))!);

for (const [how, read] of Object.entries({ stream, bytes })) {
  Deno.test(`cached() looks again for blobs after maxAge, and after invalidate(), as ${how}`, async () => {
    const clock = handClock();
    const { driver, asked } = counted();
    const layer = cached({ maxAge: "1m", clock });
    const blobs = layer(driver);
    await put(driver, "a", "1");
    assert.equal(await read(blobs, "a"), "1");
    await put(driver, "a", "2");
    clock.turn(59_999);
    assert.deepEqual([await stream(blobs, "a"), await bytes(blobs, "a")], ["1", "1"]);
    clock.turn(1);
    assert.equal(await read(blobs, "a"), "2");
    await put(driver, "a", "3");
    layer.invalidate("b");
    assert.equal(await read(blobs, "a"), "2");
    layer.invalidate("a");
    assert.equal(await read(blobs, "a"), "3");
    await put(driver, "a", "4");
    layer.invalidate();
    assert.equal(await read(blobs, "a"), "4");
    assert.equal(asked.length, 4);
    await put(blobs, "a", "5");
    assert.equal(await read(blobs, "a"), "5");
    await blobs.delete("a");
    assert.equal(await blobs.read("a"), undefined);
  });

  Deno.test(`cached() keeps the last used blobs within its limits, and lets large ones pass, as ${how}`, async () => {
    const ask = async (options: Partial<CachedOptions>, values: Record<string, string>, keys: string) => {
      const { driver, asked } = counted();
      const blobs = cached({ maxAge: "1h", ...options })(driver);
      for (const [key, text] of Object.entries(values)) await put(driver, key, text);
      for (const key of keys) assert.equal(await read(blobs, key), values[key]);
      return asked.join("");
    };
    const three = { a: "12345", b: "12345", c: "1" };
    assert.equal(await ask({ maxEntries: 2 }, three, "abacab"), "abcb");
    assert.equal(await ask({ maxBytes: 10 }, three, "ababcbca"), "abca");
    assert.equal(await ask({ maxBytes: 4 }, three, "aacc"), "aac");
    assert.equal(await ask({ maxSize: 4 }, three, "aaccbb"), "aacbb");
    assert.equal(await ask({}, { a: "x".repeat(2 ** 20), b: "x".repeat(2 ** 20 + 1) }, "abab"), "abb");
  });
}

Deno.test("cached() keeps nothing of a blob whose reader leaves, or that breaks, half-way", async () => {
  const { driver, asked } = counted();
  let breaking = true;
  const trouble = new Error("the line is dead");
  const blobs = cached({ maxAge: "1h" })<BlobDriver>({
    ...driver,
    async read(key, options) {
      const whole = await driver.read(key, options);
      if (!breaking || !whole) return whole;
      const reader = whole.getReader();
      let sent = 0;
      return new ReadableStream<Bytes>({
        async pull(controller) {
          if (sent++ > 0) return controller.error(trouble);
          controller.enqueue((await reader.read()).value!);
        },
        cancel: (reason) => reader.cancel(reason),
      }, { highWaterMark: 0 });
    },
  });
  await put(driver, "a", "x".repeat(200_000));
  await assert.rejects(stream(blobs, "a"), trouble);
  const reader = (await blobs.read("a"))!.getReader();
  await reader.read();
  await reader.cancel();
  breaking = false;
  assert.equal((await stream(blobs, "a")).length, 200_000);
  assert.equal(asked.length, 3);
  assert.equal((await stream(blobs, "a")).length, 200_000);
  assert.equal(asked.length, 3);
});

Deno.test("cached() gives parts of what it keeps, keeps no part, and no reader can change what is kept", async () => {
  const { driver, asked } = counted();
  const blobs = cached({ maxAge: "1h" })(driver);
  await put(driver, "a", "0123456789");
  const part = async (start?: number, end?: number): Promise<string> =>
    decodeText(await readAll((await blobs.read("a", { start, end }))!));
  assert.equal(await part(2, 4), "23");
  for await (const chunk of (await blobs.read("a"))!) chunk.fill(0);
  assert.equal(asked.length, 2);
  assert.deepEqual([await part(2, 4), await part(8), await part(undefined, 2)], ["23", "89", "01"]);
  (await blobs.readBytes!("a"))!.fill(0);
  assert.equal(await bytes(blobs, "a"), "0123456789");
  assert.equal(asked.length, 2);
  const whole = cached({ maxAge: "1h" })<BlobDriver>({
    ...driver,
    supports: { ...driver.supports, ranges: false },
    read: (key, options) =>
      options?.start === undefined ? driver.read(key, options) : Promise.reject(new Error("no parts")),
  });
  await stream(whole, "a");
  await assert.rejects(whole.read("a", { start: 1 }), /no parts/);
});

Deno.test("cached() keeps no blob that was asked for before a change and arrives after it, and forgets what a watch tells of", async () => {
  const inner = memoryBlobDriver();
  await put(inner, "a", "1");
  const gate = Promise.withResolvers<void>();
  const blobs = cached({ maxAge: "1h" })<BlobDriver>({
    ...inner,
    async *watch() {
      await gate.promise;
      yield { key: "a", present: true } as Change;
    },
  });
  const reader = (await blobs.read("a"))!.getReader();
  await put(blobs, "a", "2");
  assert.equal(decodeText((await reader.read()).value!), "1");
  assert.equal((await reader.read()).done, true);
  assert.equal(await stream(blobs, "a"), "2");
  await put(inner, "a", "3");
  assert.equal(await bytes(blobs, "a"), "2");
  gate.resolve();
  await Array.fromAsync(blobs.watch!({}));
  assert.equal(await bytes(blobs, "a"), "3");
});

Deno.test("cached() adopts staged files, and forgets what was there before", async () => {
  const dir = await Deno.makeTempDir();
  const blobs = cached({ maxAge: "1h" })(fileDriver(dir));
  await put(blobs, "a", "1");
  assert.equal(await stream(blobs, "a"), "1");
  const path = await blobs.staging!("a");
  await Deno.writeTextFile(path, "2");
  await blobs.adopt!("a", path);
  assert.equal(await stream(blobs, "a"), "2");
  await Deno.remove(dir, { recursive: true });
});

Deno.test("cached() refuses kinds of value that it has no place for", () => {
  const trees = memoryFilesystemDriver("trees");
  assert.throws(() => cached({ maxAge: 1 })(trees as unknown as BlobDriver), {
    message: "Cannot keep trees in memory, since its values are trees of files; give cached() a folder",
  });
  for (const name of ["maxEntries", "maxBytes", "maxSize"]) {
    assert.throws(() => cached({ maxAge: 1, [name]: 0 }), {
      message: `Cannot keep a cache of ${name} 0; write a number from 1`,
    });
  }
});

/**
 * The conformance suite of blob drivers.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat, decodeText, encodeText, readAll } from "../core/bytes.ts";
import type { BlobDriver, ReadOptions } from "../repositories/driver.ts";
import { blobStreamCases } from "./blob_stream_cases.ts";
import { keyCases } from "./key_cases.ts";
import { type Harness, listsExactly, long, rejectsWith, runSuite, type SuiteCases } from "./suite.ts";

/**
 * Sees that a blob driver keeps its contract: registers one test per duty.
 *
 * @param name What is tested, for the names of the tests.
 * @param harness How to get at a driver.
 * @example Testing a driver
 * ```ts
 * import { memoryBlobDriver } from "@datatask/datatask";
 * import { testBlobDriver } from "@datatask/datatask/testing";
 *
 * const names: string[] = [];
 * testBlobDriver("mine", { make: () => memoryBlobDriver(), test: (name) => names.push(name) });
 * if (names.length < 20) throw new Error("the suite has more cases than that");
 * ```
 */
export function testBlobDriver(name: string, harness: Harness<BlobDriver>): void {
  runSuite(name, harness, blobCases, async (driver) => {
    await rejectsWith(driver, "unsupported", driver.write("one", encodeText("1")), "write");
    await rejectsWith(driver, "unsupported", driver.delete("one"), "delete");
  });
}

/** The whole value by its stream, as text or bytes. */
async function bytesOf(driver: BlobDriver, key: string, options?: ReadOptions): Promise<Bytes | undefined> {
  const stream = await driver.read(key, options);
  return stream && await readAll(stream);
}

const shared = keyCases<BlobDriver>({
  write: (driver, key, text, options) => driver.write(key, encodeText(text), options),
  async read(driver, key, options) {
    const bytes = await bytesOf(driver, key, options);
    return bytes && decodeText(bytes);
  },
  beside: (driver, name) => driver.beside?.(name),
});

/** Bytes that repeat at no power of two, so that a lost or doubled chunk shows. */
function pattern(size: number, seed = 0): Bytes {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) + seed) % 251;
  return bytes;
}

function inChunks(bytes: Bytes, size: number): ReadableStream<Bytes> {
  let at = 0;
  return new ReadableStream<Bytes>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

function sameBytes(actual: Bytes | undefined, expected: Bytes, what: string): void {
  assert(actual, `${what} is not there`);
  assert.equal(actual.length, expected.length, `${what} has the wrong length`);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  assert.equal(at, -1, `${what} differs at byte ${at}`);
}

const contentCases: SuiteCases<BlobDriver> = {
  "keeps values of 0 bytes, 1 byte and more than 5 MiB": long(async ({ driver, writer }) => {
    for (const size of [0, 1, 65_537, 5 * 2 ** 20 + 1]) {
      const bytes = pattern(size);
      await writer.write("whole", bytes);
      await writer.write("stream", inChunks(bytes, 70_001));
      for (const key of ["whole", "stream"]) {
        sameBytes(await bytesOf(driver, key), bytes, `${key} of ${size} bytes`);
        if (driver.readBytes) sameBytes(await driver.readBytes(key), bytes, `readBytes of ${size} bytes`);
        const told = (await driver.info?.(key))?.size;
        if (told !== undefined) assert.equal(told, size);
      }
    }
    await listsExactly(driver, ["whole", "stream"]);
    assert.equal(await driver.readBytes?.("absent"), undefined);
  }),
  "write: takes a stream without chunks and one with empty chunks": async ({ driver }) => {
    await driver.write("none", inChunks(new Uint8Array(), 1));
    sameBytes(await bytesOf(driver, "none"), new Uint8Array(), "an empty stream");
    const chunks = ["", "a", "", "b", ""].map(encodeText);
    await driver.write("some", ReadableStream.from(chunks) as ReadableStream<Bytes>);
    sameBytes(await bytesOf(driver, "some"), concat(chunks), "a stream with empty chunks");
  },
  "write: leaves nothing of a longer value": async ({ driver }) => {
    await driver.write("one", encodeText("long content"));
    await driver.write("one", encodeText("hi"));
    assert.equal(decodeText((await bytesOf(driver, "one"))!), "hi");
    await driver.write("one", inChunks(pattern(200_000), 9_999));
    await driver.write("one", inChunks(pattern(10), 3));
    sameBytes(await bytesOf(driver, "one"), pattern(10), "the shorter value");
  },
  "write: shares no memory with its caller": async ({ driver }) => {
    const given = encodeText("given");
    await driver.write("one", given);
    given.fill(0);
    const got = (await bytesOf(driver, "one"))!;
    assert.equal(decodeText(got), "given");
    got.fill(0);
    (await driver.readBytes?.("one"))?.fill(0);
    assert.equal(decodeText((await bytesOf(driver, "one"))!), "given");
  },
  "reads ranges, or refuses them": async ({ driver, writer }) => {
    const bytes = pattern(200_000);
    await writer.write("one", bytes);
    if (!driver.supports.ranges) {
      await rejectsWith(driver, "unsupported", bytesOf(driver, "one", { start: 1 }), "start");
      return await rejectsWith(driver, "unsupported", bytesOf(driver, "one", { end: 1 }), "end");
    }
    const ranges = [[0, 1], [1, 2], [199_999, 200_000], [5, 150_000], [7, 7], [199_999, 300_000], [
      200_000,
      200_001,
    ]];
    for (const [start, end] of ranges) {
      sameBytes(await bytesOf(driver, "one", { start, end }), bytes.slice(start, end), `${start} to ${end}`);
    }
    sameBytes(await bytesOf(driver, "one", { start: 150_000 }), bytes.slice(150_000), "from 150,000");
    sameBytes(await bytesOf(driver, "one", { end: 10 }), bytes.slice(0, 10), "to 10");
    sameBytes(await bytesOf(driver, "one", { start: 900_000 }), new Uint8Array(), "past the end");
    assert.equal(await driver.read("absent", { start: 1 }), undefined);
  },
};

const localCases: SuiteCases<BlobDriver> = {
  "path says where a value lies, present or not": async ({ driver, writer }) => {
    if (!driver.path) return;
    const path = driver.path("one");
    await writer.write("one", encodeText("text"));
    assert.equal(await Deno.readTextFile(path), "text");
  },
  "write: adopts a staged file in one step": async ({ driver }) => {
    assert.equal(driver.staging === undefined, driver.adopt === undefined, "staging and adopt come together");
    if (!driver.staging || !driver.adopt) return;
    const path = await driver.staging("one");
    assert.notEqual(path, await driver.staging("one"));
    await Deno.writeTextFile(path, "staged");
    await listsExactly(driver, []);
    assert.equal(await driver.has("one"), false);
    await driver.adopt("one", path);
    assert.equal(decodeText((await bytesOf(driver, "one"))!), "staged");
    await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
    const second = await driver.staging("one");
    await Deno.writeTextFile(second, "second");
    if (driver.supports.conditional) {
      await rejectsWith(driver, "already-exists", driver.adopt("one", second, { ifAbsent: true }));
    }
    await driver.adopt("one", second);
    assert.equal(decodeText((await bytesOf(driver, "one"))!), "second");
    await listsExactly(driver, ["one"]);
  },
};

/** The cases that every blob driver is put to, by name. */
export const blobCases: SuiteCases<BlobDriver> = {
  ...shared,
  ...contentCases,
  ...blobStreamCases,
  ...localCases,
};

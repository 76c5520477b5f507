/**
 * The cases of blobs as streams: what fails, is aborted, cancelled or overwritten half-way.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, decodeText, encodeText, readAll } from "../core/bytes.ts";
import type { BlobDriver } from "../repositories/driver.ts";
import { HugeValue } from "./huge.ts";
import { stopsWith } from "./signals.ts";
import { listsExactly, long, type SuiteCases } from "./suite.ts";

async function textOf(driver: BlobDriver, key: string): Promise<string | undefined> {
  const stream = await driver.read(key);
  return stream && decodeText(await readAll(stream));
}

/** A stream that hands out some chunks and then does what it is told. */
function breaking(
  chunks: number,
  then: (controller: ReadableStreamDefaultController<Bytes>) => void | Promise<void>,
  onCancel = (): void => {},
): ReadableStream<Bytes> {
  let left = chunks;
  return new ReadableStream<Bytes>({
    pull: (controller) => left-- > 0 ? controller.enqueue(new Uint8Array(50_000).fill(7)) : then(controller),
    cancel: onCancel,
  }, { highWaterMark: 0 });
}

/** The cases of blobs as streams. */
export const blobStreamCases: SuiteCases<BlobDriver> = {
  "write: shows nothing of content that fails, and keeps the old value": async ({ driver }) => {
    await driver.write("old", encodeText("old"));
    const trouble = new Error("the source broke");
    for (const chunks of [0, 1, 5]) {
      for (const key of ["old", "new"]) {
        const source = breaking(chunks, (controller) => controller.error(trouble));
        await assert.rejects(driver.write(key, source), (error) => {
          return error === trouble || (error as Error).cause === trouble;
        });
      }
    }
    assert.equal(await textOf(driver, "old"), "old");
    assert.equal(await driver.has("new"), false);
    await listsExactly(driver, ["old"]);
  },
  "write: shows nothing of an aborted write, keeps the old value and cancels the source": async (
    { driver },
  ) => {
    await driver.write("old", encodeText("old"));
    for (const key of ["old", "new"]) {
      const controller = new AbortController();
      const reason = new Error("called off");
      const cancelled = Promise.withResolvers<void>();
      const stalled = new Promise<void>(() => {});
      const source = breaking(3, () => {
        controller.abort(reason);
        return stalled;
      }, cancelled.resolve);
      await stopsWith("a write", reason, driver.write(key, source, { signal: controller.signal }));
      await cancelled.promise;
    }
    assert.equal(await textOf(driver, "old"), "old");
    assert.equal(await driver.has("new"), false);
    await listsExactly(driver, ["old"]);
  },
  "write: cancels the source of a write that is refused": async ({ driver }) => {
    if (!driver.supports.conditional) return;
    await driver.write("old", encodeText("old"));
    const cancelled = Promise.withResolvers<void>();
    const source = breaking(1_000_000, () => {}, cancelled.resolve);
    // Whether it looks before or after the content has been taken is the driver's choice: either way the source is finished with.
    const limited = source.pipeThrough(limit(20));
    await assert.rejects(driver.write("old", limited, { ifAbsent: true }));
    await cancelled.promise;
    assert.equal(await textOf(driver, "old"), "old");
  },
  "write: shows a value only when its stream has ended": async ({ driver, other }) => {
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const writing = driver.write(
      "one",
      breaking(3, async (controller) => {
        reached.resolve();
        await gate.promise;
        controller.close();
      }),
    );
    await reached.promise;
    assert.equal(await other.has("one"), false);
    await listsExactly(other, []);
    gate.resolve();
    await writing;
    assert.equal((await textOf(other, "one"))!.length, 150_000);
  },
  "a reader gets its own value whole, or an error, when it is overwritten or deleted meanwhile": long(async (
    { driver, writer },
  ) => {
    const old = new Uint8Array(3 * 2 ** 20).fill(1);
    await writer.write("one", old);
    for (
      const change of [
        () => writer.write("one", new Uint8Array(3 * 2 ** 20).fill(2)),
        () => writer.delete("one"),
      ]
    ) {
      const first = (await driver.read("one"))!.getReader();
      const { value } = await first.read();
      const mine = value![0];
      await change();
      let length = value!.length;
      try {
        for (let next = await first.read(); !next.done; next = await first.read()) {
          assert(next.value.every((byte) => byte === mine), "two values were mixed");
          length += next.value.length;
        }
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        continue;
      }
      assert.equal(length, old.length, "a value was cut short without an error");
    }
  }),
  "gives back what a cancelled stream held": async ({ driver, writer }) => {
    await writer.write("one", new Uint8Array(2 ** 21).fill(3));
    for (let i = 0; i < 20; i++) await (await driver.read("one"))!.cancel("enough");
    const reader = (await driver.read("one"))!.getReader();
    await reader.read();
    await reader.cancel("enough");
    assert.equal((await driver.read("one").then((stream) => readAll(stream!))).length, 2 ** 21);
    await writer.delete("one");
    assert.equal(await driver.has("one"), false);
  },
  "a stream ends with the reason of its signal": long(async ({ driver, writer }) => {
    await writer.write("one", new Uint8Array(8 * 2 ** 20).fill(4));
    const controller = new AbortController();
    const reason = new Error("called off");
    const reader = (await driver.read("one", { signal: controller.signal }))!.getReader();
    await reader.read();
    controller.abort(reason);
    const rest = async (): Promise<void> => {
      for (let next = await reader.read(); !next.done; next = await reader.read());
    };
    await stopsWith("the stream of a read", reason, rest());
  }),
  "waits for a slow reader, who gets all of it": long(async ({ driver, writer }) => {
    const size = 6 * 2 ** 20;
    await writer.write("one", new Uint8Array(size).fill(6));
    const reader = (await driver.read("one"))!.getReader();
    let read = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      read += next.value.length;
      // Others get their turn many times before the next chunk is asked for.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assert.equal(read, size);
  }),
  "write: takes a huge value, gives it back, and holds little of it": async ({ driver, huge }) => {
    if (huge === undefined) return;
    const passing = new HugeValue(huge);
    await driver.write("huge", passing.stream());
    const told = (await driver.info?.("huge"))?.size;
    if (told !== undefined) assert.equal(told, huge);
    await passing.check((await driver.read("huge"))!);
    passing.heldLittle();
    await driver.delete("huge");
  },
  "holds many streams open at once": async ({ driver, writer }) => {
    await writer.write("one", new Uint8Array(200_000).fill(5));
    const streams = await Promise.all(Array.from({ length: 16 }, () => driver.read("one")));
    const sizes = await Promise.all(streams.map(async (stream) => (await readAll(stream!)).length));
    assert.deepEqual(new Set(sizes), new Set([200_000]));
  },
};

/** Ends a stream after some chunks, and cancels its source. */
function limit(chunks: number): TransformStream<Bytes, Bytes> {
  let left = chunks;
  return new TransformStream<Bytes, Bytes>(
    {
      transform(chunk, controller) {
        controller.enqueue(chunk);
        if (--left === 0) controller.terminate();
      },
    },
    undefined,
    { highWaterMark: 0 },
  );
}

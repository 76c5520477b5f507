import assert from "node:assert/strict";
import { type Bytes, readAll } from "../../../core/bytes.ts";
import { DatataskError } from "../../../core/errors.ts";
import { compressed } from "../../../repositories/layers/compressed.ts";
import { memoryBlobDriver, MemoryBlobRepository } from "../../../repositories/memory.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";

const FORMATS = ["gzip", "zstd"] as const;

for (const format of FORMATS) {
  testBlobDriver(`compressed("${format}")`, {
    make: () => compressed(format)(memoryBlobDriver()),
    many: 300,
  });
}

/** Bytes that do not compress, always the same. */
function noise(size: number): Bytes {
  let state = 42;
  return Uint8Array.from({ length: size }, () => (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16);
}

Deno.test("compressed() keeps files that the tools of the trade read", async () => {
  const beneath = new MemoryBlobRepository();
  await beneath.with(compressed("gzip", { level: 9 })).put("a", "text");
  const stream = (await beneath.open("a")).pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(stream).text(), "text");
  await beneath.put(
    "b",
    await readAll(new Blob(["text"]).stream().pipeThrough(new CompressionStream("gzip"))),
  );
  assert.equal(await beneath.with(compressed("gzip")).text("b"), "text");
  assert.equal((await beneath.with(compressed("gzip")).info("a"))?.size, undefined);
});

Deno.test("compressed() reads data of several members one after the other", async () => {
  for (const format of FORMATS) {
    const beneath = new MemoryBlobRepository();
    const view = beneath.with(compressed(format));
    await view.put("a", "one ");
    const [first, rest] = [await beneath.bytes("a"), noise(100_000)];
    await view.put("b", rest);
    const both = new Uint8Array([...first, ...await beneath.bytes("b")]);
    await beneath.put("both", both);
    const whole = await readAll(await view.open("both"));
    assert.equal(new TextDecoder().decode(whole.subarray(0, 4)), "one ");
    assert.deepEqual(whole.subarray(4), rest);
  }
});

Deno.test("compressed() gives an error with the key for damaged data and data cut short, never short data", async () => {
  for (const format of FORMATS) {
    for (const size of [10, 3_000, 200_000]) {
      const beneath = new MemoryBlobRepository("books");
      const view = beneath.with(compressed(format));
      await view.put("a", noise(size));
      const stored = await beneath.bytes("a");
      const cuts = [0, 1, 5, stored.length >> 1, stored.length - 9, stored.length - 4, stored.length - 1];
      const flipped = [0, stored.length >> 1, stored.length - 3].map((at) => {
        const copy = stored.slice();
        copy[at]! ^= 0x55;
        return copy;
      });
      for (const bad of [...cuts.map((cut) => stored.slice(0, cut)), ...flipped, noise(size)]) {
        await beneath.put("bad", bad);
        const named = (error: unknown): boolean => {
          assert(error instanceof DatataskError);
          assert.equal(error.code, "invalid-value");
          assert(
            error.message.startsWith(
              `Cannot read "bad" of books (${format}): its ${format} data is damaged or cut short (`,
            ),
            error.message,
          );
          assert.match(error.message, /\); write it again$/);
          return true;
        };
        await assert.rejects(view.bytes("bad"), named);
        await assert.rejects(view.open("bad").then(readAll), named);
      }
    }
  }
});

Deno.test("compressed() does not hang when its reader leaves early, and cancels what is beneath", async () => {
  for (const format of FORMATS) {
    const inner = memoryBlobDriver();
    let cancelled = 0;
    const layer = compressed(format);
    await layer(inner).write("a", noise(5_000_000));
    const stored = (await inner.readBytes!("a"))!;
    const outer = layer({
      ...inner,
      read() {
        let at = 0;
        return Promise.resolve(
          new ReadableStream<Bytes>({
            pull: (controller) =>
              at < stored.length / 2
                ? controller.enqueue(stored.slice(at, at += 65_536))
                : new Promise<void>(() => {}),
            cancel: () => void cancelled++,
          }),
        );
      },
    });
    const reader = (await outer.read("a"))!.getReader();
    assert((await reader.read()).value!.length > 0);
    await reader.cancel();
    await (await outer.read("a"))!.cancel();
    assert.equal(cancelled, 2);
  }
});

Deno.test("compressed() passes on the errors of what is beneath as they are", async () => {
  const trouble = new Error("connection reset");
  const inner = memoryBlobDriver();
  const outer = compressed("gzip")({
    ...inner,
    read: () =>
      Promise.resolve(
        new ReadableStream<Bytes>({
          pull: (controller) => controller.error(trouble),
        }),
      ),
  });
  await assert.rejects(readAll((await outer.read("a"))!), (error) => error === trouble);
});

Deno.test("compressed() refuses ranges, levels and formats that there are not", async () => {
  const view = new MemoryBlobRepository("books").with(compressed("zstd", { level: 22 }));
  await assert.rejects(view.open("a", { start: 1 }), {
    code: "unsupported",
    message:
      'Cannot read a part of "a" of books (zstd): compressed values are read whole; leave out start and end',
  });
  assert.throws(() => compressed("gzip", { level: 10 }), {
    message: "Cannot use level 10 of gzip; write a whole number from 1 to 9",
  });
  assert.throws(() => compressed("lz4" as "gzip"), {
    message: 'Cannot compress by "lz4"; use "gzip" or "zstd"',
  });
});

Deno.test("compressed() holds little of a long stream in memory", async () => {
  // A stream that is never read: the writer must be held back after a few chunks.
  for (const format of FORMATS) {
    let pulled = 0;
    const source = new ReadableStream<Bytes>({
      pull(controller) {
        pulled++;
        controller.enqueue(noise(65_536));
      },
    }, { highWaterMark: 0 });
    const reached = Promise.withResolvers<ReadableStream<Bytes>>();
    const never = Promise.withResolvers<void>();
    const outer = compressed(format)({
      ...memoryBlobDriver(),
      write: (_key, content) => {
        reached.resolve(content as ReadableStream<Bytes>);
        return never.promise;
      },
    });
    const writing = outer.write("a", source);
    const reader = (await reached.promise).getReader();
    for (let i = 0; i < 3; i++) await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert(pulled < 40, `${pulled} chunks were taken for three that were wanted`);
    await reader.cancel();
    never.resolve();
    await writing;
  }
});

import assert from "node:assert/strict";
import { type Bytes, concat, encodeText, readAll, toStream } from "../../../core/bytes.ts";
import { DatataskError } from "../../../core/errors.ts";
import { createTarPacker, type TarHeader } from "../../../deps/modern_tar.ts";
import type { TreeEntry } from "../../../repositories/driver.ts";
import { FilesystemRepository } from "../../../repositories/filesystem.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { DirectoryRepository } from "../../../repositories/directory.ts";
import { MemoryBlobRepository } from "../../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../../repositories/memory_tree.ts";
import { describeTree, directory, file, link } from "../../../testing/trees.ts";

/** An archive as somebody else would write it. */
async function archive(members: (Partial<TarHeader> & { name: string; text?: string })[]): Promise<Bytes> {
  const { readable, controller } = createTarPacker();
  const bytes = readAll(readable);
  for (const { text = "", ...header } of members) {
    const body = encodeText(text);
    const writer = controller.add({ size: body.length, ...header }).getWriter();
    if (body.length > 0) await writer.write(body);
    await writer.close();
  }
  controller.finalize();
  return await bytes;
}

function over(blobs: MemoryBlobRepository): FilesystemRepository {
  return new FilesystemRepository(packed()(blobs.driver));
}

async function tar(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("tar", { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("packed() reads what tar writes, plain and compressed, and tar reads what it writes", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${dir}/in/sub/empty`, { recursive: true });
    await Deno.writeTextFile(`${dir}/in/a.txt`, "text");
    await Deno.chmod(`${dir}/in/a.txt`, 0o640);
    await Deno.writeTextFile(`${dir}/in/sub/${"long".repeat(40)} ☃`, "snow");
    await Deno.symlink("sub", `${dir}/in/to-folder`);
    await Deno.link(`${dir}/in/a.txt`, `${dir}/in/hard`);
    const blobs = new MemoryBlobRepository();
    const trees = over(blobs);
    const expected = await (async () => {
      await tar("-C", `${dir}/in`, "-cf", `${dir}/plain.tar`, ".");
      await blobs.put("plain", await Deno.readFile(`${dir}/plain.tar`));
      return await describeTree(await trees.entries("plain"));
    })();
    assert.equal(expected["a.txt"], "file 640 text");
    assert.equal(expected.hard, "file 640 text");
    assert.equal(expected["to-folder"], "symlink -> sub");
    assert.match(expected["sub/empty"]!, /^directory/);
    assert.equal(expected[`sub/${"long".repeat(40)} ☃`]?.slice(-4), "snow");
    assert.equal(await new Response(await trees.open("plain", "hard")).text(), "text");
    for (const [flag, format] of [["-z", "gzip"], ["--zstd", "zstd"]] as const) {
      await tar("-C", `${dir}/in`, flag, "-cf", `${dir}/in.tar`, ".");
      await blobs.put(format, await Deno.readFile(`${dir}/in.tar`));
      assert.deepEqual(await describeTree(await trees.entries(format)), expected);
      const writing = new FilesystemRepository(packed({ compression: format })(blobs.driver));
      await writing.put("back", await trees.entries(format));
      await Deno.writeFile(`${dir}/back.tar`, await blobs.bytes("back"));
      await Deno.remove(`${dir}/out`, { recursive: true }).catch(() => {});
      await Deno.mkdir(`${dir}/out`);
      await tar("-C", `${dir}/out`, flag, "-xpf", `${dir}/back.tar`);
      assert.equal(await Deno.readTextFile(`${dir}/out/hard`), "text");
      assert.equal((await Deno.stat(`${dir}/out/a.txt`)).mode! & 0o777, 0o640);
      assert.equal(await Deno.readLink(`${dir}/out/to-folder`), "sub");
      assert((await Deno.stat(`${dir}/out/sub/empty`)).isDirectory);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("packed() writes equal archives for equal trees", async () => {
  const blobs = new MemoryBlobRepository();
  const entries = [directory("d"), file("d/a", "1"), link("l", "d")];
  await over(blobs).put("one", entries);
  await over(blobs).put("two", entries);
  assert.deepEqual(await blobs.bytes("one"), await blobs.bytes("two"));
});

Deno.test("packed() reads archives whose folders come late into any store of trees", async () => {
  const blobs = new MemoryBlobRepository();
  await blobs.put(
    "one",
    await archive([{ name: "d/e/f", text: "deep" }, { name: "d/e/", type: "directory", mode: 0o700 }, {
      name: "d/",
      type: "directory",
      mode: 0o750,
    }]),
  );
  const folder = await Deno.makeTempDir();
  try {
    const stores = [
      new DirectoryRepository(folder),
      new MemoryFilesystemRepository(),
      over(new MemoryBlobRepository()),
    ];
    for (const store of stores) {
      await store.put("one", await over(blobs).entries("one"));
      assert.deepEqual(await describeTree(await store.entries("one")), {
        d: "directory 750",
        "d/e": "directory 700",
        "d/e/f": "file 644 deep",
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("packed() refuses hostile archives, and names the key", async () => {
  const hostile: Record<string, [members: Parameters<typeof archive>[0], why: RegExp]> = {
    "climbs": [[{ name: "../escaped", text: "x" }], /"\.\.\/escaped": it would leave its tree/],
    "climbs inside": [[{ name: "a/../../escaped", text: "x" }], /it would leave its tree/],
    "is absolute": [[{ name: "/etc/passwd", text: "x" }], /it would leave its tree/],
    "goes through a link": [
      [{ name: "d", type: "symlink", linkname: "/tmp" }, { name: "d/f", text: "x" }],
      /"d\/f": "d" is a symlink/,
    ],
    "links hard to the outside": [
      [{ name: "h", type: "link", linkname: "../secret" }],
      /it would leave its tree/,
    ],
    "links hard to nothing": [
      [{ name: "h", type: "link", linkname: "none" }],
      /"h": it is a hard link to "none", which is no file before it/,
    ],
    "is a device": [[{ name: "null", type: "character-device" }], /"null": it is a character-device/],
    "is a pipe": [[{ name: "p", type: "fifo" }], /"p": it is a fifo/],
    "comes twice": [
      [{ name: "a", text: "1" }, { name: "a", text: "2" }],
      /"a": the tree has it already, as a file/,
    ],
    "is sparse": [[{ name: "a", text: "1", pax: { "GNU.sparse.major": "1" } }], /"a": it is a sparse file/],
  };
  const blobs = new MemoryBlobRepository("uploads");
  for (const [what, [members, why]] of Object.entries(hostile)) {
    await blobs.put("bad", await archive(members));
    await assert.rejects(over(blobs).entries("bad").then(describeTree), (error: unknown) => {
      assert(error instanceof DatataskError);
      assert.equal(error.code, "invalid-value", what);
      assert.match(
        error.message,
        /^Cannot read "bad" of uploads \(tar\): its archive is refused: .*; write it again$/,
      );
      assert.match(error.message, why, what);
      return true;
    });
  }
});

Deno.test("packed() gives an error with the key for an archive cut short anywhere, and for what is none", async () => {
  const blobs = new MemoryBlobRepository("uploads");
  await over(blobs).put("good", [file("a", "x".repeat(600)), directory("d"), file("d/b", "y")]);
  const whole = await blobs.bytes("good");
  const cuts = [
    0,
    100,
    512,
    700,
    1536,
    2048,
    2560,
    whole.length - 1024,
    whole.length - 512,
    whole.length - 1,
  ];
  for (const bytes of [...cuts.map((cut) => whole.slice(0, cut)), encodeText("no archive ".repeat(200))]) {
    await blobs.put("bad", bytes);
    await assert.rejects(over(blobs).entries("bad").then(describeTree), (error: unknown) => {
      assert(error instanceof DatataskError);
      assert.equal(error.code, "invalid-value");
      assert.match(
        error.message,
        /^Cannot read "bad" of uploads \(tar\): its tar data is damaged or cut short \(.+\); write it again$/,
      );
      return true;
    });
  }
});

Deno.test("packed() passes on the errors of the store beneath as they are", async () => {
  const blobs = new MemoryBlobRepository();
  await over(blobs).put("a", [file("a", "x".repeat(5_000_000))]);
  const bytes = await blobs.bytes("a");
  const trouble = new Error("connection reset");
  for (const at of [1, 2, 3_000]) {
    const read = (): Promise<ReadableStream<Bytes>> => {
      let done = false;
      return Promise.resolve(
        new ReadableStream<Bytes>({
          pull(controller) {
            if (done) controller.error(trouble);
            else controller.enqueue(bytes.slice(0, at));
            done = true;
          },
        }),
      );
    };
    const driver = packed()({ ...blobs.driver, read });
    await assert.rejects(driver.entries("a").then(describeTree), (error) => error === trouble);
  }
});

Deno.test("packed() opens one member without the rest, and gives the archive back", async () => {
  const blobs = new MemoryBlobRepository();
  await over(blobs).put("a", [
    file("first", "1"),
    file("second", "2"),
    file("large", "x".repeat(20_000_000)),
  ]);
  const bytes = await blobs.bytes("a");
  let read = 0;
  let cancelled = 0;
  const driver = packed()({
    ...blobs.driver,
    read() {
      let at = 0;
      return Promise.resolve(
        new ReadableStream<Bytes>({
          pull(controller) {
            controller.enqueue(bytes.slice(at, at += 65_536));
            read += 65_536;
          },
          cancel: () => void cancelled++,
        }, { highWaterMark: 0 }),
      );
    },
  });
  const trees = new FilesystemRepository(driver);
  assert.equal(await new Response(await trees.open("a", "second")).text(), "2");
  assert.equal(cancelled, 1);
  assert(read < 4_000_000, `${read} bytes were read for one`);
  await (await trees.open("a", "large")).cancel();
  assert.equal(cancelled, 2);
  const entries = (await driver.entries("a"))![Symbol.asyncIterator]();
  await entries.return!();
  assert.equal(cancelled, 3);
});

Deno.test("packed() reads a member later than its turn by another way through the archive", async () => {
  const blobs = new MemoryBlobRepository();
  const trees = over(blobs);
  await trees.put("a", [file("first", "1"), file("second", "2")]);
  const entries = await Array.fromAsync(await trees.entries("a"));
  const texts = await Promise.all(
    entries.map(async (entry) => entry.kind === "file" ? await new Response(await entry.open()).text() : ""),
  );
  assert.deepEqual(texts, ["1", "2"]);
  for await (const entry of await trees.entries("a")) {
    if (entry.kind !== "file") continue;
    const twice = [await entry.open(), await entry.open()];
    assert.deepEqual(
      await Promise.all(twice.map((stream) => new Response(stream).text())),
      Array(2).fill(texts.shift()),
    );
  }
});

Deno.test("packed() says so when a member is read after its turn", async () => {
  const trees = over(new MemoryBlobRepository());
  await trees.put("a", [file("first", "x".repeat(3_000_000)), file("second", "2")]);
  const entries = (await trees.entries("a"))[Symbol.asyncIterator]();
  const { value } = await entries.next();
  const stream = await (value as TreeEntry & { kind: "file" }).open();
  await entries.next();
  await assert.rejects(readAll(stream), /"first" must be read before the next entry is asked for/);
  await entries.return!();
});

Deno.test("packed() tells the store's refusal of a write, and shows nothing of it", async () => {
  const blobs = new MemoryBlobRepository();
  await over(blobs).put("a", [file("f", "old")]);
  await assert.rejects(over(blobs).put("a", [file("f", "new")], { ifAbsent: true }), {
    code: "already-exists",
  });
  const full = new Deno.errors.WriteZero("no space left");
  const driver = packed()({
    ...blobs.driver,
    async write(_key, content) {
      const reader = toStream(content).getReader();
      await reader.read();
      await reader.cancel();
      throw full;
    },
  });
  const large = concat(Array(20).fill(new Uint8Array(2 ** 20)));
  const entry = { kind: "file", path: "f", mode: 0o644, size: large.length } as const;
  const entries = (async function* () {
    yield { ...entry, open: () => Promise.resolve(toStream(large)) };
  })();
  await assert.rejects(driver.write("b", entries), (error) => error === full);
  assert.equal(await blobs.has("b"), false);
});

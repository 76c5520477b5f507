/** What `cached` does to blobs and trees of files in a folder. */
import assert from "node:assert/strict";
import { type Bytes, decodeText, encodeText, readAll } from "../../../core/bytes.ts";
import { isDatataskError } from "../../../core/errors.ts";
import type {
  BlobDriver,
  FilesystemDriver,
  MetadataDriver,
  OperationOptions,
} from "../../../repositories/driver.ts";
import { fileDriver } from "../../../repositories/files.ts";
import { cached, type CachedFolderOptions } from "../../../repositories/layers/cached.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { memoryBlobDriver, memoryMetadataDriver } from "../../../repositories/memory.ts";
import { memoryFilesystemDriver } from "../../../repositories/memory_tree.ts";
import { type FaultKind, faultyFiles } from "../../../testing/faulty_files.ts";
import { describeTree, directory, file, link, readMember, tree } from "../../../testing/trees.ts";
import { inFolder } from "../../kit/folder.ts";
import { until } from "../../kit/waiting.ts";
import { handClock } from "./hand_clock.ts";

/** A driver that notes which methods are called, of those that ask for one value. */
function noted<D extends BlobDriver | FilesystemDriver>(inner: D): { driver: D; calls: string[] } {
  const calls: string[] = [];
  const driver: Record<string, unknown> = { ...inner };
  for (const name of ["read", "readBytes", "entries", "open", "info"]) {
    const call = driver[name] as ((...args: unknown[]) => unknown) | undefined;
    if (call) driver[name] = (...args: unknown[]) => (calls.push(name), call(...args));
  }
  return { driver: driver as unknown as D, calls };
}

/** Puts a cache over a driver, ready to keep values. */
async function over<D extends BlobDriver | FilesystemDriver>(
  inner: D,
  folder: string,
  options: Partial<CachedFolderOptions> = {},
): Promise<{ driver: D; invalidate(key?: string): void }> {
  const layer = cached({ maxAge: "1h", ...options, folder });
  const driver = layer(inner as BlobDriver) as BlobDriver & D;
  await driver.prepare?.();
  return { driver, invalidate: layer.invalidate };
}

const put = (driver: BlobDriver, key: string, text: string): Promise<void> =>
  driver.write(key, encodeText(text));
const stream = async (driver: BlobDriver, key: string): Promise<string> =>
  decodeText(await readAll((await driver.read(key))!));
const bytes = async (driver: BlobDriver, key: string): Promise<string> =>
  decodeText((await driver.readBytes!(key))!);

async function kept(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

for (const [how, read] of Object.entries({ stream, bytes })) {
  Deno.test(`cached() in a folder outlives the process, and looks after maxAge, as ${how}`, () =>
    inFolder(async (folder) => {
      const clock = handClock();
      const { driver, calls } = noted(memoryBlobDriver());
      const again = () => over(driver, folder, { maxAge: "1m", clock });
      await put(driver, "a", "1");
      assert.equal(await read((await again()).driver, "a"), "1");
      assert.deepEqual(calls.splice(0), ["info", how === "bytes" ? "readBytes" : "read", "info"]);
      for (let i = 0; i < 2; i++) {
        const { driver: blobs } = await again();
        assert.deepEqual([await stream(blobs, "a"), await bytes(blobs, "a")], ["1", "1"]);
      }
      assert.deepEqual(calls.splice(0), []);
      clock.turn(60_000);
      const { driver: blobs } = await again();
      assert.equal(await read(blobs, "a"), "1");
      assert.deepEqual(calls.splice(0), ["info"], "it has the same version still");
      clock.turn(59_999);
      assert.equal(await read(blobs, "a"), "1");
      assert.deepEqual(calls, []);
      await put(driver, "a", "2");
      assert.equal(await read(blobs, "a"), "1");
      clock.turn(1);
      assert.equal(await read(blobs, "a"), "2");
      clock.turn(-120_000);
      calls.length = 0;
      assert.equal(await read(blobs, "a"), "2");
      assert(calls.length > 1, "what is from the future is not used");
    }));
}

Deno.test("cached() in a folder shows what is changed through it at once, whatever others keep meanwhile", () =>
  inFolder(async (folder) => {
    const inner = memoryBlobDriver();
    const clock = handClock();
    const { driver: mine, invalidate } = await over(inner, folder, { clock });
    const { driver: other } = await over(inner, folder, { clock });
    await put(inner, "a", "1");
    clock.turn(10);
    const late = (await other.read("a"))!;
    clock.turn(10);
    await put(mine, "a", "2");
    // Another process has read the old value, and keeps it after the new one was written.
    assert.equal(decodeText(await readAll(late)), "1");
    assert.equal((await kept(folder)).length, 1);
    clock.turn(10);
    assert.equal(await stream(mine, "a"), "2");
    assert.equal(await stream(other, "a"), "2");
    await put(inner, "a", "3");
    assert.equal(await stream(mine, "a"), "2");
    clock.turn(10);
    invalidate("b");
    assert.equal(await stream(mine, "a"), "2");
    invalidate("a");
    clock.turn(10);
    assert.equal(await stream(mine, "a"), "3");
    await mine.delete("a");
    assert.deepEqual(await kept(folder), []);
    assert.equal(await mine.read("a"), undefined);
  }));

Deno.test("cached() in a folder keeps nothing of a blob whose reader leaves, or that breaks, half-way", () =>
  inFolder(async (folder) => {
    const trouble = new Error("the line is dead");
    const inner = memoryBlobDriver();
    const { driver: blobs } = await over({
      ...inner,
      read: (key, options) =>
        key === "a" ? inner.read(key, options) : Promise.resolve(
          new ReadableStream<Bytes>({
            start(controller) {
              controller.enqueue(encodeText("x"));
            },
            pull: (controller) => controller.error(trouble),
          }),
        ),
    } as BlobDriver, folder);
    await put(inner, "a", "x".repeat(200_000));
    const reader = (await blobs.read("a"))!.getReader();
    await reader.read();
    assert.match((await kept(folder)).join(), /^\.tmp-[^,]*$/);
    await reader.cancel();
    await assert.rejects(stream(blobs, "b"), trouble);
    const called = new AbortController();
    const stopped = (await blobs.read("a", { signal: called.signal }))!.getReader();
    await stopped.read();
    called.abort(trouble);
    await assert.rejects(async () => {
      while (!(await stopped.read()).done);
    }, trouble);
    assert.deepEqual(await kept(folder), []);
    const alone = new AbortController();
    const unread = (await blobs.read("a", { signal: alone.signal }))!;
    assert.equal((await kept(folder)).length, 1);
    alone.abort(trouble);
    await until("the cache has nothing", async () => (await kept(folder)).length === 0);
    await unread.cancel().catch(() => {});
    await blobs.delete("a");
  }));

Deno.test("cached() in a folder keeps nothing that was changed while it was read, also when the clock is set back", () =>
  inFolder(async (folder) => {
    const clock = handClock();
    const inner = memoryBlobDriver();
    const { driver: blobs } = await over(inner, folder, { maxAge: "1m", clock });
    await put(inner, "a", "old");
    const slow = (await blobs.read("a"))!;
    clock.turn(-5_000);
    await put(blobs, "a", "new");
    assert.equal(decodeText(await readAll(slow)), "old");
    clock.turn(6_000);
    assert.equal(await stream(blobs, "a"), "new");
  }));

Deno.test("cached() in a folder takes no damaged file, and none of another key, for a value", () =>
  inFolder(async (folder) => {
    const { driver, calls } = noted(memoryBlobDriver());
    await put(driver, "a", "the value of a");
    await put(driver, "b", "the value of b");
    const { driver: first } = await over(driver, folder);
    await stream(first, "b");
    const [ofB] = await kept(folder);
    await stream(first, "a");
    const ofA = (await kept(folder)).find((name) => name !== ofB)!;
    const path = `${folder}/${ofA}`;
    const whole = await Deno.readFile(path);
    const flipped = whole.slice();
    flipped[3]! ^= 1;
    const damages = {
      "cut short": whole.subarray(0, -1),
      "cut to nothing": new Uint8Array(),
      "without its beginning": whole.subarray(1),
      "with another byte": flipped,
      "of zeros": new Uint8Array(whole.length),
      "longer": new Uint8Array([...whole, 1]),
      "of another key": await Deno.readFile(`${folder}/${ofB}`),
    };
    for (const [what, damaged] of Object.entries(damages)) {
      for (const read of [stream, bytes]) {
        await Deno.writeFile(path, damaged);
        calls.length = 0;
        const { driver: blobs } = await over(driver, folder);
        assert.equal(await read(blobs, "a"), "the value of a", what);
        assert(calls.some((call) => call.startsWith("read")), what);
        assert.deepEqual(await Deno.readFile(path), whole, `${what}: it is kept anew`);
      }
    }
  }));

Deno.test("cached() in a folder keeps the last used within its limits, whoever has put them there", () =>
  inFolder(async (folder) => {
    const clock = handClock();
    const { driver, calls } = noted(memoryBlobDriver());
    for (const key of "abcdefgh") await put(driver, key, key.repeat(1_000));
    const caches: BlobDriver[] = [];
    for (let i = 0; i < 2; i++) caches.push((await over(driver, folder, { maxEntries: 3, clock })).driver);
    const ask = async (keys: string): Promise<string> => {
      let asked = "";
      for (const [i, key] of [...keys].entries()) {
        clock.turn(10);
        calls.length = 0;
        assert.equal(await stream(caches[i % 2]!, key), key.repeat(1_000));
        if (calls.includes("read")) asked += key;
      }
      return asked;
    };
    assert.equal(await ask("abcabc"), "abc");
    assert.equal(await ask("ad"), "d");
    assert.equal(await ask("acbd"), "bd");
    assert.equal((await kept(folder)).length, 3);

    const sizes = async (): Promise<number> => {
      let sum = 0;
      for (const name of await kept(folder)) sum += (await Deno.stat(`${folder}/${name}`)).size;
      return sum;
    };
    const { driver: small } = await over(driver, folder, { maxBytes: 4_000, maxSize: 1_000, clock });
    for (const key of "abcdefgh") {
      clock.turn(10);
      await stream(small, key);
      assert(await sizes() <= 4_000);
    }
    await put(driver, "large", "x".repeat(1_001));
    const before = await kept(folder);
    for (const read of [stream, bytes]) assert.equal((await read(small, "large")).length, 1_001);
    assert.deepEqual(await kept(folder), before);
  }));

Deno.test("cached() in a folder keeps values of several stores and neighbours apart, for their owner alone", () =>
  inFolder(async (dir) => {
    const folder = `${dir}/deep/cache`;
    const stores = [memoryBlobDriver(), memoryBlobDriver()];
    const caches = await Promise.all(stores.map(async (store) => (await over(store, folder)).driver));
    const all = [...caches, ...caches.map((each) => each.beside!("logs"))];
    for (const round of [1, 2]) {
      for (const [i, each] of all.entries()) {
        if (round === 1) await put(each, "a", `${i}`);
        assert.equal(await stream(each, "a"), `${i}`);
      }
    }
    assert.equal((await Deno.stat(folder)).mode! & 0o777, 0o700);
  }));

Deno.test("cached() in a folder makes and changes nothing before it is prepared, and uses what is there", () =>
  inFolder(async (dir) => {
    const folder = `${dir}/cache`;
    const { driver, calls } = noted(memoryBlobDriver());
    const trees = memoryFilesystemDriver();
    await put(driver, "a", "1");
    await trees.write("a", tree([file("x", "1")]));
    const looking = cached({ maxAge: "1h", folder });
    const look = async (): Promise<void> => {
      assert.deepEqual([await stream(looking(driver), "a"), await bytes(looking(driver), "a")], ["1", "1"]);
      assert.equal(await readMember(looking(trees), "a", "x"), "1");
      await Array.fromAsync((await looking(trees).entries("a"))!);
    };
    await look();
    await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
    await stream((await over(driver, folder)).driver, "a");
    const before = await kept(folder);
    const changed = (await Deno.stat(`${folder}/${before[0]}`)).mtime;
    calls.length = 0;
    await look();
    assert.deepEqual(calls, []);
    assert.deepEqual(await kept(folder), before);
    assert.deepEqual((await Deno.stat(`${folder}/${before[0]}`)).mtime, changed);
  }));

/** Every way in which a call to the file system can break; the value is read all the same. */
for (const kind of ["ENOSPC", "EACCES", "EROFS", "ENOENT"] as const satisfies readonly FaultKind[]) {
  for (const crash of [false, true]) {
    Deno.test(`cached() in a folder reads values whatever happens to the folder, ${kind}${crash ? " from then on" : " once"}`, () =>
      inFolder(async (dir) => {
        const inner = memoryBlobDriver();
        const trees = memoryFilesystemDriver();
        await put(inner, "a", "x".repeat(100_000));
        await trees.write("a", tree([file("x", "1".repeat(1_000)), file("y", "2")]));
        for (let at = 1, struck = true; struck; at++) {
          const folder = `${dir}/${at}`;
          const files = faultyFiles({ at, kind, crash, only: WRITING });
          const told: string[] = [];
          const options = {
            files,
            maxEntries: 1,
            onTrouble: (error: Error) => void told.push(error.message),
          };
          const { driver: blobs } = await over(inner, folder, options);
          const { driver: cachedTrees } = await over(trees, folder, options);
          for (let round = 0; round < 2; round++) {
            assert.equal((await stream(blobs, "a")).length, 100_000);
            assert.equal((await bytes(blobs, "a")).length, 100_000);
            assert.equal(await readMember(cachedTrees, "a", "y"), "2");
          }
          assert(told.length <= 2, "said once by each cache");
          for (const text of told) {
            assert.match(text, /^Cannot use the cache in .*: .*; values are read where they lie$/);
          }
          struck = files.struck;
          // Whoever comes next finds whole values or none.
          const { driver: next } = await over(inner, folder);
          assert.equal((await stream(next, "a")).length, 100_000);
          assert.equal(await readMember((await over(trees, folder)).driver, "a", "y"), "2");
        }
      }));
  }
}

/** All calls but reads of an open file: who reads one when the disk breaks is told. */
const WRITING = [
  ..."open rename remove mkdir readDir lstat".split(" "),
  ..."file.write file.stat file.seek".split(" "),
];

Deno.test("cached() in a folder says once that a file lies in the folder's place", () =>
  inFolder(async (dir) => {
    const folder = `${dir}/cache`;
    await Deno.writeTextFile(folder, "mine");
    const told: Error[] = [];
    const inner = memoryBlobDriver();
    await put(inner, "a", "1");
    const { driver: blobs } = await over(inner, folder, { onTrouble: (error) => void told.push(error) });
    for (let i = 0; i < 3; i++) assert.equal(await stream(blobs, "a"), "1");
    assert.equal(told.length, 1);
    assert(isDatataskError(told[0]));
    assert.match(told[0].message, /^Cannot use the cache in .*\/cache: .*; values are read where they lie$/);
    assert.equal(await Deno.readTextFile(folder), "mine");
  }));

for (const kind of ["blob", "tree"]) {
  Deno.test(`cached() in a folder is not misled by a process that was killed while it took in a ${kind}`, () =>
    inFolder(async (dir) => {
      const [values, folder] = [`${dir}/values`, `${dir}/cache`];
      const inner = fileDriver(values);
      const trees = packed()(inner);
      const large = "0123456789abcdef".repeat(100_000);
      if (kind === "blob") await put(inner, "large", large);
      else await trees.write("large", tree([file("x", large)]));
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          "--no-check",
          new URL("cached_filler.ts", import.meta.url).pathname,
          values,
          folder,
          kind,
        ],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const reader = child.stdout.getReader();
      assert.match(decodeText((await reader.read()).value!), /^half-way/);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      assert.match((await kept(folder)).join(), /^\.tmp-[^,]*$/);
      if (kind === "blob") assert.equal(await stream((await over(inner, folder)).driver, "large"), large);
      else assert.equal(await readMember((await over(trees, folder)).driver, "large", "x"), large);
      const names = await kept(folder);
      assert.equal(names.length, 1, "what the dead process left is gone");
      assert.match(names[0]!, /\.cached$/);
    }));
}

Deno.test("cached() in a folder serves many readers of two caches at once", () =>
  inFolder(async (folder) => {
    const inner = memoryBlobDriver();
    for (const key of "abc") await put(inner, key, key.repeat(300_000));
    const caches: BlobDriver[] = [];
    for (let i = 0; i < 2; i++) caches.push((await over(inner, folder, { maxEntries: 2 })).driver);
    await Promise.all(Array.from({ length: 60 }, async (_, i) => {
      const key = "abc"[i % 3]!;
      assert.equal(await (i % 2 ? stream : bytes)(caches[i % 4 < 2 ? 0 : 1]!, key), key.repeat(300_000));
    }));
    assert((await kept(folder)).every((name) => name.endsWith(".cached")));
  }));

const RICH = [
  directory("d", 0o750),
  file("d/a", "x".repeat(100_000), 0o755),
  link("l", "d/a"),
  file("z", "1"),
];

Deno.test("cached() takes in a tree once for all who read it, and gives it and its files from there", () =>
  inFolder(async (folder) => {
    const { driver, calls } = noted(memoryFilesystemDriver());
    await driver.write("one", tree(RICH));
    const { driver: trees } = await over(driver, folder);
    const described = await describeTree(tree(RICH));
    await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      if (i % 2) assert.deepEqual(await describeTree(await trees.entries("one")), described);
      else assert.equal((await readMember(trees, "one", "l"))!.length, 100_000);
    }));
    assert.deepEqual(calls.filter((call) => call !== "info"), ["entries"]);
    for await (const _ of (await trees.entries("one"))!) break;
    assert.deepEqual(await describeTree(await (await over(driver, folder)).driver.entries("one")), described);
    assert.deepEqual(calls.filter((call) => call !== "info"), ["entries"]);
    assert.equal(await trees.open!("one", "nothing"), undefined);
    assert.equal(await trees.entries("two"), undefined);
    await assert.rejects(async () => await trees.open!("one", "../z"), { code: "invalid-value" });
    await trees.write("one", tree([file("z", "2")]));
    assert.equal(await readMember(trees, "one", "z"), "2");
  }));

Deno.test("cached() lets a tree that is too large pass, and asks for it once only until it changes", () =>
  inFolder(async (folder) => {
    const clock = handClock();
    const { driver, calls } = noted(memoryFilesystemDriver());
    // Trees whose size nobody tells.
    const unsized = { ...driver, info: undefined } as unknown as FilesystemDriver;
    await driver.write("one", tree(RICH));
    const { driver: trees } = await over(unsized, folder, { maxSize: 50_000, maxAge: "1m", clock });
    const read = async (): Promise<number> => {
      calls.length = 0;
      clock.turn(10);
      assert.equal(await readMember(trees, "one", "z"), "1");
      return calls.length;
    };
    assert.deepEqual([await read(), await read(), await read()], [2, 1, 1]);
    clock.turn(60_000);
    assert.deepEqual([await read(), await read()], [2, 1]);
    await trees.write("one", tree([file("z", "1")]));
    assert.deepEqual([await read(), await read()], [1, 0]);
    assert.equal((await kept(folder)).length, 1);
  }));

Deno.test("cached() gives files of a tree with another one that cannot be read, and of one that left the cache", () =>
  inFolder(async (folder) => {
    const trouble = new Error("the block is bad");
    const clock = handClock();
    const inner = memoryFilesystemDriver();
    await inner.write("one", tree([file("bad", "0"), file("good", "1")]));
    let broken = true;
    const { driver: trees, invalidate } = await over(
      {
        ...inner,
        open: undefined,
        async entries(key: string, options?: OperationOptions) {
          const entries = await inner.entries(key, options);
          return (async function* () {
            for await (const entry of entries!) {
              const bad = broken && entry.kind === "file" && entry.path === "bad";
              yield bad ? { ...entry, open: () => Promise.reject(trouble) } : entry;
            }
          })();
        },
      } as unknown as FilesystemDriver,
      folder,
      { clock },
    );
    assert.equal(await readMember(trees, "one", "good"), "1");
    await assert.rejects(readMember(trees, "one", "bad"), trouble);
    assert.deepEqual(await kept(folder), []);
    broken = false;
    invalidate();
    clock.turn(1);
    const entries = await Array.fromAsync((await trees.entries("one"))!);
    assert.equal((await kept(folder)).length, 1);
    for (const name of await kept(folder)) await Deno.remove(`${folder}/${name}`);
    const first = entries.find(({ path }) => path === "bad");
    assert(first?.kind === "file");
    assert.equal(decodeText(await readAll(await first.open())), "0");
  }));

Deno.test("cached() passes on what is wrong with a tree, and keeps nothing of it", () =>
  inFolder(async (folder) => {
    const trouble = new Error("the line is dead");
    const inner = memoryFilesystemDriver();
    const { driver: trees } = await over({
      ...inner,
      entries: () =>
        Promise.resolve((async function* () {
          yield file("a", "1");
          throw trouble;
        })()),
    } as FilesystemDriver, folder);
    await assert.rejects(async () => await Array.fromAsync((await trees.entries("one"))!), trouble);
    const called = AbortSignal.abort(trouble);
    await assert.rejects(async () => await trees.entries("one", { signal: called }), trouble);
    assert.deepEqual(await kept(folder), []);
  }));

Deno.test("cached() refuses documents in a folder", () => {
  const documents = memoryMetadataDriver("pages") as MetadataDriver & BlobDriver;
  assert.throws(() => cached({ maxAge: 1, folder: "x" })(documents), {
    message:
      "Cannot keep pages in a folder, since its values are documents; keep them in memory, or put cached() over the blobs beneath",
  });
});

Deno.test("cached() in a folder gives no short value when its file is cut short while it is read", () =>
  inFolder(async (folder) => {
    const inner = memoryBlobDriver();
    const value = "x".repeat(1_000_000);
    await put(inner, "a", value);
    const { driver } = await over(inner, folder);
    assert.equal(await stream(driver, "a"), value);
    const cut = async (): Promise<void> => {
      for await (const { name, isFile } of Deno.readDir(folder)) {
        if (isFile) await Deno.truncate(`${folder}/${name}`, 400_000);
      }
    };
    for (const options of [{}, { start: 10, end: 900_000 }]) {
      const reader = (await driver.read("a", options))!.getReader();
      await reader.read();
      await cut();
      const rest = async (): Promise<void> => {
        while (!(await reader.read()).done);
      };
      await assert.rejects(rest(), {
        code: "io",
        message:
          `Cannot read "a" of ${inner.name}: the file in the cache that keeps it was cut short while it was read; read it again`,
      });
      assert.equal(await stream(driver, "a"), value, "it is read beneath, and kept again");
    }
  }));

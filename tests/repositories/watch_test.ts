import assert from "node:assert/strict";
import { encodeText } from "../../core/bytes.ts";
import type { Change } from "../../repositories/driver.ts";
import type { BlobDriver } from "../../repositories/driver.ts";
import { directoryDriver } from "../../repositories/directory.ts";
import { fileDriver } from "../../repositories/files.ts";

/** More than the system keeps for a watcher that does not look. */
const BURST = 25_000;

Deno.test("a watch that the system cannot keep up with tells to scan again, or every key", async () => {
  const dir = await Deno.makeTempDir({
    dir: await Deno.stat("/dev/shm").then(() => "/dev/shm", () => "/tmp"),
  });
  const controller = new AbortController();
  try {
    const changes = fileDriver(dir).watch!({ signal: controller.signal })[Symbol.asyncIterator]();
    let next = changes.next();
    // Without an await in between: nobody reads what the system tells.
    for (let i = 0; i < BURST; i++) Deno.writeFileSync(`${dir}/key-${i}`, new Uint8Array());
    const keys = new Set<string>();
    for (;;) {
      const { value } = await next as { value: Change };
      if (value === "rescan") break;
      keys.add(value.key);
      if (keys.size === BURST) break;
      next = changes.next();
    }
    controller.abort();
    await changes.return?.();
  } finally {
    controller.abort();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a watch of an absent folder makes it and tells to scan", async () => {
  const dir = await Deno.makeTempDir();
  const controller = new AbortController();
  try {
    const driver = fileDriver(`${dir}/values`, { extension: ".txt" });
    const changes = driver.watch!({ signal: controller.signal })[Symbol.asyncIterator]();
    assert.deepEqual(await changes.next(), { done: false, value: "rescan" });
    const next = changes.next();
    await Deno.writeTextFile(`${dir}/values/other.yaml`, "x");
    await Deno.mkdir(`${dir}/values/_failed`);
    await driver.write("one", encodeText("1"));
    assert.deepEqual(await next, { done: false, value: { key: "one", present: true } });
    controller.abort();
    for (let rest = await changes.next(); !rest.done; rest = await changes.next());
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** Watches a folder while something is done there, up to the first change of the key `last`. */
async function told(
  make: (dir: string) => { watch?: BlobDriver["watch"] },
  work: (dir: string) => unknown,
): Promise<string[]> {
  const dir = await Deno.makeTempDir();
  const controller = new AbortController();
  try {
    const changes = make(dir).watch!({ signal: controller.signal })[Symbol.asyncIterator]();
    let next = changes.next();
    await work(dir);
    await Deno.writeTextFile(`${dir}/.last`, "");
    await Deno.rename(`${dir}/.last`, `${dir}/last.txt`);
    const seen: string[] = [];
    for (;;) {
      const { value } = await next as { value: Change };
      if (value !== "rescan" && value.key === "last") break;
      seen.push(value === "rescan" ? value : `${value.key} ${value.present}`);
      next = changes.next();
    }
    controller.abort();
    await changes.return?.();
    return [...new Set(seen)];
  } finally {
    controller.abort();
    await Deno.remove(dir, { recursive: true });
  }
}

const texts = (dir: string) => fileDriver(dir, { extension: ".txt" });

Deno.test({
  name: "a file that somebody makes is told when it is closed, not before",
  ignore: Deno.build.os !== "linux",
  async fn() {
    let file: Deno.FsFile | undefined;
    const open = await told(texts, async (dir) => {
      file = await Deno.open(`${dir}/slow.txt`, { write: true, createNew: true });
      await file.write(encodeText("half"));
    });
    file!.close();
    assert.deepEqual(open, []);
    const closed = await told(texts, (dir) => Deno.writeTextFile(`${dir}/slow.txt`, "whole"));
    assert.deepEqual(closed, ["slow true"]);
  },
});

Deno.test({
  name:
    "a file that is not closed is in no listing either, for as long as there is a watch; what we write is there at once",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const dir = await Deno.makeTempDir();
    const controller = new AbortController();
    const driver = texts(dir);
    const keys = async () => (await Array.fromAsync(driver.keys())).flat().sort();
    const changes = driver.watch!({ signal: controller.signal })[Symbol.asyncIterator]();
    const next = changes.next();
    const file = await Deno.open(`${dir}/slow.txt`, { write: true, createNew: true });
    await file.write(encodeText("half"));
    await Deno.writeTextFile(`${dir}/quick.txt`, "whole");
    try {
      assert.deepEqual(await next, { done: false, value: { key: "quick", present: true } });
      assert.deepEqual([await keys(), await driver.has("slow")], [["quick"], false]);
      const mine = changes.next();
      await driver.write("mine", encodeText("1"), { ifAbsent: true });
      assert.equal(await driver.has("mine"), true);
      assert.deepEqual((await mine).value, { key: "mine", present: true });
      assert.deepEqual([await keys(), await driver.has("mine")], [["mine", "quick"], true]);
      await driver.write("slow", encodeText("replaced"));
      assert.deepEqual(await keys(), ["mine", "quick", "slow"]);
      const other = await Deno.open(`${dir}/other.txt`, { write: true, createNew: true });
      await Deno.writeTextFile(`${dir}/last.txt`, "");
      for (let change = await changes.next(); change.value !== undefined; change = await changes.next()) {
        if (change.value !== "rescan" && change.value.key === "last") break;
      }
      assert.deepEqual(await keys(), ["last", "mine", "quick", "slow"]);
      controller.abort();
      await changes.return?.();
      assert.ok((await keys()).includes("other"));
      other.close();
    } finally {
      controller.abort();
      file.close();
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("a file that is linked, moved in, or written on a condition is told at once", async () => {
  const elsewhere = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${elsewhere}/a`, "x");
    assert.deepEqual(await told(texts, (dir) => Deno.link(`${elsewhere}/a`, `${dir}/linked.txt`)), [
      "linked true",
    ]);
    const point = async (dir: string) => {
      await Deno.writeTextFile(`${dir}/target`, "x");
      await Deno.symlink(`${dir}/target`, `${dir}/pointer.txt`);
    };
    assert.deepEqual(await told(texts, point), ["pointer true"]);
    assert.deepEqual(await told(texts, (dir) => Deno.rename(`${elsewhere}/a`, `${dir}/moved.txt`)), [
      "moved true",
    ]);
    for (const bytes of ["", "value"]) {
      const put = (dir: string) => texts(dir).write("mine", encodeText(bytes), { ifAbsent: true });
      assert.deepEqual(await told(texts, put), ["mine true"]);
    }
  } finally {
    await Deno.remove(elsewhere, { recursive: true });
  }
});

Deno.test("a file that is changed where it lies, or removed, is told", async () => {
  const seen = await told(texts, async (dir) => {
    await Deno.writeTextFile(`${dir}/a.txt`, "1");
    await Deno.writeTextFile(`${dir}/a.txt`, "2");
    await Deno.remove(`${dir}/a.txt`);
  });
  assert.equal(seen.at(-1), "a false");
  const trees = await told(
    (dir) => directoryDriver(dir, { extension: ".txt" }),
    (dir) => Deno.mkdir(`${dir}/tree.txt`),
  );
  assert.deepEqual(trees, ["tree true"]);
});

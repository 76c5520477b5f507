import assert from "node:assert/strict";
import { type Bytes, decodeText, encodeText, readAll } from "../../core/bytes.ts";
import { type Files, systemFiles } from "../../core/files.ts";
import { directoryDriver } from "../../repositories/directory.ts";
import type { BlobDriver, FilesystemDriver } from "../../repositories/driver.ts";
import { fileDriver } from "../../repositories/files.ts";
import { type FaultyFiles, faultyFiles } from "../../testing/faulty_files.ts";
import { listKeys } from "../../testing/suite.ts";
import { directory, file, link, readMember, tree } from "../../testing/trees.ts";
import { inFolder } from "../kit/folder.ts";

/** The file system as the next process sees it: this one is dead. */
const afterDeath: Files = {
  ...systemFiles,
  readSmall: (path) =>
    path.startsWith("/proc/") ? Promise.reject(new Deno.errors.NotFound()) : systemFiles.readSmall(path),
};

async function leftovers(dir: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(dir), (entry) => entry.name);
  return names.filter((name) => name.startsWith(".") && name !== ".lock");
}

/** What a value can look like: written as bytes, as a stream, on a condition, or staged and adopted. */
const BLOB_WRITES: Record<string, (driver: BlobDriver, text: string) => Promise<void>> = {
  "small bytes": (driver, text) => driver.write("one", encodeText(text)),
  "a stream": (driver, text) =>
    driver.write(
      "one",
      ReadableStream.from([text.slice(0, 2), text.slice(2)].map(encodeText)) as ReadableStream<Bytes>,
    ),
  "a stream of large chunks": (driver, text) =>
    driver.write(
      "one",
      ReadableStream.from([`${text}${" ".repeat(40_000)}`, " ", " "].map(encodeText)) as ReadableStream<
        Bytes
      >,
    ),
  "a version": async (driver, text) => {
    const version = (await driver.info!("one"))?.version;
    await driver.write(
      "one",
      encodeText(text),
      version === undefined ? { ifAbsent: true } : { ifVersion: version },
    );
  },
  "a staged file": async (driver, text) => {
    const path = await driver.staging!("one");
    await Deno.writeTextFile(path, text);
    await driver.adopt!("one", path).finally(() => Deno.remove(path).catch(() => {}));
  },
};

for (const durability of ["none", "fsync"] as const) {
  for (const crash of [false, true]) {
    const how = crash ? "a crash" : "a full disk";
    for (const [what, write] of Object.entries(BLOB_WRITES)) {
      Deno.test(`fileDriver() keeps the old value or has the new one after ${how} at any call, for ${what}, ${durability}`, () =>
        inFolder(async (dir) => {
          for (const old of ["old value", undefined]) {
            for (let at = 1, struck = true; struck; at++) {
              const plain = fileDriver(dir);
              await (old === undefined ? plain.delete("one") : plain.write("one", encodeText(old)));
              const files = faultyFiles({ at, crash, kind: "ENOSPC" });
              const outcome = await write(fileDriver(dir, { files, durability }), "new text").then(
                () => "done",
                () => "failed",
              );
              struck = files.struck;
              const fresh = fileDriver(dir, { files: afterDeath });
              await fresh.prepare!();
              const bytes = await fresh.readBytes!("one");
              const now = bytes && decodeText(bytes).trimEnd();
              assert(now === old || now === "new text", `call ${at} (${files.log.at(-1)}) left ${now}`);
              if (outcome === "done") assert.equal(now, "new text");
              assert.deepEqual(await listKeys(fresh), now === undefined ? [] : ["one"]);
              assert.deepEqual(await leftovers(dir), [], `call ${at} (${files.log.at(-1)}) left something`);
            }
          }
        }));
    }
  }
}

const TREE_WRITES: Record<string, (driver: FilesystemDriver, text: string) => Promise<void>> = {
  "a tree": (driver, text) =>
    driver.write("one", tree([directory("d", 0o700), file("d/a", text), link("l", "d/a"), file("z", text)])),
  "a staged folder": async (driver, text) => {
    const path = await driver.staging!("one");
    await Deno.mkdir(`${path}/d`, { recursive: true });
    for (const name of ["d/a", "z"]) await Deno.writeTextFile(`${path}/${name}`, text);
    await driver.adopt!("one", path).finally(() => Deno.remove(path, { recursive: true }).catch(() => {}));
  },
  "a deletion": (driver) => driver.delete("one"),
};

async function treeText(driver: FilesystemDriver): Promise<string | undefined> {
  if (!await driver.has("one")) return undefined;
  const texts = await Promise.all([readMember(driver, "one", "d/a"), readMember(driver, "one", "z")]);
  assert.equal(texts[0], texts[1], "two trees were mixed");
  return texts[0] ?? assert.fail("half a tree");
}

for (const crash of [false, true]) {
  for (const [what, write] of Object.entries(TREE_WRITES)) {
    const how = crash ? "a crash" : "a full disk";
    Deno.test(`directoryDriver() keeps the old tree or has the new one after ${how} at any call, for ${what}`, () =>
      inFolder(async (dir) => {
        for (const old of ["old", undefined]) {
          for (let at = 1, struck = true; struck; at++) {
            const plain = directoryDriver(dir);
            await (old === undefined ? plain.delete("one") : TREE_WRITES["a tree"]!(plain, old));
            const files = faultyFiles({ at, crash, kind: "ENOSPC" });
            const outcome = await write(directoryDriver(dir, { files, durability: "fsync" }), "new").then(
              () => "done",
              () => "failed",
            );
            struck = files.struck;
            const allowed = [old, what === "a deletion" ? undefined : "new"];
            const during = await treeText(directoryDriver(dir));
            assert(
              allowed.includes(during),
              `call ${at} (${files.log.at(-1)}) left ${during} before prepare`,
            );
            const fresh = directoryDriver(dir, { files: afterDeath });
            await fresh.prepare!();
            const now = await treeText(fresh);
            assert.equal(now, during, `prepare after call ${at} (${files.log.at(-1)}) changed what is there`);
            if (outcome === "done") assert.equal(now, allowed[1]);
            assert.deepEqual(await listKeys(fresh), now === undefined ? [] : ["one"]);
            assert.deepEqual(await leftovers(dir), [], `call ${at} (${files.log.at(-1)}) left something`);
          }
        }
      }));
  }
}

Deno.test("faultyFiles() counts, fails once, and fails for good after a crash", async () => {
  await inFolder(async (dir) => {
    const files: FaultyFiles = faultyFiles({ at: 2, kind: "EACCES" });
    await files.mkdir(`${dir}/a`);
    await assert.rejects(files.mkdir(`${dir}/b`), Deno.errors.PermissionDenied);
    await files.mkdir(`${dir}/b`);
    assert.deepEqual(files.log, ["mkdir", "mkdir", "mkdir"]);
    const only = faultyFiles({ at: 1, only: ["file.write"], crash: true });
    const handle = await only.open(`${dir}/f`, { write: true, create: true });
    await assert.rejects(handle.write(new Uint8Array(1)), { code: "EIO" });
    await assert.rejects(only.stat(dir), { code: "EIO" });
    handle.close();
  });
});

Deno.test("a read that fails half-way closes its file and says so", async () => {
  await inFolder(async (dir) => {
    await fileDriver(dir).write("one", new Uint8Array(2 ** 20));
    const files = faultyFiles({ at: 2, only: ["file.read"] });
    const stream = (await fileDriver(dir, { files }).read("one"))!;
    await assert.rejects(readAll(stream), { code: "EIO" });
  });
});

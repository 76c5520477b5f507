import assert from "node:assert/strict";
import { directoryDriver, DirectoryRepository } from "../../repositories/directory.ts";
import type { TreeEntry } from "../../repositories/driver.ts";
import { describeTree, directory, file, link, readMember, tree } from "../../testing/trees.ts";
import { listKeys } from "../../testing/suite.ts";
import { inFolder } from "../kit/folder.ts";

Deno.test("DirectoryRepository lists directories and takes no notice of stray files", () =>
  inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/one`);
    await Deno.writeTextFile(`${dir}/stray`, "x");
    await Deno.symlink(`${dir}/one`, `${dir}/linked`);
    const repository = new DirectoryRepository(dir);
    assert.deepEqual(await Array.fromAsync(repository), ["one"]);
    assert.equal(await repository.has("stray"), false);
    assert.equal(await repository.has("linked"), false);
    await repository.delete("one");
    assert.deepEqual(await Array.fromAsync(repository), []);
    assert.equal(await Deno.readTextFile(`${dir}/stray`), "x");
  }));

Deno.test("a tree is written as entries, and what is none is refused by name", () =>
  inFolder(async (dir) => {
    const repository = new DirectoryRepository(dir);
    for (
      const [value, found] of [["a text", "a string"], [null, "null"], [["path"], "a string"], [
        [null],
        "null",
      ]]
    ) {
      await assert.rejects(repository.put("emma", value as Iterable<TreeEntry>), {
        name: "RepositoryError",
        message:
          `Cannot write "emma" of ${repository.name}: a tree is written as entries { kind, path, ... }, and ${found} is none`,
      });
    }
    assert.equal(await repository.has("emma"), false);
  }));

for (const size of [20, 1_000_000]) {
  Deno.test(`an aborted write of a file of ${size} bytes that is stuck leaves nothing in the folder, and lets go of it`, () =>
    inFolder(async (dir) => {
      const repository = new DirectoryRepository(dir);
      const controller = new AbortController();
      const reason = new Error("called off");
      const stuck = Promise.withResolvers<void>();
      const cancelled: unknown[] = [];
      const content = new ReadableStream<Uint8Array<ArrayBuffer>>({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        pull() {
          stuck.resolve();
          return new Promise(() => {});
        },
        cancel: (why) => void cancelled.push(why),
      }, { highWaterMark: 0 });
      const open = () => Promise.resolve(content);
      const writing = repository.put("emma", [{ kind: "file", path: "a", mode: 0o644, size, open }], {
        signal: controller.signal,
      });
      await stuck.promise;
      controller.abort(reason);
      await assert.rejects(writing, (error) => error === reason);
      assert.deepEqual(cancelled, [reason]);
      assert.deepEqual(await Array.fromAsync(Deno.readDir(dir)), []);
    }));
}

Deno.test("DirectoryRepository refuses to hand out a pipe, by name", () =>
  inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/one`);
    assert((await new Deno.Command("mkfifo", { args: [`${dir}/one/pipe`] }).output()).success);
    const repository = new DirectoryRepository(dir);
    await assert.rejects(async () => await Array.fromAsync(await repository.entries("one")), {
      code: "invalid-value",
      message: `Cannot read "pipe" in "one" of directories ${dir}/*: it is a device, pipe or socket; ` +
        "a tree holds files, directories and symbolic links",
    });
    assert.equal(await readMember(repository.driver, "one", "pipe"), undefined);
  }));

Deno.test("DirectoryRepository keeps links as they are and never follows them out", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/secret`, "secret");
    const driver = directoryDriver(`${dir}/values`);
    await driver.write(
      "one",
      tree([link("out", "../../secret"), link("up", ".."), link("abs", `${dir}/secret`), file("a", "1")]),
    );
    assert.deepEqual(await describeTree(await driver.entries("one")), {
      a: "file 644 1",
      abs: `symlink -> ${dir}/secret`,
      out: "symlink -> ../../secret",
      up: "symlink -> ..",
    });
    for (const path of ["out", "abs", "up/../secret", "up/up/a"]) {
      const text = await readMember(driver, "one", path).catch((error) => `refused: ${error.code}`);
      assert(text === undefined || text === "1" || text === "refused: invalid-value", `${path}: ${text}`);
    }
    await driver.delete("one");
    assert.equal(await Deno.readTextFile(`${dir}/secret`), "secret");
  }));

Deno.test("DirectoryRepository drops set-uid and set-gid", () =>
  inFolder(async (dir) => {
    const driver = directoryDriver(dir);
    await driver.write("one", tree([file("run", "x", 0o6755), directory("d", 0o2755)]));
    assert.deepEqual(await describeTree(await driver.entries("one")), {
      d: "directory 755",
      run: "file 755 x",
    });
  }));

Deno.test("a tree whose swap was cut short is there before and after prepare", () =>
  inFolder(async (dir) => {
    const driver = directoryDriver(dir);
    await driver.write("one", tree([file("a", "old")]));
    await Deno.rename(`${dir}/one`, `${dir}/.old-one`);
    assert.deepEqual(await listKeys(driver), ["one"]);
    assert.equal(await readMember(driver, "one", "a"), "old");
    await directoryDriver(dir).prepare!();
    assert.equal(await Deno.readTextFile(`${dir}/one/a`), "old");
    await Deno.rename(`${dir}/one`, `${dir}/.old-one`);
    await driver.write("one", tree([file("a", "new")]));
    assert.deepEqual(await listKeys(driver), ["one"]);
    assert.equal(await readMember(driver, "one", "a"), "new");
    await assert.rejects(Deno.lstat(`${dir}/.old-one`), Deno.errors.NotFound);
    await Deno.rename(`${dir}/one`, `${dir}/.old-one`);
    await driver.delete("one");
    assert.deepEqual(await listKeys(driver), []);
  }));

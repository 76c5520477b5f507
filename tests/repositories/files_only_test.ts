import assert from "node:assert/strict";
import { encodeText } from "../../core/bytes.ts";
import { type Files, systemFiles } from "../../core/files.ts";
import { fileDriver, FileRepository } from "../../repositories/files.ts";
import { testBlobDriver } from "../../testing/blob_suite.ts";
import { faultyFiles } from "../../testing/faulty_files.ts";
import { listKeys } from "../../testing/suite.ts";
import { inFolder } from "../kit/folder.ts";
import { smallDisk } from "../kit/small_disk.ts";

Deno.test("FileRepository lists files with its extension and nothing else", () =>
  inFolder(async (dir) => {
    const repository = new FileRepository(dir, { extension: ".txt" });
    for (const name of ["foo.txt", "bar.yaml", "a.b.txt", ".tmp-x-y-1.txt", "plain"]) {
      await Deno.writeTextFile(`${dir}/${name}`, name);
    }
    await Deno.mkdir(`${dir}/folder.txt`);
    await Deno.symlink(`${dir}/foo.txt`, `${dir}/linked.txt`);
    await Deno.symlink(`${dir}/folder.txt`, `${dir}/linked-folder.txt`);
    await Deno.symlink(`${dir}/nowhere`, `${dir}/dangling.txt`);
    await Deno.symlink("loop.txt", `${dir}/loop.txt`);
    assert.ok(new Deno.Command("mkfifo", { args: [`${dir}/pipe.txt`] }).outputSync().success);
    assert.deepEqual((await Array.fromAsync(repository)).sort(), ["a.b", "foo", "linked"]);
    assert.equal(await repository.text("linked"), "foo.txt");
    for (const key of ["folder", "linked-folder", "dangling", "loop", "pipe", "bar"]) {
      assert.equal(await repository.has(key), false, key);
      assert.equal(await repository.find(key), undefined, key);
    }
  }));

Deno.test("FileRepository takes an absent folder for an empty one, and makes it when it is written", () =>
  inFolder(async (dir) => {
    const repository = new FileRepository(`${dir}/deep/er`);
    assert.deepEqual(await Array.fromAsync(repository), []);
    assert.equal(await repository.has("one"), false);
    await repository.delete("one");
    await assert.rejects(Deno.stat(`${dir}/deep`), Deno.errors.NotFound);
    await repository.put("one", "1");
    assert.equal(await Deno.readTextFile(`${dir}/deep/er/one`), "1");
  }));

Deno.test("FileRepository is called what the user wrote, and is the same from every way to it", () =>
  inFolder(async (dir) => {
    const relative = new FileRepository("./some/../reports/", { extension: ".txt" });
    assert.equal(relative.name, "files ./some/../reports/*.txt");
    assert.equal(relative.driver.identity, `file:${Deno.cwd()}/reports/*.txt`);
    const url = new FileRepository(new URL(`file://${dir}/with%20space`));
    assert.equal(url.driver.identity, `file:${dir}/with space/*`);
    await url.put("one", "1");
    assert.equal(await Deno.readTextFile(`${dir}/with space/one`), "1");
  }));

Deno.test("FileRepository keeps what is beside it in a folder that can be no key", () =>
  inFolder(async (dir) => {
    const driver = fileDriver(dir, { extension: ".txt" });
    await driver.beside!("failed").write("one", encodeText("1"));
    assert.equal(await Deno.readTextFile(`${dir}/_failed/one.txt`), "1");
    assert.equal(driver.beside!("failed"), driver.beside!("failed"));
  }));

Deno.test("FileRepository says what is wrong with its folder when it is prepared", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/file`, "");
    await assert.rejects(new FileRepository(`${dir}/file`).prepare(), {
      code: "io",
      message:
        `Cannot prepare files ${dir}/file/*: ${dir}/file is not a directory; move it away, or choose another directory`,
    });
    const locked = faultyFiles({ at: 1, only: ["writeNew"], kind: "EACCES" });
    await assert.rejects(new FileRepository(dir, { files: locked }).prepare(), {
      code: "denied",
      message:
        `Cannot prepare files ${dir}/*: cannot write in the directory: Permission denied (os error 13); ` +
        "check its owner and mode",
    });
    const full = faultyFiles({ at: 1, only: ["writeNew"], kind: "ENOSPC" });
    await assert.rejects(new FileRepository(dir, { files: full }).put("one", "1"), {
      code: "no-space",
      message: `Cannot write "one" of files ${dir}/*: No space left on device (os error 28); ` +
        "free some space, or put it elsewhere, and run again",
    });
  }));

Deno.test("FileRepository says who lost a race and what to do", () =>
  inFolder(async (dir) => {
    const repository = new FileRepository(dir);
    await repository.put("one", "1");
    await assert.rejects(repository.put("one", "2", { ifAbsent: true }), {
      code: "already-exists",
      message:
        `Cannot write "one" of files ${dir}/*: there is a value already; delete it first, or write without ifAbsent`,
    });
    await assert.rejects(repository.put("one", "2", { ifVersion: "old" }), {
      code: "conflict",
      message:
        `Cannot write "one" of files ${dir}/*: it is no longer at version old; read it again and repeat the change`,
    });
  }));

Deno.test("FileRepository adopts only what it staged", () =>
  inFolder(async (dir) => {
    const driver = fileDriver(`${dir}/values`);
    await driver.prepare!();
    await Deno.writeTextFile(`${dir}/elsewhere`, "x");
    for (const path of [`${dir}/elsewhere`, `${dir}/values/.stage-x/../../elsewhere`]) {
      await assert.rejects(driver.adopt!("one", path), { code: "invalid-value" });
    }
    assert.deepEqual(await listKeys(driver), []);
  }));

Deno.test("FileRepository refuses keys that climb, in every operation", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/secret`, "x");
    const repository = new FileRepository(`${dir}/values`);
    for (const key of ["../secret", "/etc/hostname", "a/b", "", ".", ".."]) {
      for (
        const call of [
          repository.has(key),
          repository.find(key),
          repository.put(key, "y"),
          repository.delete(key),
          repository.info(key),
        ]
      ) await assert.rejects(call, { code: "invalid-key" });
    }
    assert.equal(await Deno.readTextFile(`${dir}/secret`), "x");
  }));

Deno.test("prepare sweeps what dead processes left and spares the living", () =>
  inFolder(async (dir) => {
    const child = await new Deno.Command(Deno.execPath(), {
      args: ["eval", childScript(dir)],
      stdout: "null",
      stderr: "inherit",
    }).output();
    assert.equal(child.signal, "SIGKILL");
    const names = (): Promise<string[]> => Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
    assert.equal((await names()).filter((name) => name.startsWith(".tmp-")).length, 1);
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const writing = fileDriver(dir).write(
      "mine",
      new ReadableStream({
        async pull(controller) {
          controller.enqueue(encodeText("mine"));
          reached.resolve();
          await gate.promise;
          controller.close();
        },
      }),
    );
    await reached.promise;
    await fileDriver(dir).prepare!();
    assert.equal((await names()).filter((name) => name.startsWith(".tmp-")).length, 1, "only ours is left");
    gate.resolve();
    await writing;
    assert.deepEqual(await names(), ["mine"]);
  }));

/** A process that is killed in the middle of a write. */
function childScript(dir: string): string {
  const module = new URL("../../repositories/files.ts", import.meta.url).href;
  return `const { fileDriver } = await import(${JSON.stringify(module)});
    let pulls = 0;
    await fileDriver(${JSON.stringify(dir)}).write("one", new ReadableStream({
      pull(c) { if (pulls++ < 3) c.enqueue(new Uint8Array(100000)); else Deno.kill(Deno.pid, "SIGKILL"); }
    }));`;
}

/** A stream that makes its chunks when they are asked for. */
function inChunks(count: number, size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull(controller) {
      if (count-- > 0) controller.enqueue(new Uint8Array(size));
      else controller.close();
    },
  });
}

Deno.test("a small disk that is full leaves the old value and no rubbish", async (t) => {
  const dir = await Deno.makeTempDir();
  try {
    await using disk = await smallDisk(dir, "256k");
    await t.step({
      name: "on a real one",
      ...disk.options,
      async fn() {
        const repository = new FileRepository(dir);
        await repository.put("one", "old");
        for (const large of [new Uint8Array(2 ** 20), ReadableStream.from([new Uint8Array(2 ** 20)])]) {
          await assert.rejects(repository.put("one", large as Uint8Array<ArrayBuffer>), { code: "no-space" });
        }
        assert.equal(await repository.text("one"), "old");
        assert.deepEqual(await Array.fromAsync(Deno.readDir(dir), ({ name }) => name), ["one"]);
        // Not a byte more fits: it is the last write of a stream that fails, and the only one.
        await Deno.writeFile(`${dir}/.filler`, new Uint8Array(2 ** 20)).catch(() => {});
        for (const chunks of [1, 3]) {
          await assert.rejects(repository.put("one", inChunks(chunks, 3_000)), { code: "no-space" });
          await assert.rejects(repository.put("new", inChunks(chunks, 3_000)), { code: "no-space" });
        }
        await assert.rejects(repository.put("one", new Blob([new Uint8Array(3_000)]).stream()), {
          code: "no-space",
        });
        assert.equal(await repository.text("one"), "old");
        assert.deepEqual(await Array.fromAsync(repository), ["one"]);
      },
    });
  } finally {
    await Deno.remove(dir);
  }
});

/** A file system that takes `a` and `A` for one name, as those of macOS and Windows do. */
function foldingFiles(): Files {
  const actual = (path: string): string => {
    const at = path.lastIndexOf("/");
    const dir = path.slice(0, at) || "/";
    const name = path.slice(at + 1).toLowerCase();
    try {
      for (const entry of Deno.readDirSync(dir)) {
        if (entry.name.toLowerCase() === name) return `${dir}/${entry.name}`;
      }
    } catch {
      // There is no such folder.
    }
    return path;
  };
  return {
    ...systemFiles,
    open: (path, options) => systemFiles.open(actual(path), options),
    readFile: (path) => systemFiles.readFile(actual(path)),
    readSmall: (path) => systemFiles.readSmall(actual(path)),
    rename: (from, to) => systemFiles.rename(actual(from), actual(to)),
    link: (from, to) => systemFiles.link(actual(from), actual(to)),
    remove: (path, options) => systemFiles.remove(actual(path), options),
    stat: (path) => systemFiles.stat(actual(path)),
    lstat: (path) => systemFiles.lstat(actual(path)),
  };
}

testBlobDriver("fileDriver() on a file system without case", {
  many: 100,
  async make(stack) {
    const dir = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    return fileDriver(dir, { files: foldingFiles() });
  },
});

Deno.test("FileRepository names the key that stands in the way on a file system without case", () =>
  inFolder(async (dir) => {
    const repository = new FileRepository(dir, { files: foldingFiles(), extension: ".txt" });
    await repository.prepare();
    await repository.put("Key", "upper");
    await assert.rejects(repository.put("key", "lower"), {
      code: "conflict",
      message:
        `Cannot write "key" of files ${dir}/*.txt: this file system takes it for "Key.txt", which is there; ` +
        "use keys that differ in more than case",
    });
    await repository.delete("key");
    assert.deepEqual(await Array.fromAsync(repository), ["Key"]);
  }));

Deno.test("concurrent writers with fsync share the syncs of the folder", () =>
  inFolder(async (dir) => {
    const files = faultyFiles({ only: ["open"] });
    const opened: string[] = [];
    const counting: Files = {
      ...files,
      open: (path, options) => (opened.push(path), files.open(path, options)),
    };
    const driver = fileDriver(dir, { files: counting, durability: "fsync" });
    await Promise.all(Array.from({ length: 100 }, (_, i) => driver.write(`key-${i}`, encodeText("x"))));
    const syncs = opened.filter((path) => path === dir).length;
    assert(syncs >= 1 && syncs < 100, `${syncs} syncs of the folder for 100 writes`);
  }));

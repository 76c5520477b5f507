import assert from "node:assert/strict";
import { Archive } from "../../cli/backup/archive.ts";
import { decodeDocument, encodeDocument } from "../../cli/backup/document.ts";
import { readIndex, writeIndex } from "../../cli/backup/index_file.ts";
import { MemoryBlobRepository } from "../../repositories/memory.ts";
import { FileRepository } from "../../repositories/files.ts";
import { functionTask } from "../../tasks/function.ts";
import { input } from "../../tasks/link.ts";
import { MemoryMetadataRepository } from "../../repositories/memory.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { cli, toy } from "./held_io.ts";
import { inFolder } from "../kit/folder.ts";

async function* tree(text: string) {
  yield { kind: "directory" as const, path: "sub", mode: 0o755 };
  yield {
    kind: "file" as const,
    path: "sub/a.txt",
    mode: 0o644,
    size: text.length,
    open: () => Promise.resolve(new Blob([text]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>),
  };
}

async function filled() {
  const it = toy();
  await it.books.put("emma", "a b c");
  await it.books.put("moby", new Uint8Array([0, 255]));
  await it.settings.set("emma", { n: 1, list: ["x"] });
  await it.trees.put("emma", tree("hello"));
  return it;
}

Deno.test("backup and restore carry every kind of value to an empty pipeline", () =>
  inFolder(async (dir) => {
    const from = await filled();
    const backup = await cli(["backup", `${dir}/b`], from);
    assert.deepEqual([backup.code, backup.err], [0, ""]);
    assert.match(backup.out, /^Done: 4 values copied \(.*\), 0 there already, in /);
    const to = toy();
    const restore = await cli(["restore", `${dir}/b`], to);
    assert.deepEqual([restore.code, restore.err], [0, ""]);
    assert.deepEqual(await to.books.bytes("moby"), new Uint8Array([0, 255]));
    assert.deepEqual(await to.settings.get("emma"), { n: 1, list: ["x"] });
    assert.equal(await new Response(await to.trees.open("emma", "sub/a.txt")).text(), "hello");
    assert.match(
      (await cli(["restore", `${dir}/b`], to)).out,
      /^Done: 0 values copied \(0 B\), 4 there already/,
    );
  }));

Deno.test("backup takes a store once, and outcomes from beneath what combines them", () =>
  inFolder(async (dir) => {
    const it = await filled();
    await cli(["run", "--quiet"], it);
    await cli(["backup", dir], it);
    const folders = [...Deno.readDirSync(dir)].filter((entry) => entry.isDirectory).map(({ name }) => name)
      .sort();
    assert.ok(folders.includes("count.success") && folders.includes("count.words"));
    assert.ok(!folders.includes("report.words"), "count.words is the same store");
    assert.ok(!folders.some((name) => name.startsWith("count.done")), "done is made of success and failed");
    const to = toy();
    await cli(["restore", dir], to);
    assert.equal((await cli(["run"], to)).out, "Nothing to do: 4 jobs done, 0 failed\n");
  }));

Deno.test("backup copies what is new or changed, and goes on after an interruption", () =>
  inFolder(async (dir) => {
    const books = new FileRepository(`${dir}/books`);
    const task = functionTask(
      "t",
      { done: new MemoryMetadataRepository(), links: { books: input(books) } },
      () => {},
    );
    const pipeline = new Pipeline({ tasks: [task], state: null });
    for (let i = 0; i < 20; i++) await books.put(`k${i}`, `value ${i}`);
    const run = async () =>
      JSON.parse((await cli(["backup", `${dir}/b`, "t.books", "--json"], { pipeline })).out);
    assert.equal((await run()).copied, 20);
    // The last line was cut short, and one value has changed.
    const manifest = `${dir}/b/t.books.manifest.jsonl`;
    const text = await Deno.readTextFile(manifest);
    await Deno.writeTextFile(manifest, text.slice(0, -10));
    await books.put("k0", "another value");
    const again = await run();
    assert.equal(again.failed, 0);
    assert.ok(
      again.copied === 2 || again.copied === 1,
      "the changed one, and the one whose line was cut short",
    );
    assert.equal((await run()).copied, 0);
    await books.delete("k0");
    assert.equal((await run()).failed, 0);
    assert.equal((await cli(["restore", `${dir}/b`, "t.books"], { pipeline })).code, 0);
    assert.equal(await books.text("k0"), "another value");
  }));

Deno.test("restore refuses a damaged value, restores the others, and leaves values that are there", () =>
  inFolder(async (dir) => {
    await cli(["backup", dir], await filled());
    await Deno.writeTextFile(`${dir}/count.books/emma`, "a b X");
    const to = toy();
    await to.settings.set("emma", { mine: true });
    const { code, err, out } = await cli(["restore", dir], to);
    assert.equal(code, 1);
    assert.equal(
      err,
      `count.books: Cannot restore "emma" of ${dir}/count.books: its file is damaged (5 of 5 bytes, and the SHA-256 digest differs); take it from another backup, or leave it out\n`,
    );
    assert.match(out, /^Done: 2 values copied .*, 1 there already, 1 failed, from /);
    assert.equal(await to.books.has("emma"), false);
    assert.equal(await to.books.has("moby"), true);
    assert.deepEqual(await to.settings.get("emma"), { mine: true });
    await cli(["restore", "--overwrite", dir, "count.settings"], to);
    assert.deepEqual(await to.settings.get("emma"), { n: 1, list: ["x"] });
  }));

Deno.test("backup and restore name what they cannot use", () =>
  inFolder(async (dir) => {
    const it = await filled();
    await Deno.writeTextFile(`${dir}/file`, "");
    for (const place of [`${dir}/file`, `${dir}/file/below`]) {
      const { code, err } = await cli(["backup", place], it);
      assert.deepEqual([code, err], [
        2,
        `datatask: Cannot make the folder ${place} for a backup: there is a file where a folder must be; name another place\n`,
      ]);
    }
    assert.equal(
      (await cli(["restore", `${dir}/file`], it)).err,
      `datatask: Cannot read ${dir}/file/backup.json: there is a file where a folder must be; name another place\n`,
    );
    assert.equal(
      (await cli(["backup", dir, "cuont"], it)).err,
      'datatask: There is no repository "cuont"; did you mean "count.books"? List them with "dt ls"\n'
        .replace('; did you mean "count.books"? List', "; list"),
    );
    const none = await cli(["restore", dir], it);
    assert.deepEqual([none.code, none.err], [
      2,
      `datatask: Cannot restore from ${dir}: there is no backup.json in it; name the folder of a backup\n`,
    ]);
    await Deno.writeTextFile(`${dir}/backup.json`, "{}");
    assert.equal(
      (await cli(["restore", dir], it)).err,
      `datatask: Cannot use ${dir}: its backup.json is no index of a backup; name another folder\n`,
    );
    await Deno.writeTextFile(`${dir}/backup.json`, '{"format":"datatask-backup","version":2,"stores":[]}');
    assert.equal(
      (await cli(["restore", dir], it)).err,
      `datatask: Cannot use ${dir}: it was written by a later version of datatask; update datatask\n`,
    );
    await Deno.remove(`${dir}/backup.json`);
    await cli(["backup", dir, "count.books"], it);
    const unknown = await cli(["restore", dir, "count.boks"], it);
    assert.deepEqual([unknown.code, unknown.err], [
      2,
      `datatask: There is no "count.boks" in the backup ${dir}; did you mean "count.books"?\n`,
    ]);
  }));

Deno.test("encodeDocument() keeps dates, bytes, big integers and names of its own", () => {
  const document = {
    when: new Date("2026-01-02T03:04:05.006Z"),
    big: 2n ** 70n,
    bytes: new Uint8Array([1, 2, 255]),
    odd: [NaN, Infinity, null, true, "x"],
    nested: { $datatask: "date", value: "not a date" },
  };
  assert.deepEqual(decodeDocument(encodeDocument(document)), document);
  assert.throws(() => encodeDocument({ map: new Map() }), {
    message: "a Map in the document has no form in a backup",
  });
});

Deno.test("Archive passes over a value that goes away while it is copied", () =>
  inFolder(async (dir) => {
    using archive = await Archive.open(`${dir}/x`, "blob");
    const signal = new AbortController().signal;
    assert.equal(await archive.take("gone", new MemoryBlobRepository(), signal), undefined);
    assert.equal(archive.entries.size, 0);
  }));

Deno.test("backup goes on after a line that was cut short, and restore proves all or says what it cannot prove", () =>
  inFolder(async (dir) => {
    const from = await filled();
    const folder = `${dir}/b`;
    await cli(["backup", folder], from);
    const manifest = `${folder}/count.books.manifest.jsonl`;
    const lines = Deno.readTextFileSync(manifest);
    const restored = async () => {
      const to = toy();
      const { code, err } = await cli(["restore", folder], to);
      return { code, err: err.replaceAll(folder, "b"), books: (await Array.fromAsync(to.books)).sort() };
    };

    Deno.writeTextFileSync(manifest, lines.slice(0, 20));
    assert.equal((await cli(["backup", folder], from)).code, 0);
    assert.deepEqual(await restored(), { code: 0, err: "", books: ["emma", "moby"] });

    const [first, second] = lines.split("\n");
    Deno.writeTextFileSync(manifest, `${first}\n${second!.slice(0, 20)}`);
    const cut = await restored();
    assert.deepEqual([cut.code, cut.books.length], [1, 1]);
    assert.match(
      cut.err,
      /Cannot restore "(emma|moby)" of b\/count.books: its file is in no line of the manifest, so that nothing proves it; back it up again, or leave it out/,
    );

    Deno.writeTextFileSync(manifest, `${first!.slice(0, 20)}\n${second}\n`);
    const damaged =
      "datatask: Cannot use b/count.books.manifest.jsonl: line 1 is damaged, so that nothing proves what it told of; take it from another copy, or remove that line and copy again\n";
    const { code, err, books } = await restored();
    assert.deepEqual([code, books], [1, []]);
    assert.ok(err.endsWith(damaged), err);
  }));

Deno.test("backups of several stores into one folder at once are all in its index", () =>
  inFolder(async (dir) => {
    const stores = Array.from(
      { length: 20 },
      (_, n) => ({ folder: `t.s${n}`, kind: "blob" as const, names: [] }),
    );
    await Promise.all(stores.map((store) => writeIndex(dir, [store])));
    const folders = (await readIndex(dir))!.map(({ folder }) => folder);
    assert.deepEqual(folders.sort(), stores.map(({ folder }) => folder).sort());
  }));

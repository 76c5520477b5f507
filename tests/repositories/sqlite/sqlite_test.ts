import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Change } from "../../../repositories/driver.ts";
import { SqliteBlobRepository, SqliteMetadataRepository } from "../../../repositories/sqlite/mod.ts";
import { inFolder } from "../../kit/folder.ts";

Deno.test("SqliteMetadataRepository puts the writes of one turn into one transaction", () =>
  inFolder(async (dir) => {
    using store = new SqliteMetadataRepository(`${dir}/a.db`);
    await store.prepare();
    await Promise.all(Array.from({ length: 500 }, (_, i) => store.set(`key-${i}`, { i })));
    using database = new DatabaseSync(`${dir}/a.db`);
    const { transactions } = database.prepare(
      `select count(*) as transactions from "documents/log" where keys <> '[]'`,
    )
      .get() as {
        transactions: number;
      };
    assert.equal(transactions, 1);
    assert.deepEqual(await store.get("key-499"), { i: 499 });
  }));

Deno.test("SqliteMetadataRepository refuses one write of a transaction and keeps the others", () =>
  inFolder(async (dir) => {
    using store = new SqliteMetadataRepository<{ n: number }>(`${dir}/a.db`);
    await store.set("taken", { n: 0 });
    const outcomes = await Promise.allSettled([
      store.set("one", { n: 1 }),
      store.set("taken", { n: 2 }, { ifAbsent: true }),
      store.set("two", { n: 3 }),
      store.set("gone", { n: 4 }, { ifVersion: "nonsense" }),
    ]);
    assert.deepEqual(outcomes.map((outcome) => outcome.status), [
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
    ]);
    assert.deepEqual((await Array.fromAsync(store)).sort(), ["one", "taken", "two"]);
    assert.deepEqual(await store.get("taken"), { n: 0 });
  }));

Deno.test("SqliteMetadataRepository waits for another writer without blocking, and is told to stop waiting", () =>
  inFolder(async (dir) => {
    using store = new SqliteMetadataRepository<{ n: number }>(`${dir}/a.db`);
    await store.set("one", { n: 1 });
    using database = new DatabaseSync(`${dir}/a.db`);
    database.exec("begin immediate");
    const controller = new AbortController();
    const reason = new Error("called off");
    const calledOff = store.set("one", { n: 2 }, { signal: controller.signal });
    const patient = store.set("two", { n: 3 });
    assert.deepEqual(await store.get("one"), { n: 1 }, "readers do not wait");
    controller.abort(reason);
    await assert.rejects(calledOff, (error) => error === reason);
    database.exec("commit");
    await patient;
    assert.deepEqual(await store.get("one"), { n: 1 });
    assert.deepEqual(await store.get("two"), { n: 3 });
  }));

Deno.test("SqliteMetadataRepository says who may hold a lock that is held too long", () =>
  inFolder(async (dir) => {
    const path = `${dir}/a.db`;
    using store = new SqliteMetadataRepository(path, { patience: "100ms" });
    await store.prepare();
    using database = new DatabaseSync(path);
    database.exec("begin immediate");
    await assert.rejects(store.set("one", {}), {
      code: "unavailable",
      message:
        `Cannot use ${path}: another process has kept it locked for 0.1 s; see which one it is (\`fuser ${path}\`), end it, and run again`,
    });
    database.exec("commit");
    await store.set("one", {});
  }));

Deno.test("SqliteMetadataRepository says what is wrong with its file", () =>
  inFolder(async (dir) => {
    const refusal = async (path: string, table?: string): Promise<string> => {
      using store = new SqliteMetadataRepository(path, { table });
      const error = await store.set("one", {}).then(() => assert.fail("it was written"), (error) => error);
      return `${error.code}: ${error.message.replaceAll(dir, "<dir>")}`;
    };
    await Deno.writeTextFile(`${dir}/text.db`, "this is no database ".repeat(100));
    assert.equal(
      await refusal(`${dir}/text.db`),
      `io: Cannot write "one" of sqlite <dir>/text.db documents: it is not an SQLite database (or is encrypted); move it away, or give another path`,
    );
    await Deno.mkdir(`${dir}/folder.db`);
    assert.equal(
      await refusal(`${dir}/folder.db`),
      `denied: Cannot write "one" of sqlite <dir>/folder.db documents: it cannot be opened; see that its directory is there and can be written, and that it is not a directory itself`,
    );
    {
      using blobs = new SqliteBlobRepository(`${dir}/blobs.db`);
      await blobs.put("one", "text");
    }
    assert.equal(
      await refusal(`${dir}/blobs.db`, "blobs"),
      `invalid-definition: Cannot write "one" of sqlite <dir>/blobs.db blobs: its table was made for something else; give another \`table\``,
    );
  }));

Deno.test("SqliteMetadataRepository says that its file is damaged", () =>
  inFolder(async (dir) => {
    const path = `${dir}/a.db`;
    {
      using store = new SqliteMetadataRepository(path);
      for (let i = 0; i < 200; i++) await store.set(`key-${i}`, { text: "x".repeat(500) });
    }
    {
      using file = await Deno.open(path, { read: true, write: true });
      for (let at = 4096; at < (await file.stat()).size; at += 4096) {
        await file.seek(at, Deno.SeekMode.Start);
        await file.write(new Uint8Array(64).fill(0xee));
      }
    }
    using store = new SqliteMetadataRepository(path);
    await assert.rejects(store.get("key-7"), {
      code: "io",
      message:
        `Cannot read "key-7" of sqlite ${path} documents: the database is damaged; restore it, or save what \`sqlite3 <file> .recover\` finds and move it away`,
    });
  }));

Deno.test("SqliteMetadataRepository says that a file may not be written", () =>
  inFolder(async (dir) => {
    const path = `${dir}/a.db`;
    {
      using store = new SqliteMetadataRepository(path);
      await store.set("one", { n: 1 });
    }
    const script = `
      import { SqliteMetadataRepository } from ${
      JSON.stringify(new URL("../../../repositories/sqlite/mod.ts", import.meta.url).href)
    };
      const store = new SqliteMetadataRepository(${JSON.stringify(path)});
      try { await store.get("one"); } catch (error) { console.log(error.code, error.message); }`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--quiet", `--allow-read=${path}`, "-"],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(script));
    await input.close();
    const { stdout } = await child.output();
    const text = new TextDecoder().decode(stdout);
    assert.match(text, /^denied Cannot read "one" of sqlite .*: Requires write access to .*--allow-write/);
  }));

Deno.test("SqliteMetadataRepository opens its file again after it was closed", () =>
  inFolder(async (dir) => {
    using store = new SqliteMetadataRepository<{ n: number }>(`${dir}/a.db`);
    await store.set("one", { n: 1 });
    store.close();
    assert.deepEqual(await store.get("one"), { n: 1 });
  }));

Deno.test("SqliteMetadataRepository says which document is no JSON, and gives the others", () =>
  inFolder(async (dir) => {
    using store = new SqliteMetadataRepository<{ n: number }>(`${dir}/a.db`);
    await store.set("good", { n: 1 });
    await store.set("bad", { n: 2 });
    using database = new DatabaseSync(`${dir}/a.db`);
    database.exec(`update documents set document = '{"n":' where key = 'bad'`);
    assert.deepEqual(await store.get("good"), { n: 1 });
    await assert.rejects(store.get("bad"), {
      code: "invalid-value",
      message: /^Cannot read "bad" of sqlite .* documents: it is no valid JSON: .*; correct or delete it$/,
    });
    await assert.rejects(store.getMany(["good", "bad"]), /"bad"/);
  }));

Deno.test("SqliteMetadataRepository tells its watchers to look again when they missed too much", () =>
  inFolder(async (dir) => {
    using store = new SqliteMetadataRepository<{ n: number }>(`${dir}/a.db`);
    await store.prepare();
    const controller = new AbortController();
    const changes = store.watch({ signal: controller.signal })![Symbol.asyncIterator]() as AsyncIterator<
      Change
    >;
    const first = changes.next();
    await Promise.all(Array.from({ length: 1500 }, (_, n) => store.set(`key-${n}`, { n })));
    assert.equal((await first).value, "rescan");
    const second = changes.next();
    await store.delete("key-7");
    assert.deepEqual((await second).value, { key: "key-7", present: false });
    controller.abort();
    assert.equal((await changes.next()).done, true);
  }));

Deno.test("SqliteBlobRepository refuses what is too large for memory, and cancels its source", () =>
  inFolder(async (dir) => {
    const path = `${dir}/a.db`;
    using blobs = new SqliteBlobRepository(path, { largest: 100_000 });
    const message =
      `Cannot write "one" of sqlite ${path} blobs: it is larger than 100000 bytes; keep it as a file or in a bucket, or raise \`largest\``;
    await assert.rejects(blobs.put("one", new Uint8Array(100_001)), { code: "invalid-value", message });
    const cancelled = Promise.withResolvers<void>();
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
      cancel: () => cancelled.resolve(),
    });
    await assert.rejects(blobs.put("one", source), { code: "invalid-value", message });
    await cancelled.promise;
    assert.equal(await blobs.has("one"), false);
  }));

Deno.test("versions of SQLite are those of one table: neither of another, nor of the same one made again", () =>
  inFolder(async (dir) => {
    const versions = new Set<string>();
    for (const table of ["one", "two"]) {
      for (let made = 0; made < 2; made++) {
        {
          using store = new SqliteMetadataRepository(`${dir}/${table}.db`, { table });
          await store.set("key", { made });
          versions.add((await store.info("key"))!.version!);
        }
        await Deno.remove(`${dir}/${table}.db`);
      }
    }
    assert.equal(versions.size, 4);
  }));

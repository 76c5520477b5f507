import assert from "node:assert/strict";
import { isDatataskError } from "../../../core/errors.ts";
import { GridFSBucket } from "../../../deps/mongodb.ts";
import {
  MongoBlobRepository,
  MongoMetadataRepository,
  type MongoRetry,
} from "../../../repositories/mongodb/mod.ts";
import { listKeys } from "../../../testing/suite.ts";
import { LossyProxy, ownServer, ownTest } from "./own_server.ts";
import { connected, freshDatabase, mongodb, test } from "./servers.ts";

/** A server whose answers can be lost, and a repository of documents behind it. */
async function lossy(stack: AsyncDisposableStack) {
  const client = await connected(stack);
  const database = freshDatabase(client, stack);
  const proxy = stack.use(new LossyProxy(mongodb.get("MONGODB_URL")));
  const behind = await connected(stack, proxy.url, { serverSelectionTimeoutMS: 3_000 });
  const retries: MongoRetry[] = [];
  const options = {
    database,
    collection: "values",
    onRetry: (retry: MongoRetry) => void retries.push(retry),
  };
  return { client, database, proxy, behind, retries, options };
}

function once(word: string): (request: string) => boolean {
  let left = 1;
  return (request) => request.includes(word) && left-- > 0;
}

test("MongoMetadataRepository does a write once whose answer was lost, and tells of it", async (stack) => {
  const { client, database, proxy, behind, retries, options } = await lossy(stack);
  const values = new MongoMetadataRepository<{ n: number }>(behind, options);
  const truth = new MongoMetadataRepository<{ n: number }>(client, { database, collection: "values" });
  const told = async (operation: string, call: () => Promise<unknown>, word: string): Promise<void> => {
    const lost = proxy.lost, before = retries.length;
    proxy.lose = once(word);
    await call();
    assert.equal(proxy.lost, lost + 1, `${word}: no answer was lost`);
    assert.deepEqual(retries.slice(before).map((retry) => retry.operation), [operation]);
  };
  await told("write", () => values.set("one", { n: 1 }, { ifAbsent: true }), "insert");
  assert.deepEqual(await truth.get("one"), { n: 1 });
  const { version } = (await truth.info("one"))!;
  await told("write", () => values.set("one", { n: 2 }, { ifVersion: version! }), "update");
  assert.deepEqual(await truth.get("one"), { n: 2 });
  await told("write", () => values.set("one", { n: 3 }), "update");
  assert.deepEqual(await truth.get("one"), { n: 3 });
  await told("delete", () => values.delete("one"), "delete");
  assert.equal(await truth.has("one"), false);
});

test("MongoMetadataRepository says that a write failed whose every answer was lost", async (stack) => {
  const { client, database, proxy, behind, options } = await lossy(stack);
  const values = new MongoMetadataRepository(behind, options);
  proxy.lose = (request) => request.includes("update");
  await assert.rejects(values.set("one", { n: 1 }), (error) => {
    assert(isDatataskError(error, "unavailable"));
    assert.match(
      error.message,
      /^Cannot write "one" of mongodb .*; see that the server is up and the URL is right, and run again$/,
    );
    return true;
  });
  proxy.lose = () => false;
  const truth = new MongoMetadataRepository(client, { database, collection: "values" });
  assert.deepEqual(await truth.find("one"), { n: 1 }, "the server had done it: whole");
});

test("MongoBlobRepository shows a value whole although any one answer was lost", async (stack) => {
  const { client, database, proxy, behind, options } = await lossy(stack);
  const blobs = new MongoBlobRepository(behind, options);
  await blobs.prepare();
  const truth = new MongoBlobRepository(client, { database, collection: "values" });
  const size = 5 * 2 ** 20;
  for (const [i, word] of ["uploads", "values.chunks", "values.files", "values.keys", "delete"].entries()) {
    for (let round = 0; round < 2; round++) {
      proxy.lose = once(word);
      const fill = 2 * i + round + 1;
      await blobs.put("one", new Uint8Array(size).fill(fill));
      const bytes = await truth.bytes("one");
      assert(
        bytes.length === size && bytes.every((byte) => byte === fill),
        `${word}: the value is not whole`,
      );
    }
  }
  assert(proxy.lost > 5);
  await truth.sweep({ olderThan: 0 });
  assert.equal(await client.db(database).collection("values.files").countDocuments(), 1);
  assert.equal(
    await client.db(database).collection("values.chunks").countDocuments(),
    Math.ceil(size / (255 * 1024)),
  );
});

ownTest(
  "MongoMetadataRepository loses nothing when its server is killed in mid-write and mid-list",
  async (stack) => {
    const server = await ownServer(stack);
    const client = await connected(stack);
    const database = freshDatabase(client, stack);
    const own = await connected(stack, server.url, { serverSelectionTimeoutMS: 1_000 });
    const retries: MongoRetry[] = [];
    const values = new MongoMetadataRepository<{ key: string; text: string }>(own, {
      database,
      collection: "v",
      onRetry: (retry) => void retries.push(retry),
    });
    const acknowledged = new Set<string>();
    const document = (key: string) => ({ key, text: key.repeat(500) });
    let failures = 0;
    let stop = false;
    const trouble = (error: unknown): void => {
      if (!isDatataskError(error, "unavailable")) throw error;
      assert.match(error.message, /^Cannot (write|list) /);
      failures++;
    };
    const writers = Array.from({ length: 4 }, async (_, w) => {
      for (let i = 0; !stop; i++) {
        const key = `w${w}-${i}`;
        await values.set(key, document(key), { ifAbsent: i % 2 === 0 }).then(
          () => acknowledged.add(key),
          trouble,
        );
      }
    });
    const lister = (async () => {
      while (!stop) {
        const before = [...acknowledged];
        await listKeys(values.driver).then((keys) => {
          const listed = new Set(keys);
          for (const key of before) assert(listed.has(key), `${key} was lost`);
        }, trouble);
      }
    })();
    for (let round = 0; round < 5; round++) {
      const before = acknowledged.size;
      while (acknowledged.size < before + 5 + round) await new Promise((resolve) => setTimeout(resolve, 2));
      await server.kill();
      await server.start();
    }
    stop = true;
    await Promise.all([...writers, lister]);
    const truth = new MongoMetadataRepository<{ key: string; text: string }>(client, {
      database,
      collection: "v",
    });
    const listed = new Set(await listKeys(truth.driver));
    for (const key of acknowledged) assert(listed.has(key), `${key} was lost`);
    for await (const [key, value] of truth.entries()) assert.deepEqual(value, document(key));
    assert(failures + retries.length > 0, "no write met a dead server");
  },
);

ownTest(
  "MongoBlobRepository keeps the old value when its server dies in mid-write, and sweeps what is left",
  async (stack) => {
    const server = await ownServer(stack);
    const client = await connected(stack);
    const database = freshDatabase(client, stack);
    const own = await connected(stack, server.url, { serverSelectionTimeoutMS: 500 });
    const blobs = new MongoBlobRepository(own, { database, collection: "b" });
    const truth = new MongoBlobRepository(client, { database, collection: "b" });
    await blobs.put("old", "old");
    for (const key of ["old", "new"]) {
      const dying = ReadableStream.from((async function* () {
        yield new Uint8Array(6 * 2 ** 20);
        await server.kill();
        yield new Uint8Array(6 * 2 ** 20);
      })());
      await assert.rejects(blobs.put(key, dying), (error) => isDatataskError(error, "unavailable"));
      await server.start();
    }
    assert.equal(await truth.text("old"), "old");
    assert.deepEqual(await listKeys(truth.driver), ["old"]);
    assert.equal(await truth.sweep(), 0, "what has stirred today is not swept");
    assert.equal(await truth.sweep({ olderThan: 0 }), 2);
    assert.equal(await client.db(database).collection("b.chunks").countDocuments(), 1);
    assert.equal(await client.db(database).collection("b.uploads").countDocuments(), 0);
    await blobs.put("new", "new");
    assert.equal(await truth.text("new"), "new");
  },
);

test("MongoBlobRepository lays files out as GridFS says, and shows nothing of a write that was swept", async (stack) => {
  const client = await connected(stack);
  const database = freshDatabase(client, stack);
  const blobs = new MongoBlobRepository(client, { database, collection: "b" });
  await blobs.put("moby-dick", new Uint8Array(600_000).fill(7));
  await blobs.put("moby-dick", new Uint8Array(700_000).fill(8));
  const bucket = new GridFSBucket(client.db(database), { bucketName: "b" });
  let length = 0;
  for await (const chunk of bucket.openDownloadStreamByName("moby-dick")) {
    length += (chunk as Uint8Array).length;
  }
  assert.equal(length, 700_000);
  assert.deepEqual((await bucket.find().toArray()).map(({ filename, length }) => [filename, length]), [[
    "moby-dick",
    700_000,
  ]]);
  const slow = ReadableStream.from((async function* () {
    yield new Uint8Array(5 * 2 ** 20);
    assert.equal(await blobs.sweep({ olderThan: 0 }), 1);
    yield new Uint8Array(10);
  })());
  await assert.rejects(
    blobs.put("moby-dick", slow),
    /Cannot write "moby-dick" of .*: it took so long that it was taken for broken and swept away; write it again/,
  );
  assert.equal((await blobs.bytes("moby-dick")).length, 700_000);
});

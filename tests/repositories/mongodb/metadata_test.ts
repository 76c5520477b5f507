import assert from "node:assert/strict";
import { type ErrorCode, isDatataskError } from "../../../core/errors.ts";
import { BSON, Long, MongoClient, ObjectId } from "../../../deps/mongodb.ts";
import { mongoClient, MongoMetadataRepository } from "../../../repositories/mongodb/mod.ts";
import { newStamp, stampOf } from "../../../repositories/mongodb/stamp.ts";
import { changeOf } from "../../../repositories/mongodb/watch.ts";
import { Session } from "../../../session/session.ts";
import { listKeys } from "../../../testing/suite.ts";
import { connected, freshDatabase, mongodb, test } from "./servers.ts";
import { refuses } from "../../kit/refuses.ts";

async function fresh(stack: AsyncDisposableStack) {
  const client = await connected(stack);
  const database = freshDatabase(client, stack);
  return {
    client,
    database,
    values: new MongoMetadataRepository(client, { database, collection: "values" }),
    raw: client.db(database).collection("values"),
  };
}

test("MongoMetadataRepository keeps what documents cannot hold, in the form that the value asks for", async (stack) => {
  const { values, raw } = await fresh(stack);
  const forms: [key: string, value: unknown, form: string | undefined][] = [
    ["plain", { title: "Moby", pages: 635, tags: ["sea"] }, undefined],
    ["null", null, "value"],
    ["text", "text", "value"],
    ["number", 42, "value"],
    ["list", [1, [2, { a: [] }]], "value"],
    ["id", { _id: "other", a: 1 }, "value"],
    ["field", { _datatask: "mi7wd2k1.0123456789abcdef", a: 1 }, "value"],
    ["dot", { "a.b": 1 }, "bson"],
    ["dollar", { deep: [{ $set: { x: 1 } }] }, "bson"],
    ["reference", { $ref: "books", $id: "moby", more: 1 }, "bson"],
    ["proto", JSON.parse('{"__proto__": {"polluted": true}}'), undefined],
    ["date", { at: new Date(Date.UTC(2001, 2, 4, 5, 6, 7, 89)) }, undefined],
    ["ancient", { at: new Date(-8.64e15) }, undefined],
    ["bytes", { raw: new Uint8Array([0, 1, 255]), list: [new Uint8Array()] }, undefined],
    ["integers", {
      max: 2n ** 63n - 1n,
      min: -(2n ** 63n),
      one: 1n,
      plain: 2 ** 53 - 1,
      half: 0.5,
      minus: -0,
    }, undefined],
    ["extremes", { n: [NaN, Infinity, -Infinity] }, undefined],
    ["deep", JSON.parse("[".repeat(200) + "]".repeat(200)), "bson"],
    ["object-id", { of: new ObjectId("0123456789abcdef01234567") }, undefined],
  ];
  for (const [key, value, form] of forms) {
    await values.set(key, value);
    const stored = await raw.findOne({ _id: key as never });
    assert.equal(stampOf(stored!)!.form, form, key);
    assert.deepEqual(await values.get(key), value, key);
  }
  const many = await values.getMany(forms.map(([key]) => key));
  for (const [key, value] of forms) assert.deepEqual(many.get(key), value, key);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  assert.equal(
    (await raw.findOne({ title: "Moby" }))!._id as unknown,
    "plain",
    "fields of values can be queried",
  );
});

test("MongoMetadataRepository refuses what it could not give back, and says where it is", async (stack) => {
  const { values } = await fresh(stack);
  const cycle: Record<string, unknown> = {};
  cycle.self = { cycle };
  const bottom: unknown[] = [];
  for (let i = 0, at = bottom; i < 1_500; i++) at.push(at = []);
  const refusals: [value: unknown, text: RegExp][] = [
    [
      { list: [1, { gone: undefined }] },
      /Cannot write "one" of mongodb .*: at list\[1\]\.gone it is undefined; leave it out, or write null/,
    ],
    [undefined, /: it is undefined/],
    [[, 1], /at \[0\] it is undefined/],
    [{ "odd name": () => 1 }, /at \["odd name"\] it is a function/],
    [{ s: Symbol.iterator }, /at s it is a symbol/],
    [{ n: 2n ** 63n }, /at n it is an integer of more than 64 bits; write it as a text/],
    [{ m: new Map() }, /at m it is an instance of Map; write plain data/],
    [{ at: new Date(NaN) }, /at at it is an invalid date/],
    [cycle, /at self\.cycle it is itself/],
    [{ s: "\ud800" }, /half a surrogate pair/],
    [{ "a\0b": 1 }, /a name that no document can have/],
    [
      { deep: { _bsontype: "ObjectId" } },
      /at deep\._bsontype it is a name that MongoDB's client keeps for itself/,
    ],
    [bottom, /more than 1000 objects in each other/],
    [
      { text: "x".repeat(17 * 2 ** 20) },
      /it has 1782\d{4} bytes, and MongoDB takes documents of at most 16777216; keep such values elsewhere, with fallback\(\)/,
    ],
  ];
  for (const [value, text] of refusals) await refuses(() => values.set("one", value), "invalid-value", text);
  assert.deepEqual(await listKeys(values.driver), []);
  const size = 16 * 2 ** 20 -
    BSON.calculateObjectSize({
      _id: "one",
      _datatask: newStamp(undefined, false),
      text: "",
    });
  await values.set("one", { text: "x".repeat(size - 20) });
  assert.equal((await values.get("one") as { text: string }).text.length, size - 20);
});

test("MongoMetadataRepository reads what other programs have written", async (stack) => {
  const { values, raw } = await fresh(stack);
  const id = new ObjectId();
  await raw.insertMany([
    {
      _id: "theirs" as never,
      n: Long.fromNumber(2 ** 40),
      huge: Long.MAX_VALUE,
      list: [Long.fromNumber(7)],
      value: 1,
    },
    { _id: id, n: 1 },
    { _id: "marked" as never, _datatask: { theirs: Long.fromNumber(7) } },
  ]);
  assert.deepEqual(await values.get("marked"), { _datatask: { theirs: 7 } });
  await raw.deleteOne({ _id: "marked" as never });
  assert.deepEqual(await values.get("theirs"), { n: 2 ** 40, huge: 2n ** 63n - 1n, list: [7], value: 1 });
  const skipped: string[] = [];
  assert.deepEqual(await Array.fromAsync(values.keys({ onSkipped: (_, names) => skipped.push(...names) })), [
    "theirs",
  ]);
  assert.deepEqual(skipped, [`("${id.toHexString()}")`]);
  assert.deepEqual(await values.info("theirs"), { version: undefined, modified: undefined });
  await refuses(
    () => values.set("theirs", {}, { ifVersion: "x" }),
    "conflict",
    /Cannot write "theirs" of .*: its value is not of that version any more; read it again/,
  );
  await refuses(
    () => values.set("theirs", {}, { ifAbsent: true }),
    "already-exists",
    /Cannot write "theirs" of .*: there is a value already; delete it first/,
  );
  await values.set("theirs", { mine: true });
  assert.deepEqual(await values.get("theirs"), { mine: true });
});

test("MongoMetadataRepository has its collection by client, database or resource", async (stack) => {
  const { client, database } = await fresh(stack);
  const url = new URL(mongodb.get("MONGODB_URL"));
  url.pathname = `/${database}`;
  if (!url.searchParams.has("authSource")) url.searchParams.set("authSource", "admin");
  const session = new Session();
  const mongo = session.resource("mongo", mongoClient(url.href));
  const mongoDb = session.resource("library", (_stack, _signal, use) => use(mongo).db(database), {
    needs: [mongo],
  });
  const places = [
    new MongoMetadataRepository(client, { database, collection: "c" }),
    new MongoMetadataRepository(client.db(database), { collection: "c" }),
    new MongoMetadataRepository(client.db("another"), { database, collection: "c" }),
    new MongoMetadataRepository(mongo, { collection: "c" }),
    new MongoMetadataRepository(mongo, { database, collection: "c" }),
    new MongoMetadataRepository(mongoDb, { collection: "c" }),
  ];
  assert.equal(places[3]!.name, "mongodb mongo/c");
  assert.equal(places[4]!.name, `mongodb mongo/${database}/c`);
  assert.equal(places[0]!.driver.identity, places[1]!.driver.identity);
  await assert.rejects(places[3]!.has("a"), /session/i);
  await using _open = await session.open();
  for (const [i, place] of places.entries()) {
    await place.set(`k${i}`, { i });
    assert.deepEqual(await places[0]!.get(`k${i}`), { i });
  }
  const failed = places[3]!.driver.beside!("failed");
  await failed.set("k0", {});
  assert.deepEqual(
    await Array.fromAsync(client.db(database).listCollections(), (c) => c.name).then((names) => names.sort()),
    ["c", "c._failed"],
  );
  assert.throws(
    () => new MongoMetadataRepository(client, { collection: "a$b" }),
    /Cannot use "a\$b" as the name of a collection/,
  );
});

test("mongoClient() says what is wrong when it cannot connect", async (stack) => {
  const open = async (url: string): Promise<void> => {
    const session = new Session();
    session.resource("mongo", mongoClient(url, { serverSelectionTimeoutMS: 300 }));
    await (await session.open())[Symbol.asyncDispose]();
  };
  const cause = (error: unknown): Error =>
    isDatataskError(error, "resource-failed") ? cause(error.cause) : error as Error;
  const says = async (url: string, code: ErrorCode, text: RegExp): Promise<void> => {
    await refuses(() => open(url).catch((error) => Promise.reject(cause(error))), code, text);
  };
  const url = new URL(mongodb.get("MONGODB_URL"));
  if (url.password) {
    url.password = "not-the-password";
    await says(
      url.href,
      "denied",
      /Cannot connect to mongodb 127\.0\.0\.1:\d+: the server refused the user or the password .*; check both in the URL, and authSource/,
    );
    const late = new MongoClient(url.href, { serverSelectionTimeoutMS: 2_000 });
    stack.defer(() => late.close());
    const values = new MongoMetadataRepository(late, { database: "x", collection: "c" });
    await refuses(
      () => values.prepare(),
      "denied",
      /Cannot prepare mongodb x\/c: the server refused the user or the password/,
    );
    await refuses(() => values.get("one"), "denied", /Cannot read "one" of mongodb x\/c: the server refused/);
    await refuses(() => listKeys(values.driver), "denied", /Cannot list mongodb x\/c: the server refused/);
  }
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr as Deno.NetAddr;
  closed.close();
  await says(
    `mongodb://127.0.0.1:${port}/`,
    "unavailable",
    /Cannot connect to mongodb 127\.0\.0\.1:\d+: .*; see that the server is up and the URL is right, and run again/,
  );
  await says("mongodb://alice:pw@", "io", /Cannot use the URL of MongoDB \(mongodb:\/\/…@\): /);
});

Deno.test("changeOf() tells what the events of a change stream mean", () => {
  const event = (operationType: string, _id: unknown = "one") =>
    changeOf({ operationType, documentKey: { _id } });
  for (const type of ["insert", "replace", "update"]) {
    assert.deepEqual(event(type), { key: "one", present: true });
  }
  assert.deepEqual(event("delete"), { key: "one", present: false });
  for (const type of ["drop", "rename", "dropDatabase", "invalidate"]) {
    assert.equal(changeOf({ operationType: type }), "rescan");
  }
  assert.equal(event("insert", new ObjectId()), undefined);
  assert.equal(event("insert", "no key"), undefined);
  assert.equal(event("createIndexes"), undefined);
});

test("MongoMetadataRepository makes the indexes that it is told of, and keeps the versions of many documents apart", async (stack) => {
  const { client, database, raw } = await fresh(stack);
  const values = new MongoMetadataRepository(client, {
    database,
    collection: "values",
    indexes: ["meta.author"],
  });
  await values.prepare();
  await values.prepare();
  const made = (await raw.indexes()).map(({ key }) => Object.keys(key).join());
  assert.deepEqual(made.sort(), ["_id", "meta.author"]);
  await values.setMany([["one", { meta: { author: "Melville" } }], ["two", { meta: { author: "Austen" } }]]);
  assert.equal(await raw.countDocuments({ "meta.author": "Austen" }), 1);
  const [one, two] = await Promise.all([values.info("one"), values.info("two")]);
  assert.notEqual(one!.version, two!.version);
  await refuses(() => values.set("one", {}, { ifVersion: two!.version }), "conflict", /not of that version/);
  await refuses(() => values.setMany([["three", {}], ["../x", {}]]), "invalid-key", /"\.\.\/x"/);
  assert.equal(await values.has("three"), false);
});

import assert from "node:assert/strict";
import { encodeText, readAll } from "../../../core/bytes.ts";
import type { Clock } from "../../../core/clock.ts";
import { DatataskError, DefinitionError } from "../../../core/errors.ts";
import type { BlobDriver, Change, KeyDriver, MetadataDriver } from "../../../repositories/driver.ts";
import { BlobRepository } from "../../../repositories/blob.ts";
import { MetadataRepository } from "../../../repositories/metadata.ts";
import { keeping } from "../../../repositories/layers/keeping.ts";
import { keepingWhere } from "../../../repositories/layers/keeping_where.ts";
import { observed, type RepositoryOperation } from "../../../repositories/layers/observed.ts";
import { readOnly } from "../../../repositories/layers/read_only.ts";
import { prefixed, rekeyed } from "../../../repositories/layers/rekeyed.ts";
import { retrying } from "../../../repositories/layers/retrying.ts";
import {
  memoryBlobDriver,
  MemoryBlobRepository,
  memoryMetadataDriver,
  MemoryMetadataRepository,
} from "../../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../../repositories/memory_tree.ts";

const coded = (code: string, message: string) => (error: unknown): boolean => {
  assert(error instanceof DatataskError);
  assert.deepEqual([error.code, error.message], [code, message]);
  return true;
};

const sorted = async (keys: AsyncIterable<string>): Promise<string[]> => (await Array.fromAsync(keys)).sort();

Deno.test("keeping() hides keys from every operation of every kind", async () => {
  const layer = keeping((key) => !key.startsWith("x"), { id: "no-x" });
  const base = new MemoryMetadataRepository<number>("numbers");
  for (const [i, key] of ["a", "b", "x1"].entries()) await base.set(key, i);
  const view = base.with(layer) as MetadataRepository<number>;
  assert.deepEqual(await sorted(view), ["a", "b"]);
  assert.deepEqual([await view.has("x1"), await view.find("x1"), await view.info("x1")], [
    false,
    undefined,
    undefined,
  ]);
  assert.deepEqual([...await view.getMany(["a", "x1"])], [["a", 0]]);
  await view.delete("x1");
  assert.equal(await base.has("x1"), true);
  await view.delete("a");
  assert.equal(await base.has("a"), false);
  await assert.rejects(
    view.set("x2", 1),
    coded("unsupported", 'Cannot write "x2" of numbers (filtered): this view does not hold such a key'),
  );
  assert.equal(view.driver.identity, base.with(layer).driver.identity);
  assert.equal(view.driver.derived?.by, "pointwise");

  const trees = new MemoryFilesystemRepository("trees").with(layer);
  await trees.put("a", []);
  assert.equal(await trees.has("a"), true);
  await assert.rejects(trees.put("x", []), /this view does not hold such a key/);
});

Deno.test("keeping() cancels the stream of a write it refuses, and hides the same keys beside", async () => {
  const base = new MemoryBlobRepository("blobs");
  const view = base.with(keeping((key) => key !== "x"));
  const cancelled = Promise.withResolvers<unknown>();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: cancelled.resolve });
  await assert.rejects(view.put("x", stream));
  assert.match(String(await cancelled.promise), /does not hold/);
  const failed = base.driver.beside!("failed");
  await failed.write("x", encodeText("1"));
  assert.equal(await view.driver.beside!("failed").has("x"), false);
});

Deno.test("keeping() tells of changes of the keys it keeps", async () => {
  async function* watch(): AsyncGenerator<Change> {
    yield* [{ key: "x", present: true }, "rescan", { key: "a", present: true }] as const;
  }
  const inner: KeyDriver = { ...memoryBlobDriver(), watch };
  const outer = keeping((key) => Promise.resolve(key !== "x"))(inner);
  const changes = await Array.fromAsync(outer.watch!({}));
  assert.deepEqual(changes, ["rescan", { key: "a", present: true }]);
});

Deno.test("keepingWhere() keeps documents that pass, in getMany as in get", async () => {
  const base = new MemoryMetadataRepository<{ ok: boolean }>("outcomes");
  await base.set("good", { ok: true });
  await base.set("bad", { ok: false });
  const view = base.with(keepingWhere<{ ok: boolean }>((value) => value.ok));
  assert.deepEqual(await sorted(view), ["good"]);
  assert.deepEqual([...await view.getMany(["good", "bad"])], [["good", { ok: true }]]);
  assert.deepEqual([await view.has("bad"), await view.info("bad"), await view.find("bad")], [
    false,
    undefined,
    undefined,
  ]);
  await view.delete("bad");
  assert.equal(await base.has("bad"), true);
  await assert.rejects(
    view.set("new", { ok: false }),
    coded(
      "unsupported",
      'Cannot write "new" of outcomes (filtered): this view does not hold such a value; write it to outcomes',
    ),
  );
  await view.set("bad", { ok: true });
  assert.deepEqual(await sorted(view), ["bad", "good"]);
});

Deno.test("keepingWhere() is not broken by one document that cannot be read", async () => {
  const inner = memoryMetadataDriver<number>("numbers");
  const broken = (): Promise<never> => {
    throw new DatataskError("invalid-value", "not YAML");
  };
  const driver: MetadataDriver<number> = {
    ...inner,
    get: (key) => key === "bad" ? broken() : inner.get(key),
    getMany: broken,
  };
  for (const key of ["a", "bad"]) await inner.set(key, 1);
  const told: string[] = [];
  const view = new MetadataRepository(driver).with(
    keepingWhere<number>(() => true, {
      onUnreadable: (key, error) => told.push(`${key}: ${(error as Error).message}`),
    }),
  );
  assert.deepEqual(await sorted(view), ["a"]);
  assert.deepEqual(told, ["bad: not YAML"]);
  const down = () => Promise.reject(new DatataskError("unavailable", "down"));
  const gone = keepingWhere(() => true)({ ...driver, getMany: down });
  await assert.rejects(Array.fromAsync(gone.keys()), /down/);
});

Deno.test("readOnly() refuses to write and delete, beside as well, and says so", async () => {
  const base = new MemoryBlobRepository("books");
  await base.put("a", "1");
  const view = base.with(readOnly());
  assert.equal(await view.text("a"), "1");
  await assert.rejects(
    view.put("a", "2"),
    coded("unsupported", 'Cannot write "a" of books: it is read-only here; do that where it is not'),
  );
  await assert.rejects(
    view.delete("a"),
    coded("unsupported", 'Cannot delete "a" of books: it is read-only here; do that where it is not'),
  );
  await assert.rejects(view.driver.beside!("failed").write("a", encodeText("1")), /read-only/);
  assert.equal(view.driver.identity, base.driver.identity);
  assert.deepEqual([view.driver.supports.writable, view.driver.supports.conditional], [false, false]);
});

Deno.test("prefixed() keeps views apart and translates both ways", async () => {
  const base = new MemoryMetadataRepository<number>("store");
  const [a, ab] = [base.with(prefixed("a-")), base.with(prefixed("a-b-"))];
  await a.set("one", 1);
  await ab.set("two", 2);
  assert.deepEqual(await sorted(base), ["a-b-two", "a-one"]);
  assert.deepEqual(await sorted(a), ["b-two", "one"]);
  assert.deepEqual(await sorted(ab), ["two"]);
  assert.deepEqual([...await ab.getMany(["one", "two"])], [["two", 2]]);
  await assert.rejects(
    a.set("x".repeat(127), 1),
    (error: DatataskError) =>
      error.code === "unsupported" && /has no key beneath; use a key/.test(error.message),
  );
  assert.equal(await a.has("x".repeat(127)), false);
  assert.throws(() => prefixed("../"), (error) => {
    assert(error instanceof DefinitionError);
    assert.match(error.message, /^Cannot use the prefix "\.\.\/": no key begins with it; use up to 127 of/);
    return true;
  });
});

Deno.test("rekeyed() lists no key that could not be opened", async () => {
  const base = new MemoryBlobRepository("files");
  for (const key of ["Upper", "lower"]) await base.put(key, key);
  const view = base.with(rekeyed({ to: (key) => key, from: (key) => key.toLowerCase() }));
  assert.deepEqual(await sorted(view), ["lower"]);
  assert.equal(await view.has("Upper"), false);
  for await (const key of view) assert.equal(await view.text(key), "lower");
});

Deno.test("rekeyed() translates what watch tells, and the path", async () => {
  async function* watch(): AsyncGenerator<Change> {
    yield* [{ key: "p-a", present: true }, { key: "other", present: true }, "rescan"] as const;
  }
  const inner: BlobDriver = { ...memoryBlobDriver(), watch, path: (key) => `/data/${key}` };
  const outer = prefixed("p-")(inner);
  assert.deepEqual(await Array.fromAsync(outer.watch!({})), [{ key: "a", present: true }, "rescan"]);
  assert.equal(outer.path!("a"), "/data/p-a");
  assert.equal("staging" in outer, false);
});

/** A clock on which every wait is over at once, and written down. */
function skipping(waits: number[]): Clock {
  return {
    now: () => 0,
    monotonic: () => 0,
    after(ms, callback) {
      waits.push(ms);
      let called = true;
      queueMicrotask(() => called && callback());
      return () => void (called = false);
    },
  };
}

/** A driver whose first calls of each operation fail. */
function flaky(failures: number, error: unknown): { driver: BlobDriver; calls: Record<string, number> } {
  const inner = memoryBlobDriver("flaky");
  const calls: Record<string, number> = {};
  const fail = (method: string): void => {
    calls[method] = (calls[method] ?? 0) + 1;
    if (calls[method] <= failures) throw error;
  };
  const driver: BlobDriver = {
    ...inner,
    async *keys(options) {
      fail("keys");
      yield* inner.keys(options);
    },
    has: (key, options) => Promise.resolve().then(() => fail("has")).then(() => inner.has(key, options)),
    read: (key, options) => Promise.resolve().then(() => fail("read")).then(() => inner.read(key, options)),
    delete: (key, options) =>
      Promise.resolve().then(() => fail("delete")).then(() => inner.delete(key, options)),
    write: (key, content, options) =>
      Promise.resolve().then(() => fail("write")).then(() => inner.write(key, content, options)),
  };
  return { driver, calls };
}

const down = new Deno.errors.ConnectionRefused("connection refused");

Deno.test("retrying() tries again what failed for a while, waiting longer each time", async () => {
  const waits: number[] = [];
  const { driver } = flaky(3, down);
  const layer = retrying({ limit: 4, backoff: 100, jitter: 0.5, random: () => 0.5, clock: skipping(waits) });
  const books = new BlobRepository(layer(driver));
  await books.put("a", "1");
  assert.deepEqual(waits, [75, 150, 300]);
  assert.equal(await books.has("a"), true);
  assert.equal(new TextDecoder().decode(await readAll(await books.open("a"))), "1");
  assert.deepEqual(await sorted(books), ["a"]);
  await books.delete("a");
  assert.equal(waits.length, 15);
});

Deno.test("retrying() gives up and says after how many tries", async () => {
  const waits: number[] = [];
  const { driver, calls } = flaky(9, down);
  const layer = retrying({ limit: 3, longest: 300, jitter: 0, clock: skipping(waits) });
  await assert.rejects(new BlobRepository(layer(driver)).has("a"), (error: unknown) => {
    assert(error instanceof DatataskError);
    assert.equal(
      error.message,
      'Cannot look up "a" of flaky: connection refused; gave up after 3 tries: see that the service is up, and run again',
    );
    assert.deepEqual([error.code, error.context.retry, error.cause], ["unavailable", "gave-up", down]);
    return true;
  });
  assert.deepEqual([calls.has, waits], [3, [200, 300]]);
});

Deno.test("retrying() tries once what may not be done twice, and what would fail again", async () => {
  const stream = (): ReadableStream<Uint8Array<ArrayBuffer>> => new Blob(["1"]).stream();
  const layer = retrying({ clock: skipping([]) });
  for (
    const [content, options] of [
      [stream(), {}],
      [encodeText("1"), { ifAbsent: true }],
      [encodeText("1"), { ifVersion: "1" }],
    ] as const
  ) {
    const { driver, calls } = flaky(1, down);
    await assert.rejects(layer(driver).write("a", content, options), (error) => error === down);
    assert.equal(calls.write, 1);
  }
  for (
    const error of [
      new Deno.errors.PermissionDenied("no"),
      new DatataskError("unavailable", "x", { retry: "never" }),
    ]
  ) {
    const { driver, calls } = flaky(1, error);
    await assert.rejects(layer(driver).has("a"), (caught) => caught === error);
    assert.equal(calls.has, 1);
  }
  const { driver, calls } = flaky(1, new DatataskError("io", "later", { retry: "later" }));
  assert.equal(await layer(driver).has("a"), false);
  assert.equal(calls.has, 2);
});

Deno.test("retrying() stops waiting when it is aborted", async () => {
  const { driver } = flaky(9, down);
  const controller = new AbortController();
  const reason = new Error("enough");
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after() {
      queueMicrotask(() => controller.abort(reason));
      return () => {};
    },
  };
  await assert.rejects(retrying({ clock })(driver).has("a", controller), (error) => error === reason);
});

Deno.test("retrying() refuses a limit and a jitter that make no sense", () => {
  assert.throws(
    () => retrying({ limit: 0 }),
    /^DefinitionError: Cannot try 0 times; write a whole number from 1$/,
  );
  assert.throws(
    () => retrying({ jitter: 2 }),
    /^DefinitionError: Cannot use a jitter of 2; write a number from 0 to 1$/,
  );
});

Deno.test("observed() tells of each operation once, when it is over", async () => {
  const events: RepositoryOperation[] = [];
  let now = 0;
  const clock: Clock = { now: () => 0, monotonic: () => now++, after: () => () => {} };
  const layer = observed((event) => events.push(event), { clock });
  const books = new MemoryBlobRepository("books").with(layer);
  await books.put("a", "four");
  await books.put("b", new Blob(["a stream"]).stream());
  await books.has("a");
  await books.driver.read("none");
  const stream = await books.open("a");
  const before = events.length;
  await readAll(stream);
  assert.equal(events.length, before + 1);
  await (await books.open("a")).cancel();
  await sorted(books);
  for await (const _ of books) break;
  await assert.rejects(books.put("a", "x", { ifAbsent: true }));
  const reason = new Error("enough");
  await assert.rejects(books.driver.has("a", { signal: AbortSignal.abort(reason) }));
  await books.driver.beside!("failed").delete("a");
  const short = events.map(({ method, key, bytes, count, outcome }) =>
    [method, key, bytes ?? count, outcome].filter((each) => each !== undefined).join(" ")
  );
  assert.deepEqual(short, [
    "write a 4 done",
    "write b 8 done",
    "has a done",
    "read none missing",
    "read a 4 done",
    "read a left",
    "keys 2 done",
    "keys 2 left",
    "write a 1 failed",
    "has a aborted",
    "delete a done",
  ]);
  assert(events.every((event) => event.duration === 1 && event.repository.startsWith("books")));
});

Deno.test("observed() counts the bytes of trees, and survives its listener", async () => {
  const events: RepositoryOperation[] = [];
  const trees = new MemoryFilesystemRepository("trees").with(observed((event) => events.push(event)));
  const open = () => Promise.resolve(new Blob(["12345"]).stream());
  await trees.put("a", [{ kind: "file", path: "f", mode: 0o644, size: 5, open }]);
  for await (const entry of await trees.entries("a")) {
    if (entry.kind === "file") await readAll(await entry.open());
  }
  assert.deepEqual(events.map((event) => [event.method, event.bytes, event.outcome]), [
    ["write", 5, "done"],
    ["entries", 5, "done"],
  ]);
  const error = console.error;
  const shown: unknown[] = [];
  console.error = (...args) => shown.push(args[0]);
  try {
    const loud = new MemoryBlobRepository().with(observed(() => {
      throw new Error("listener");
    }));
    await loud.put("a", "1");
    assert.deepEqual(shown, ["The listener of a repository failed:"]);
  } finally {
    console.error = error;
  }
});

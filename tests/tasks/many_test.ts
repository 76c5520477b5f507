import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  allocated,
  type Attempt,
  BlobRepository,
  type Bound,
  field,
  type FunctionContext,
  functionTask,
  type Links,
  lookup,
  memoryBlobDriver,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  outputs,
  Repository,
  stream,
  type Task,
  type TreeEntry,
} from "../../mod.ts";
import { systemClock } from "../../core/clock.ts";
import { itemJob, itemKey } from "../../tasks/item_keys.ts";
import type { Ending, RunContext } from "../../tasks/runner.ts";
import { until } from "../kit/waiting.ts";
import { keysOf } from "../pipeline/kit.ts";

const attempt: Attempt = { task: "work", job: "emma", replica: 0, attempt: 1 };

/** Runs one attempt at a task; `told` gets each value that was published, as `repository/key`. */
async function run(task: unknown, told: string[] = [], who = attempt): Promise<Ending> {
  const context: RunContext = {
    signal: new AbortController().signal,
    graceMs: 1000,
    quota: {},
    log: () => {},
    logs: undefined,
    located: () => {},
    published: (repository, key) => void told.push(`${repository.name}/${key}`),
    feed: () => {
      throw new Error("nothing is streamed here");
    },
    clock: systemClock,
  };
  return await (task as Task).runner.run(who, context);
}

/** A function task. */
function work<const L extends Links>(
  links: L,
  body: (context: FunctionContext & Bound<L>) => unknown,
): Task<L> {
  return functionTask<L>("work", { done: new MemoryMetadataRepository("done"), links }, body);
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

Deno.test("A body may read any key of a requested input, of each kind, and write none", async () => {
  const [blobs, documents, trees] = [
    new MemoryBlobRepository("blobs"),
    new MemoryMetadataRepository<{ title: string }>("documents"),
    new MemoryFilesystemRepository("trees"),
  ];
  await blobs.put("a", "text");
  await documents.set("b", { title: "Emma" });
  const file: TreeEntry = {
    kind: "file",
    path: "x",
    mode: 0o644,
    size: 2,
    open: () => Promise.resolve(new Blob(["hi"]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>),
  };
  await trees.put("c", [file]);
  const task = work(
    { blobs: lookup(blobs), documents: lookup(documents), trees: lookup(trees) },
    async ({ blobs, documents, trees }) => {
      assert.deepEqual(await Array.fromAsync(blobs.keys()), ["a"]);
      assert.equal(await blobs.text("a"), "text");
      assert.equal((await blobs.bytes("a")).length, 4);
      assert.equal(await blobs.find("z"), undefined);
      assert.equal(await new Response(await blobs.open("a")).text(), "text");
      assert.deepEqual([await documents.get("b"), await documents.find("z")], [{ title: "Emma" }, undefined]);
      assert.equal(await new Response(await trees.open("c", "x")).text(), "hi");
      assert.equal((await Array.fromAsync(await trees.entries("c"))).length, 1);
      assert.deepEqual([await trees.has("c"), await trees.has("z")], [true, false]);
      assert.deepEqual(
        [...Object.keys(blobs), ...Object.keys(documents)].filter((m) => /put|set|delete|write/.test(m)),
        [],
      );
      await assert.rejects(blobs.text("../up"), { code: "invalid-key" });
    },
  );
  assert.deepEqual(await run(task), { reason: "succeeded" });
});

Deno.test("Items get a key of their own for each job and name, the same in every attempt", async () => {
  const pages = new MemoryBlobRepository("pages");
  const keys: string[] = [];
  const task = work({ pages: outputs(pages) }, async ({ pages }) => {
    keys.push(await pages.write("1", "one"), await pages.write("a name, of any kind/..", "two"));
    keys.push(await pages.write("1", "one again"));
  });
  assert.deepEqual(await run(task), { reason: "succeeded" });
  assert.deepEqual(keys, [
    "emma-13pr6nuuc2kvc-2o0o4r7b32324",
    "emma-13pr6nuuc2kvc-3h426ducatg37",
    "emma-13pr6nuuc2kvc-2o0o4r7b32324",
  ], "stable for ever: what is there was named so");
  assert.equal(await pages.text(keys[0]!), "one again");
  assert.deepEqual(keys.map((key) => itemJob({ task: "work", link: "pages" }, key)), [
    "emma",
    "emma",
    "emma",
  ]);
  assert.equal(itemJob({ task: "work", link: "other" }, keys[0]!), undefined);
  assert.equal(itemJob({ task: "work", link: "pages" }, "emma"), undefined);
  const again = { ...attempt, attempt: 2 };
  await run(task, [], again);
  assert.equal((await keysOf(pages)).length, 2);
});

Deno.test("Keys that differ in case only, or look like numbers, are told apart and found again", () => {
  const place = { task: "work", link: "pages" };
  const jobs = ["AA", "aa", "52", "0x34", "a", "A.b_c-d", "x".repeat(100)];
  const keys = jobs.map((job) => itemKey(place, job, "1"));
  assert.equal(
    new Set(keys.map((key) => key.toLowerCase())).size,
    jobs.length - 1,
    "AA and aa, as the jobs do",
  );
  assert.equal(new Set(keys).size, jobs.length);
  assert.deepEqual(keys.map((key) => itemJob(place, key)), jobs);
  assert.throws(() => itemKey(place, "x".repeat(101), "1"), {
    code: "invalid-key",
    message: `Cannot allocate keys for the items of job "${
      "x".repeat(101)
    }" in work.pages: they would be longer than 128; use jobs of 100 characters or fewer`,
  });
});

Deno.test("Items can go under their own names, which are checked", async () => {
  const pages = new MemoryBlobRepository("pages");
  const task = work({ pages: outputs(pages, { keys: "name" }) }, async ({ pages }) => {
    assert.equal(await pages.write("one", "1"), "one");
    await assert.rejects(pages.write("../two", "2"), {
      code: "invalid-key",
      message: /"\.\.\/two" of pages/,
    });
  });
  assert.deepEqual(await run(task), { reason: "succeeded" });
  assert.deepEqual(await keysOf(pages), ["one"]);
});

Deno.test("Items can go under the digest of what they hold: bytes, texts, streams of any size, documents", async () => {
  const pages = new MemoryBlobRepository("pages");
  const facts = new MemoryMetadataRepository<unknown>("facts");
  const big = "0123456789abcdef".repeat(200_000);
  const streamOf = (text: string) => new Blob([text]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>;
  const task = work({
    pages: outputs(pages, { keys: "content" }),
    facts: outputs(facts, { keys: "content" }),
  }, async ({ pages, facts }) => {
    assert.equal(await pages.write("text"), sha256("text"));
    assert.equal(await pages.write(new TextEncoder().encode("text")), sha256("text"));
    assert.equal(await pages.write(streamOf("small")), sha256("small"));
    assert.equal(await pages.write(streamOf(big)), sha256(big));
    const key = await facts.write({ b: [1, { d: 1, c: null }], a: "x" });
    assert.equal(key, sha256('{"a":"x","b":[1,{"c":null,"d":1}]}'));
    assert.equal(await facts.write({ a: "x", b: [1, { c: null, d: 1 }] }), key);
  });
  assert.deepEqual(await run(task), { reason: "succeeded" });
  assert.equal(await pages.text(sha256(big)), big);
  assert.equal((await keysOf(pages)).length, 3);
  assert.deepEqual(await keysOf(facts), [sha256('{"a":"x","b":[1,{"c":null,"d":1}]}')]);
});

Deno.test("A large stream that fails publishes nothing and leaves no file", async () => {
  const temp = await Deno.makeTempDir();
  try {
    // In a process of its own: others that run in this one put files into its folder for such, too.
    const program = new URL("./torn_stream.ts", import.meta.url).pathname;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", program],
      env: { TMPDIR: temp },
    }).output();
    assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
      reason: "failed",
      message: "torn",
      keys: [],
      // It was there while the stream went on: this shows that the folder looked at is the one that is used.
      during: 1,
    });
    assert.deepEqual([...Deno.readDirSync(temp)], []);
  } finally {
    await Deno.remove(temp, { recursive: true });
  }
});

Deno.test("What is cokeyed is there before the item, and automatic values are merged with what the body gave", async () => {
  const pages = new MemoryBlobRepository("pages");
  const meta = new MemoryMetadataRepository<{ job: string; name: string; n?: number }>("meta");
  const tags = new MemoryMetadataRepository<string[]>("tags");
  const notes = new MemoryBlobRepository("notes");
  const told: string[] = [];
  const task = work({
    pages: outputs(pages, {
      keys: "name",
      cokeyed: { meta, tags, notes },
      values: {
        meta: ({ job, name }) => ({ job, name, n: 1 }),
        tags: () => Promise.resolve(["made"]),
      },
    }),
  }, async ({ pages }) => {
    await pages.write("a", "A", { meta: { name: "alpha" }, tags: ["mine"], notes: "note" });
    await pages.write("b", "B");
  });
  assert.deepEqual(await run(task, told), { reason: "succeeded" });
  assert.deepEqual(told, ["meta/a", "tags/a", "notes/a", "pages/a", "meta/b", "tags/b", "pages/b"]);
  assert.deepEqual(await meta.get("a"), { job: "emma", name: "alpha", n: 1 });
  assert.deepEqual(await meta.get("b"), { job: "emma", name: "b", n: 1 });
  assert.deepEqual([await tags.get("a"), await tags.get("b")], [["made", "mine"], ["made"]]);
  assert.deepEqual(await keysOf(notes), ["a"]);
});

Deno.test("Automatic values can be part of the items themselves", async () => {
  const facts = new MemoryMetadataRepository<{ job: string; text: string }>("facts");
  const task = work({
    facts: outputs(facts, { keys: "name", own: ({ job }) => ({ job }) }),
  }, ({ facts }) => facts.write("f", { text: "x" }));
  assert.deepEqual(await run(task), { reason: "succeeded" });
  assert.deepEqual(await facts.get("f"), { job: "emma", text: "x" });
});

Deno.test("An item whose cokeyed value is refused does not appear", async () => {
  const pages = new MemoryBlobRepository("pages");
  const full = new BlobRepository({
    ...memoryBlobDriver("full"),
    write: () => Promise.reject(new Error("no room")),
  });
  const task = work(
    { pages: outputs(pages, { cokeyed: { full } }) },
    ({ pages }) => pages.write("a", "A", { full: "x" }),
  );
  const { reason } = await run(task);
  assert.deepEqual([reason, await keysOf(pages)], ["failed", []]);
});

Deno.test("Items that cannot be published say why", async () => {
  const pages = new MemoryBlobRepository("pages");
  const meta = new MemoryMetadataRepository<unknown>("meta");
  const links = {
    pages: outputs(pages, { cokeyed: { meta }, values: { meta: (() => ({ a: 1 })) as never } }),
  };
  const says = async (
    body: (write: (...args: unknown[]) => Promise<string>) => unknown,
    who = attempt,
  ): Promise<string> => {
    const task = work(links, ({ pages }) => body(pages.write as never));
    const { error } = await run(task, [], who);
    return error!.message;
  };
  const begin = 'Cannot publish item "a" of job "emma" in work.pages (pages): ';
  assert.equal(
    await says((write) => write("a", "A", { meta: ["x"] })),
    `${begin}the automatic value of pages.meta is a record, and what was written is a list; make them alike`,
  );
  assert.equal(
    await says((write) => write("a", "A", { mata: {} })),
    `${begin}there is no cokeyed repository "mata"; name it in outputs(..., { cokeyed })`,
  );
  assert.equal(await says((write) => write("a", undefined)), `${begin}it has no value`);
  assert.equal(
    await says((write) => write("")),
    'Cannot publish an item of job "emma" in work.pages (pages): it needs a name; call write(name, value)',
  );
  assert.equal(
    await says((write) => write("a", "A"), { ...attempt, replica: 2 }),
    `${begin}replica 2 publishes nothing`,
  );
  assert.deepEqual(await keysOf(pages), []);
});

Deno.test("Nothing is published once the attempt is over; what was begun before is waited for", async () => {
  const pages = new MemoryBlobRepository("pages");
  let late: Promise<unknown> | undefined;
  const over = Promise.withResolvers<void>();
  const task = work({ pages: outputs(pages, { keys: "name" }) }, ({ pages }) => {
    void pages.write("begun", "x");
    late = over.promise.then(() => pages.write("late", "x")).catch((error) => error.message);
  });
  assert.deepEqual(await run(task), { reason: "succeeded" });
  over.resolve();
  assert.match(
    String(await late),
    /attempt 1 is over; wait for all that the body has begun before it returns/,
  );
  await until(async () => (await keysOf(pages)).length === 1);
  assert.deepEqual(await keysOf(pages), ["begun"]);
});

Deno.test("Links to many values that cannot work are refused where they are defined", () => {
  const [blobs, documents, trees] = [
    new MemoryBlobRepository("blobs"),
    new MemoryMetadataRepository("documents"),
    new MemoryFilesystemRepository("trees"),
  ];
  const says = (links: Links): string => {
    try {
      work(links, () => {});
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  const cases: readonly (readonly [Links, string])[] = [
    [
      { a: outputs(trees, { keys: "content" }) },
      'Link work.a takes the keys of trees from their content, which only blobs and documents allow; use { keys: "allocated" } or { keys: "name" }',
    ],
    [
      { a: outputs(documents, { dropEmpty: true as never }) },
      "Link work.a drops empty items, but documents holds documents, which are never empty; leave out { dropEmpty }",
    ],
    [
      { a: outputs(blobs, { own: (() => ({})) as never }) },
      "Link work.a adds fields to its items, but blobs holds no documents; leave out { own }",
    ],
    [
      { a: outputs(blobs, { values: { b: () => ({}) } as never }) },
      'Link work.a makes values for "b", but has no cokeyed repository of this name; add it to { cokeyed }',
    ],
    [
      { a: outputs(blobs, { cokeyed: { b: blobs }, values: { b: () => ({}) } as never }) },
      'Link work.a makes values for "b", but blobs holds no documents',
    ],
    [
      { a: outputs(new Repository({ ...memoryBlobDriver("keys") })) },
      "Link work.a publishes into keys, which holds keys only; link the repository that holds the values",
    ],
    [
      { a: stream(blobs, { key: () => "x" } as never) },
      "Link work.a says which key is the job's, but not which key an item is for; add { of: ... }",
    ],
    [
      { a: stream(blobs, { of: field("b.c") }) },
      'Link work.a finds items by "b.c", but it has no cokeyed repository "b", and the task no such link',
    ],
    [
      { a: stream(blobs, { of: field("b.c"), cokeyed: { b: blobs } }) },
      'Link work.a finds items by "b.c", but b holds no documents',
    ],
    [
      { a: stream(blobs, { cokeyed: { text: documents } }) },
      'Link work.a has a cokeyed repository named "text", which is taken; give it another name',
    ],
    [
      { a: stream(blobs, { of: (item) => item, key: allocated() }) },
      "Link work.a is an input with an allocated key; only an output can have one",
    ],
  ];
  for (const [links, message] of cases) assert.equal(says(links), message);
  const none = undefined as unknown as MemoryBlobRepository;
  assert.throws(() => lookup(none), {
    message: /^lookup\(\.\.\.\) was given undefined in place of a repository/,
  });
  assert.throws(() => stream(none), { message: /^stream\(\.\.\.\) was given undefined/ });
  assert.throws(() => outputs(none), { message: /^outputs\(\.\.\.\) was given undefined/ });
});

import assert from "node:assert/strict";
import {
  type Attempt,
  json,
  lookup,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  outputs,
  stream,
} from "../../mod.ts";
import { grantedInputs, grantedItems } from "../../tasks/grants.ts";
import type { GrantedOutput } from "../../tasks/agent.ts";
import { keyFeed } from "../agent/kit.ts";
import { keysOf } from "../pipeline/kit.ts";

const attempt: Attempt = { task: "work", job: "emma", replica: 0, attempt: 1 };
const { signal } = new AbortController();
type GrantedItems = GrantedOutput & { kind: "items" };

/** A folder with files of a worker. */
class Received implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync();

  file(name: string, text: string): string {
    Deno.writeTextFileSync(`${this.dir}/${name}`, text);
    return `${this.dir}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

Deno.test("Requested and streaming inputs become grants of their repositories, and of what is cokeyed", async () => {
  const [pages, meta] = [new MemoryBlobRepository("pages"), new MemoryMetadataRepository("meta")];
  const asked: string[] = [];
  const context = {
    feed(link: string) {
      asked.push(link);
      return keyFeed(ReadableStream.from(["p1"]));
    },
  };
  assert.deepEqual([...grantedInputs("all", lookup(pages), context)], [["all", {
    kind: "lookup",
    repository: pages,
  }]]);
  const granted = grantedInputs("pages", stream(pages, { cokeyed: { meta } }), context);
  assert.deepEqual([...granted.keys()], ["pages", "pages.meta"]);
  assert.deepEqual(granted.get("pages.meta"), { kind: "lookup", repository: meta });
  const feed = granted.get("pages")!;
  assert(feed.kind === "feed");
  assert.deepEqual(await Array.fromAsync(feed.keys(signal)), ["p1"]);
  assert.deepEqual(asked, ["pages"]);
});

Deno.test("Items of a worker are published with what is cokeyed to them, documents and trees", async () => {
  await using received = new Received();
  const [pages, meta] = [
    new MemoryBlobRepository("pages"),
    new MemoryMetadataRepository<{ job?: string; n?: number }>("meta"),
  ];
  const assets = new MemoryFilesystemRepository("assets");
  const link = outputs(pages, {
    keys: "content",
    cokeyed: { meta, assets },
    values: { meta: ({ job }) => ({ job }) },
  });
  Deno.mkdirSync(`${received.dir}/t`);
  Deno.writeTextFileSync(`${received.dir}/t/x`, "hi");
  const told: string[] = [];
  const granted = grantedItems(attempt, "pages", link, {
    published: (repository, key) => void told.push(`${repository.name}/${key.slice(0, 4)}`),
  }, json) as GrantedItems;
  assert.deepEqual([granted.tree, granted.cokeyed], [false, {
    meta: { tree: false },
    assets: { tree: true },
  }]);
  const key = await granted.publish({
    name: "a b",
    path: received.file("1", "text"),
    cokeyed: { meta: received.file("2", '{"n": 1}'), assets: `${received.dir}/t` },
  }, signal);
  assert.equal(key, "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1");
  assert.deepEqual([await pages.text(key), await meta.get(key)], ["text", { job: "emma", n: 1 }]);
  assert.deepEqual(told, ["meta/982d", "assets/982d", "pages/982d"]);
  assert.equal(await new Response(await assets.open(key, "x")).text(), "hi");
  await granted.publish({
    name: "b",
    path: received.file("1", "b"),
    cokeyed: { meta: received.file("2", "") },
  }, signal);
  assert.deepEqual((await Array.fromAsync(meta.entries())).map(([, value]) => value), [
    { job: "emma", n: 1 },
    {
      job: "emma",
    },
  ]);
});

Deno.test("A document of a worker that cannot be read publishes nothing, and says what it should be", async () => {
  await using received = new Received();
  const facts = new MemoryMetadataRepository("facts");
  const granted = grantedItems(
    attempt,
    "facts",
    outputs(facts),
    { published: () => {} },
    json,
  ) as GrantedItems;
  await assert.rejects(granted.publish({ name: "x", path: received.file("1", "{"), cokeyed: {} }, signal), {
    code: "invalid-value",
    message: /^Cannot read item "x" of facts as JSON: .*; have the script write JSON$/,
  });
  assert.deepEqual(await keysOf(facts), []);
});

Deno.test("A tree of a worker is published from its folder", async () => {
  await using received = new Received();
  const trees = new MemoryFilesystemRepository("trees");
  const granted = grantedItems(
    attempt,
    "trees",
    outputs(trees, { keys: "name" }),
    { published: () => {} },
    json,
  ) as GrantedItems;
  assert(granted.tree);
  Deno.mkdirSync(`${received.dir}/t/sub`, { recursive: true });
  Deno.writeTextFileSync(`${received.dir}/t/sub/x`, "hi");
  assert.equal(await granted.publish({ name: "one", path: `${received.dir}/t`, cokeyed: {} }, signal), "one");
  assert.equal(await new Response(await trees.open("one", "sub/x")).text(), "hi");
});

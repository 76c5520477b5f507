/** Tests of what goes to and fro while a job runs: keys that come, items that go. */
import assert from "node:assert/strict";
import { Channel } from "../../core/channel.ts";
import type { Key } from "../../core/key.ts";
import { MemoryBlobRepository } from "../../repositories/memory.ts";
import type { GrantedItem, GrantedOutput } from "../../tasks/agent.ts";
import type { KeyFeed } from "../../tasks/runner.ts";
import { until } from "../kit/waiting.ts";
import { grantOf, keyFeed, Place, type Worker } from "./kit.ts";

/** What a feed says, in a worker's words. */
async function poll(
  worker: Worker,
  after = "",
): Promise<{ cursor: string; keys: readonly string[]; ended: boolean }> {
  const { status, text } = await worker.ask(`/feed/books?after=${after}`);
  assert.equal(status, 200, text);
  const [first, ...lines] = text.trimEnd().split("\n");
  assert.match(first!, /^@/);
  const ended = lines.at(-1) === ".";
  return { cursor: first!.slice(1), keys: ended ? lines.slice(0, -1) : lines, ended };
}

Deno.test("keys are told as they come, each once to who goes on, and an end when there are no more", async () => {
  await using place = await Place.make();
  const channel = new Channel<Key>();
  let asked = 0;
  const repository = new MemoryBlobRepository("books");
  const keys = (): KeyFeed => {
    asked++;
    return keyFeed(channel);
  };
  const worker = await place.admit(grantOf("emma", { books: { kind: "feed", repository, keys } }));
  channel.push("a");
  const first = await poll(worker);
  assert.deepEqual([first.keys, first.ended], [["a"], false]);
  const waiting = poll(worker, first.cursor);
  channel.push("b");
  const second = await waiting;
  assert.deepEqual(second.keys, ["b"]);
  // Nothing comes for a while: the same cursor again.
  assert.deepEqual(await poll(worker, second.cursor), { cursor: second.cursor, keys: [], ended: false });
  channel.push("c");
  channel.close();
  const third = await poll(worker, second.cursor);
  assert.deepEqual(third.keys, ["c"]);
  assert.deepEqual(await poll(worker, third.cursor), { cursor: third.cursor, keys: [], ended: true });
  // Who has lost its place begins anew.
  for (const lost of ["", "nonsense-7", "x", third.cursor.replace(/^.{8}/, "00000000")]) {
    assert.deepEqual((await poll(worker, lost)).keys, ["a", "b", "c"], lost);
  }
  assert.equal(asked, 1);
  await repository.put("b", "the value");
  assert.equal((await worker.ask("/in/books/b")).text, "the value");
});

Deno.test("keys are asked for no faster than they are fetched", async () => {
  await using place = await Place.make();
  let given = 0;
  let waits = 0;
  const take = (atMost: number): Key[] =>
    Array.from({ length: Math.min(atMost, 50_000 - given) }, () => `k${given++}`);
  const keys = (): KeyFeed => ({
    ready: take,
    next: () => {
      waits++;
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  });
  const repository = new MemoryBlobRepository("books");
  const worker = await place.admit(grantOf("emma", { books: { kind: "feed", repository, keys } }));
  const seen: string[] = [];
  for (let cursor = "", ended = false; !ended;) {
    const page = await poll(worker, cursor);
    ({ cursor, ended } = page);
    seen.push(...page.keys);
    // Who has not asked for more does not wait for more.
    assert.deepEqual([given, waits], [seen.length, ended ? 1 : 0]);
  }
  assert.deepEqual(seen, Array.from({ length: 50_000 }, (_, i) => `k${i}`));
});

Deno.test("a feed that fails says so, and begins anew for who asks again", async () => {
  await using place = await Place.make();
  let tries = 0;
  async function* keys(): AsyncGenerator<Key, void, void> {
    yield "a";
    if (tries++ === 0) throw new Error("the store is away");
    yield "b";
  }
  const repository = new MemoryBlobRepository("books");
  const worker = await place.admit(
    grantOf("emma", { books: { kind: "feed", repository, keys: () => keyFeed(keys()) } }),
  );
  let cursor = "";
  const keysSeen = new Set<string>();
  const failures: string[] = [];
  for (let ended = false; !ended;) {
    const { status, text } = await worker.ask(`/feed/books?after=${cursor}`);
    if (status !== 200) failures.push(text);
    else {
      const [first, ...lines] = text.trimEnd().split("\n");
      cursor = first!.slice(1);
      ended = lines.at(-1) === ".";
      for (const line of lines) if (line !== ".") keysSeen.add(line);
    }
  }
  assert.deepEqual([...keysSeen], ["a", "b"]);
  assert(failures.length <= 1);
});

Deno.test("a feed that is waited for ends with its attempt", async () => {
  await using place = await Place.make();
  let [waits, ended] = [false, false];
  async function* keys(signal: AbortSignal): AsyncGenerator<Key, void, void> {
    yield "a";
    waits = true;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    ended = true;
  }
  const repository = new MemoryBlobRepository("books");
  const worker = await place.admit(
    grantOf("emma", { books: { kind: "feed", repository, keys: (signal) => keyFeed(keys(signal)) } }),
  );
  const { cursor } = await poll(worker);
  const waiting = worker.ask(`/feed/books?after=${cursor}`);
  await until(() => waits);
  await worker.leave();
  assert((await waiting).status === 410 || (await waiting).status === 200);
  assert(ended);
});

interface Published {
  readonly name: string;
  readonly text: string;
  readonly index: string | undefined;
}

/** A streaming output that keeps what was published. */
function items(): { readonly published: Published[]; readonly outputs: Record<string, GrantedOutput> } {
  const published: Published[] = [];
  const keys = new Map<string, Key>();
  const publish = async ({ name = "", path, cokeyed }: GrantedItem): Promise<Key> => {
    const text = await Deno.readTextFile(path);
    const index = cokeyed.index && await Deno.readTextFile(cokeyed.index);
    published.push({ name, text, index });
    const key = keys.get(name) ?? `key-${keys.size + 1}`;
    keys.set(name, key);
    return key;
  };
  return {
    published,
    outputs: { pages: { kind: "items", tree: false, cokeyed: { index: { tree: false } }, publish } },
  };
}

Deno.test("an item is published when it is whole, with what goes under its key, and again under its key when it is sent again", async () => {
  await using place = await Place.make();
  const { published, outputs } = items();
  const worker = await place.admit(grantOf("emma", {}, outputs));
  const name = encodeURIComponent("page 1 'ü'.html");
  assert.deepEqual((await worker.put(`/items/pages.index/${name}`, "meta")).status, 201);
  assert.deepEqual(published, []);
  const first = await worker.put(`/items/pages/${name}`, "the page");
  assert.deepEqual([first.status, first.text], [201, "key-1\n"]);
  const again = await worker.put(`/items/pages/${name}`, "the page, changed");
  assert.deepEqual([again.status, again.text], [201, "key-1\n"]);
  assert.equal((await worker.put("/items/pages/2", "another")).text, "key-2\n");
  assert.deepEqual(published, [
    { name: "page 1 'ü'.html", text: "the page", index: "meta" },
    { name: "page 1 'ü'.html", text: "the page, changed", index: "meta" },
    { name: "2", text: "another", index: undefined },
  ]);
});

Deno.test("values that wait for their item live through a restart, and go with the attempt", async () => {
  await using place = await Place.make();
  const { published, outputs } = items();
  const grant = grantOf("emma", {}, outputs);
  const worker = await place.admit(grant);
  assert.equal((await worker.put("/items/pages.index/1", "meta")).status, 201);
  await worker.put("/items/pages/1", "the p", { "Content-Range": "bytes 0-4/8" });
  await place.stop();
  await place.start();
  const { leave } = await place.admit(grant);
  const head = await worker.ask("/items/pages/1", { method: "HEAD" });
  assert.equal(head.headers.get("x-datatask-received"), "5");
  const put = await worker.put("/items/pages/1", "age", { "Content-Range": "bytes 5-7/8" });
  assert.deepEqual([put.status, put.text], [201, "key-1\n"]);
  assert.deepEqual(published, [{ name: "1", text: "the page", index: "meta" }]);
  assert.equal((await worker.put("/items/pages.index/2", "never used")).status, 201);
  await leave();
  assert.deepEqual([...Deno.readDirSync(`${place.folder}/agent/items`)], []);
});

Deno.test("an item whose publishing fails is published when it is sent again, never twice at a time", async () => {
  await using place = await Place.make();
  let [running, most, tries] = [0, 0, 0];
  const gate = Promise.withResolvers<void>();
  const publish = async (): Promise<Key> => {
    most = Math.max(most, ++running);
    if (tries++ === 0) {
      await gate.promise;
      running--;
      throw new Error("the store is away");
    }
    running--;
    return "key";
  };
  const worker = await place.admit(
    grantOf("emma", {}, { pages: { kind: "items", tree: false, cokeyed: {}, publish } }),
  );
  const first = worker.put("/items/pages/1", "one");
  await until(() => tries === 1);
  assert.equal((await worker.put("/items/pages/1", "one")).status, 409);
  gate.resolve();
  const { status, text } = await first;
  assert.equal(status, 500);
  assert.match(text, /the store is away/);
  assert.equal((await worker.put("/items/pages/1", "one")).text, "key\n");
  assert.equal(most, 1);
});

Deno.test("an item that is sent again, for it was not published or its worker has not heard of it, keeps what goes under its key", async () => {
  await using place = await Place.make();
  const { published, outputs } = items();
  const { pages } = outputs;
  assert(pages?.kind === "items");
  let away = true;
  const publish = (item: GrantedItem, signal: AbortSignal): Promise<Key | undefined> =>
    away ? Promise.reject(new Error("the store is away")) : pages.publish(item, signal);
  const worker = await place.admit(grantOf("emma", {}, { pages: { ...pages, publish } }));
  assert.equal((await worker.put("/items/pages.index/1", "meta")).status, 201);
  assert.equal((await worker.put("/items/pages/1", "one")).status, 500);
  away = false;
  for (let i = 0; i < 2; i++) assert.equal((await worker.put("/items/pages/1", "one")).text, "key-1\n");
  assert.deepEqual(published, Array(2).fill({ name: "1", text: "one", index: "meta" }));
  // Of old ones nothing is kept, and of those that were brought anew everything.
  assert.equal((await worker.put("/items/pages.index/1", "meta 2")).status, 201);
  for (let i = 2; i < 80; i++) {
    await worker.put(`/items/pages.index/${i}`, "meta");
    await worker.put(`/items/pages/${i}`, "one");
  }
  const [attempt] = Deno.readDirSync(`${place.folder}/agent/items`);
  const left = [...Deno.readDirSync(`${place.folder}/agent/items/${attempt!.name}/pages`)];
  assert.equal(left.length, 65);
  assert.equal((await worker.put("/items/pages/1", "one")).text, "key-1\n");
  assert.equal(published.at(-1)?.index, "meta 2");
});

Deno.test("what goes under the key of an item may be a tree", async () => {
  await using place = await Place.make();
  const seen: string[] = [];
  const publish = async ({ cokeyed }: GrantedItem): Promise<Key> => {
    seen.push(await Deno.readTextFile(`${cokeyed.assets}/sub/f`));
    return "key";
  };
  const worker = await place.admit(
    grantOf("emma", {}, {
      pages: { kind: "items", tree: false, cokeyed: { assets: { tree: true } }, publish },
    }),
  );
  const source = `${place.folder}/src`;
  await Deno.mkdir(`${source}/sub`, { recursive: true });
  // Brought anew, it takes the place of the one before.
  for (const text of ["in a tree", "in another"]) {
    await Deno.writeTextFile(`${source}/sub/f`, text);
    const { stdout } = await new Deno.Command("tar", { args: ["-C", source, "-cf", "-", "."] }).output();
    assert.equal((await worker.put("/items/pages.assets/1", stdout)).status, 201);
  }
  assert.equal((await worker.put("/items/pages/1", "page")).status, 201);
  assert.deepEqual(seen, ["in another"]);
  const { status, text } = await worker.put("/items/pages.assets/2", "no archive");
  assert.deepEqual([status, /^The tree is refused: .*tar archive is damaged/.test(text)], [400, true], text);
});

Deno.test("the name of an item is a word, whatever it holds, and names nothing here", async () => {
  await using place = await Place.make();
  const { published, outputs } = items();
  const worker = await place.admit(grantOf("emma", {}, outputs));
  const names = [
    "-n",
    "a b",
    "q'q",
    'd"d',
    "n\nl",
    "tab\t",
    "..\\..\\x",
    "%2e%2e",
    "$(id)",
    "ü☃",
    "x".repeat(255),
  ];
  for (const name of names) {
    assert.equal(
      (await worker.put(`/items/pages.index/${encodeURIComponent(name)}`, "meta")).status,
      201,
      name,
    );
    assert.equal((await worker.put(`/items/pages/${encodeURIComponent(name)}`, "page")).status, 201, name);
  }
  assert.deepEqual(published, names.map((name) => ({ name, text: "page", index: "meta" })));
  const [attempt] = Deno.readDirSync(`${place.folder}/agent/items`);
  for (const { name } of Deno.readDirSync(`${place.folder}/agent/items/${attempt!.name}/pages`)) {
    assert.match(name, /^[0-9a-f]{40}\.index$/);
  }
  for (const name of ["a%2fb", "%2e%2e%2fx", "%00", "a%00b"]) {
    assert.equal((await worker.put(`/items/pages/${name}`, "page")).status, 400, name);
  }
});

Deno.test("an attempt publishes no more items than it may", async () => {
  await using place = await Place.make({ maxItems: 2 });
  const { outputs } = items();
  const worker = await place.admit(grantOf("emma", {}, outputs));
  for (const name of ["1", "2"]) assert.equal((await worker.put(`/items/pages/${name}`, "x")).status, 201);
  assert.equal((await worker.put("/items/pages/1", "changed")).status, 201);
  const { status, text } = await worker.put("/items/pages/3", "x");
  assert.equal(status, 413);
  assert.match(text, /has published 2; publish fewer, or raise \{ agent: \{ maxItems \} \}/);
});

Deno.test("an item may be a tree", async () => {
  await using place = await Place.make();
  const seen: string[] = [];
  const publish = async ({ path }: GrantedItem): Promise<Key> => {
    seen.push(await Deno.readTextFile(`${path}/f`));
    return "key";
  };
  const worker = await place.admit(
    grantOf("emma", {}, { pages: { kind: "items", tree: true, cokeyed: {}, publish } }),
  );
  await Deno.mkdir(`${place.folder}/src`);
  await Deno.writeTextFile(`${place.folder}/src/f`, "in a tree");
  const { stdout } = await new Deno.Command("tar", { args: ["-C", `${place.folder}/src`, "-cf", "-", "."] })
    .output();
  assert.equal((await worker.put("/items/pages/1", stdout)).status, 201);
  assert.deepEqual(seen, ["in a tree"]);
});

Deno.test("an item may be called in a header what no path can say, or have no name", async () => {
  await using place = await Place.make();
  const seen: unknown[] = [];
  const publish = ({ name }: GrantedItem): Promise<Key> => {
    seen.push(name);
    return Promise.resolve("key");
  };
  const pages: GrantedOutput = { kind: "items", tree: false, cokeyed: {}, publish };
  const worker = await place.admit(grantOf("emma", {}, { pages }));
  for (const name of ["a/b\n\u{1f4d6}", "..", ""]) {
    const header = { "X-Datatask-Name": encodeURIComponent(name) };
    assert.equal((await worker.put("/items/pages/one", "x", header)).status, 201);
  }
  assert.deepEqual(seen, ["a/b\n\u{1f4d6}", "..", undefined]);
  const bad = await worker.put("/items/pages/one", "x", { "X-Datatask-Name": "%ff" });
  assert.deepEqual([bad.status, bad.text], [
    400,
    "The item is refused: X-Datatask-Name is no percent-encoded UTF-8\n",
  ]);
});

import assert from "node:assert/strict";
import { encodeText } from "../../../core/bytes.ts";
import { DatataskError } from "../../../core/errors.ts";
import { BlobRepository } from "../../../repositories/blob.ts";
import type { Change, KeyDriver } from "../../../repositories/driver.ts";
import { FilesystemRepository } from "../../../repositories/filesystem.ts";
import { and } from "../../../repositories/combine/and.ts";
import { except } from "../../../repositories/combine/except.ts";
import { filter } from "../../../repositories/combine/filter.ts";
import { map } from "../../../repositories/combine/map.ts";
import { or } from "../../../repositories/combine/or.ts";
import { overlay } from "../../../repositories/combine/overlay.ts";
import { related } from "../../../repositories/combine/related.ts";
import type { AnyRepository } from "../../../repositories/combine/view.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../../repositories/memory_tree.ts";
import { MetadataRepository } from "../../../repositories/metadata.ts";
import { Repository } from "../../../repositories/repository.ts";
import { YamlMetadataRepository } from "../../../repositories/yaml.ts";
import { cachedKeys } from "../../../repositories/layers/cached_keys.ts";
import { rekeyed } from "../../../repositories/layers/rekeyed.ts";
import { file } from "../../../testing/trees.ts";

const sorted = async (keys: AsyncIterable<string>): Promise<string[]> => (await Array.fromAsync(keys)).sort();

async function blobs(name: string, ...keys: string[]): Promise<MemoryBlobRepository> {
  const repository = new MemoryBlobRepository(name);
  for (const key of keys) await repository.put(key, `${key} of ${name}`);
  return repository;
}

async function documents(name: string, ...keys: string[]): Promise<MemoryMetadataRepository<string>> {
  const repository = new MemoryMetadataRepository<string>(name);
  for (const key of keys) await repository.set(key, `${key} of ${name}`);
  return repository;
}

const coded = (code: string, message: string) => (error: unknown): boolean => {
  assert(error instanceof DatataskError);
  assert.deepEqual([error.code, error.message], [code, message]);
  return true;
};

/** A repository over a driver that lists every key as often as told. */
function repeating<R extends AnyRepository>(repository: R, make: (driver: R["driver"]) => R): R {
  return make({
    ...repository.driver,
    async *keys() {
      for await (const page of repository.driver.keys() as AsyncIterable<string[]>) {
        yield [...page, ...page, "no key!"];
      }
    },
  });
}

Deno.test("and() has the keys of all and the kind and values of the first", async () => {
  const a = await blobs("a", "x", "y");
  const both = and(a, await documents("b", "y", "z"));
  assert(both instanceof BlobRepository);
  assert.deepEqual(await sorted(both), ["y"]);
  assert.equal(await both.text("y"), "y of a");
  assert.deepEqual([await both.has("x"), await both.find("x"), await both.info("z")], [
    false,
    undefined,
    undefined,
  ]);
  await assert.rejects(
    both.text("x"),
    coded("not-found", 'Cannot read "x" of and(a, b): there is no such key'),
  );
  const trees = new MemoryFilesystemRepository("t");
  await trees.put("y", [file("f", "1")]);
  const tree = and(trees, a);
  assert(tree instanceof FilesystemRepository);
  assert.equal(await new Response(await tree.open("y", "f")).text(), "1");
  assert.deepEqual(await sorted(and(a)), ["x", "y"]);
  assert.equal(both.driver.derived?.by, "and");
  assert.equal(both.footprint().size, 2);
});

Deno.test("and() is not fooled by a part that lists a key twice", async () => {
  const twice = repeating(await blobs("a", "x"), (driver) => new BlobRepository(driver));
  const warn = console.warn;
  console.warn = () => {};
  try {
    assert.deepEqual(await Array.fromAsync(and(twice, await blobs("b"))), []);
    assert.deepEqual(await Array.fromAsync(and(await blobs("b"), twice)), []);
    for (const view of [and(twice), or(twice, twice), except(twice), and(twice, twice)]) {
      assert.deepEqual(await Array.fromAsync(view), ["x"], view.name);
    }
    assert.deepEqual(await Array.fromAsync(related(twice, (key) => key, { domain: twice })), ["x"]);
  } finally {
    console.warn = warn;
  }
});

Deno.test("or() has the keys of any, and the value of the first that has it, alone and among many", async () => {
  const [a, b] = [await documents("a", "x", "y"), await documents("b", "y", "z")];
  const any = or(a, b);
  assert(any instanceof MetadataRepository);
  assert.deepEqual(await sorted(any), ["x", "y", "z"]);
  assert.equal(await any.get("y"), "y of a");
  const many = await any.getMany(["x", "y", "z", "none"]);
  assert.deepEqual([...many].sort(), [["x", "x of a"], ["y", "y of a"], ["z", "z of b"]]);
  const mixed = or(a, await blobs("c", "w"));
  assert.equal(mixed.kind, "keys");
  assert.deepEqual(await sorted(mixed), ["w", "x", "y"]);
  assert.throws(
    () => or(...([] as AnyRepository[])),
    coded("invalid-definition", "Cannot make or() of nothing; give it one repository or more"),
  );
});

Deno.test("except() has the keys of the source that nothing inhibits", async () => {
  const source = await blobs("source", "a", "b", "c");
  const left = except(source, await documents("done", "b"), await blobs("failed", "c", "d"));
  assert(left instanceof BlobRepository);
  assert.deepEqual(await sorted(left), ["a"]);
  assert.deepEqual([await left.has("a"), await left.has("b"), await left.has("d")], [true, false, false]);
  assert.equal(await left.text("a"), "a of source");
  assert.equal(await left.find("b"), undefined);
});

Deno.test("a view refuses to write and delete, and says where to do it", async () => {
  const [a, b] = [await blobs("a", "x"), await blobs("b", "x")];
  for (
    const [view, name] of [[and(a, b), "and(a, b)"], [or(a, b), "or(a, b)"], [
      except(a),
      "except(a)",
    ]] as const
  ) {
    assert.equal(view.driver.supports.writable, false);
    await assert.rejects(
      view.put("x", "1"),
      coded("unsupported", `Cannot write "x" of ${name}: it is a view of others; write it there`),
    );
    await assert.rejects(
      view.delete("x"),
      coded("unsupported", `Cannot delete "x" of ${name}: it is a view of others; delete it there`),
    );
  }
  assert.equal(await a.has("x"), true);
});

Deno.test("a view passes on an error of a part, with its context", async () => {
  const broken = new BlobRepository({
    ...new MemoryBlobRepository("part").driver,
    // deno-lint-ignore require-yield
    async *keys() {
      throw new Deno.errors.PermissionDenied("no entry");
    },
    has: () => Promise.reject(new Deno.errors.PermissionDenied("no entry")),
  });
  const good = await blobs("good", "x");
  const views = [
    and(good, broken),
    and(broken, good),
    or(good, broken),
    except(good, broken),
    except(broken, good),
  ];
  for (const view of [...views, related(broken, (key) => key, { domain: good })]) {
    await assert.rejects(
      sorted(view),
      /^RepositoryError: Cannot list part: no entry; check its owner/,
      view.name,
    );
  }
  for (const view of [and(good, broken), or(broken, good), except(good, broken)]) {
    await assert.rejects(view.has("x"), /^RepositoryError: Cannot look up "x" of part: no entry/, view.name);
  }
});

Deno.test("a view prepares all its parts", async () => {
  const prepared: string[] = [];
  const part = (name: string): BlobRepository =>
    new BlobRepository({
      ...new MemoryBlobRepository(name).driver,
      prepare: () => Promise.resolve(void prepared.push(name)),
    });
  const meta = new MetadataRepository<string>({
    ...new MemoryMetadataRepository<string>("meta").driver,
    prepare: () => Promise.resolve(void prepared.push("meta")),
  });
  const [a, b] = [part("a"), part("b")];
  for (
    const [view, expected] of [
      [and(a, b), ["a", "b"]],
      [or(a, b), ["a", "b"]],
      [except(a, b), ["a", "b"]],
      [overlay(a, b), ["a", "b"]],
      [related(a, meta), ["a", "meta"]],
      [filter(a, () => true), ["a"]],
      [map(meta, (each) => each), ["meta"]],
    ] as const
  ) {
    prepared.length = 0;
    await view.prepare();
    assert.deepEqual(prepared.sort(), expected, view.name);
  }
});

Deno.test("a view is called and identified by its parts", async () => {
  const [a, b] = [await blobs("a"), await blobs("b")];
  assert.equal(and(a, b).driver.identity, and(a, b).driver.identity);
  assert.notEqual(and(a, b).driver.identity, or(a, b).driver.identity);
  assert.notEqual(except(a, b).driver.identity, except(b, a).driver.identity);
  const yes = (): boolean => true;
  assert.notEqual(filter(a, yes).driver.identity, filter(a, yes).driver.identity);
  assert.equal(filter(a, yes, { id: "all" }).driver.identity, filter(a, yes, { id: "all" }).driver.identity);
  assert.equal(except(and(a, b), or(a, b)).name, "except(and(a, b), or(a, b))");
});

Deno.test("a view can be made again over other parts", async () => {
  const [a, b] = [await blobs("a"), await blobs("b")];
  const [c, d] = [await blobs("c", "x", "y"), await blobs("d", "y")];
  const onto = (view: AnyRepository, ...parts: AnyRepository[]): Promise<string[]> =>
    sorted(new Repository(view.driver.derived.over(parts.map((part) => part.driver)) as KeyDriver));
  assert.deepEqual(await onto(and(a, b), c, d), ["y"]);
  assert.deepEqual(await onto(or(a, b), c, d), ["x", "y"]);
  assert.deepEqual(await onto(except(a, b), c, d), ["x"]);
  assert.deepEqual(await onto(overlay(a, b), c, d), ["x", "y"]);
  assert.deepEqual(await onto(related(a, (key) => key, { domain: b }), c, d), ["y"]);
  assert.deepEqual(await onto(filter(a, (key) => key === "x"), c), ["x"]);
});

Deno.test("a view watches all its parts, or none", async () => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const part = async (name: string, i: number, ...keys: string[]): Promise<BlobRepository> =>
    new BlobRepository({
      ...(await blobs(name, ...keys)).driver,
      async *watch({ signal }) {
        await gates[i]!.promise;
        yield { key: "x", present: true } as Change;
        if (i === 0) yield "rescan";
        await new Promise<void>((resolve) => signal!.addEventListener("abort", () => resolve()));
      },
    });
  const [a, b] = [await part("a", 0, "x"), await part("b", 1)];
  for (const [view, present] of [[and(a, b), false], [or(a, b), true], [except(a, b), true]] as const) {
    const controller = new AbortController();
    const watch = view.watch({ signal: controller.signal })![Symbol.asyncIterator]();
    const first = watch.next();
    gates[0]!.resolve();
    assert.deepEqual((await first).value, { key: "x", present }, view.name);
    gates[1]!.resolve();
    const rest = [(await watch.next()).value, (await watch.next()).value];
    assert(rest.includes("rescan"));
    controller.abort();
    assert.equal((await watch.next()).done, true);
  }
  const { watch: _, ...silent } = (await blobs("c")).driver;
  assert.equal(and(a, new BlobRepository(silent)).watch({}), undefined);
});

Deno.test("a watch of a view ends the watches of its parts when its reader leaves, and fails with a part", async () => {
  let open = 0;
  const watching = (fails: boolean): BlobRepository =>
    new BlobRepository({
      ...new MemoryBlobRepository().driver,
      async *watch({ signal }) {
        open++;
        try {
          yield "rescan" as const;
          if (fails) throw new Error("cut off");
          await new Promise<void>((resolve) => signal!.addEventListener("abort", () => resolve()));
        } finally {
          open--;
        }
      },
    });
  for await (const _ of or(watching(false), watching(false)).watch({})!) break;
  assert.equal(open, 0);
  await assert.rejects(Array.fromAsync(or(watching(false), watching(true)).watch({})!), /cut off/);
  assert.equal(open, 0);
});

Deno.test("filter() is written through, for each kind", async () => {
  const a = await blobs("a", "x");
  const view = filter(a, (key) => key !== "hidden");
  await view.put("y", "1");
  assert.equal(await a.text("y"), "1");
  assert.equal(view.name, "filter(a)");
  const trees = new MemoryFilesystemRepository("t");
  await filter(trees, () => true).put("y", [file("f", "1")]);
  assert.deepEqual(await sorted(trees), ["y"]);
  assert.deepEqual(await sorted(filter(new Repository(a.driver), (key) => key === "x")), ["x"]);
});

Deno.test("map() makes documents of documents, and is not written", async () => {
  const base = await documents("base", "x", "y");
  const lengths = map(base, (value, key) => `${key}: ${value.length}`);
  assert.equal(await lengths.get("x"), "x: 9");
  assert.deepEqual([...await lengths.getMany(["x", "none"])], [["x", "x: 9"]]);
  await assert.rejects(
    lengths.set("x", "1"),
    /^RepositoryError: Cannot write "x" of map\(base\): it is read-only here/,
  );
  await assert.rejects(
    lengths.delete("x"),
    /^RepositoryError: Cannot delete "x" of map\(base\): it is read-only/,
  );
  await assert.rejects(
    map(base, () => undefined).get("x"),
    coded(
      "invalid-value",
      'Cannot read "x" of map(base): its function made nothing of the document; return a value, or filter the key out',
    ),
  );
});

Deno.test("related() shows values under other keys, for each kind", async () => {
  const base = await blobs("portraits", "austen", "melville");
  const authors = new MemoryMetadataRepository<unknown>("authors");
  for (
    const [key, value] of Object.entries({
      emma: "austen",
      persuasion: "austen",
      walden: "thoreau",
      bad: { a: 1 },
      empty: "",
    })
  ) {
    await authors.set(key, value);
  }
  const view = related(base, authors);
  assert(view instanceof BlobRepository);
  assert.deepEqual(await sorted(view), ["emma", "persuasion"]);
  assert.equal(await view.text("emma"), "austen of portraits");
  for (const key of ["walden", "bad", "empty", "unknown"]) {
    assert.deepEqual([await view.has(key), await view.find(key), await view.info(key)], [
      false,
      undefined,
      undefined,
    ]);
  }
  await authors.set("typee", "melville");
  assert.equal(await view.text("typee"), "melville of portraits");
  assert.equal(view.driver.derived?.by, "opaque");

  const facts = await documents("facts", "austen");
  const many = await related(facts, authors).getMany(["emma", "persuasion", "walden"]);
  assert.deepEqual([...many].sort(), [["emma", "austen of facts"], ["persuasion", "austen of facts"]]);
  const trees = new MemoryFilesystemRepository("trees");
  await trees.put("austen", [file("f", "1")]);
  assert.equal(await new Response(await related(trees, authors).open("emma", "f")).text(), "1");
});

Deno.test("related() lists what it can when who lists is told the rest, also under other keys, and fails otherwise", async () => {
  const raw = new MemoryBlobRepository("raw");
  const authors = new YamlMetadataRepository<string>(raw);
  await authors.set("emma", "austen");
  await raw.put("alice", "[broken");
  const base = await blobs("portraits", "austen");
  const view = related(base, authors);
  const damaged = /^Cannot read "alice" of YAML in raw: it is no valid YAML: /;
  await assert.rejects(sorted(view), { code: "invalid-value", message: damaged });
  const listed = async (repository: Repository): Promise<unknown[]> => {
    const told: string[] = [];
    const keys: string[] = [];
    const onUnreadable = (key: string, error: unknown): void => {
      assert.match((error as Error).message, damaged);
      told.push(key);
    };
    for await (const page of repository.pages({ onUnreadable })) keys.push(...page);
    return [keys, told];
  };
  assert.deepEqual(await listed(view), [["emma"], ["alice"]]);
  const readings = new MemoryMetadataRepository<string>("readings");
  await readings.set("monday", "emma");
  await readings.set("tuesday", "alice");
  assert.deepEqual(await listed(related(view, readings)), [["monday"], ["tuesday"]]);
  const translate = { domain: readings, name: "by function" };
  const byFunction = related(base, async (key) => authors.get(await readings.get(key)), translate);
  assert.deepEqual(await listed(byFunction), [["monday"], ["tuesday"]]);
  const named = view.with(rekeyed({ to: (key) => key.slice(2), from: (key) => `x-${key}` }));
  assert.deepEqual(await listed(named), [["x-emma"], ["x-alice"]]);
  const kept = view.with(cachedKeys({ maxAge: "1h" }));
  for (let times = 0; times < 2; times++) assert.deepEqual(await listed(kept), [["emma"], ["alice"]]);
  await raw.put("alice", "austen\n");
  assert.deepEqual((await listed(kept)).flat().sort(), ["alice", "emma"]);
});

Deno.test("related() over an empty translator asks it again each time", async () => {
  const base = await blobs("base", "t");
  const translator = new MemoryMetadataRepository<string>("translator");
  const view = related(base, translator);
  assert.deepEqual(await sorted(view), []);
  await translator.set("k", "t");
  assert.deepEqual(await sorted(view), ["k"]);
});

Deno.test("related() refuses deletes and writes unless they are allowed; then they go to the base", async () => {
  const base = await blobs("base", "t");
  const domain = await documents("domain", "k", "other");
  const options = { domain, name: "rel" };
  const translate = (key: string): string | undefined => key === "k" ? "t" : undefined;
  await assert.rejects(
    related(base, translate, options).delete("k"),
    coded(
      "unsupported",
      'Cannot delete "k" of rel: it shows values of base under other keys; do that there, or make it with { writable: true }',
    ),
  );
  await assert.rejects(related(base, translate, options).put("k", "1"), /under other keys/);
  const view = related(base, translate, { ...options, writable: true });
  await view.put("k", "new");
  assert.equal(await base.text("t"), "new");
  await assert.rejects(
    view.put("other", "1"),
    coded("unsupported", 'Cannot write "other" of rel: this view does not hold such a key'),
  );
  await view.delete("other");
  await view.delete("k");
  assert.equal(await base.has("t"), false);
  assert.equal(await domain.has("k"), true);
});

Deno.test("related() by a function wants to know where its keys come from", async () => {
  const base = await blobs("base", "p-a", "b");
  assert.throws(
    () => related(base, (key) => `p-${key}`),
    coded(
      "invalid-definition",
      "Cannot list what a function relates: nothing says which keys it takes; give `domain`, a repository of them, or `inverse`, a function back",
    ),
  );
  const inverse = (key: string): string | undefined => key.startsWith("p-") ? key.slice(2) : undefined;
  assert.deepEqual(await sorted(related(base, (key) => `p-${key}`, { inverse })), ["a"]);
  const domain = await documents("domain", "a", "z");
  assert.deepEqual(await sorted(related(base, (key) => Promise.resolve(`p-${key}`), { domain })), ["a"]);
});

Deno.test("related() refuses a translation that depends on itself", async () => {
  const base = await documents("base", "t");
  const domain = await documents("domain", "k");
  const view: MetadataRepository<string> = related(base, async (key): Promise<string | undefined> => {
    return await view.find(key);
  }, { domain, name: "circle" });
  await assert.rejects(
    view.find("k"),
    coded(
      "invalid-definition",
      'Cannot translate "k" of circle: its translation depends on itself ("k" -> "k"); translate by something else',
    ),
  );
  const one: MetadataRepository<string> = related(base, (key): Promise<string | undefined> => two.find(key), {
    domain,
    name: "one",
  });
  const two: MetadataRepository<string> = related(base, (key): Promise<string | undefined> => one.find(key), {
    domain,
    name: "two",
  });
  await assert.rejects(
    two.has("k"),
    /Cannot translate "k" of two: its translation depends on itself \("k" -> "k"\)/,
  );
  await assert.rejects(sorted(one), /Cannot translate "k" of one: its translation depends on itself/);
  const many = await Promise.all(
    Array.from({ length: 50 }, () => related(base, () => "t", { domain }).has("k")),
  );
  assert(many.every(Boolean));
});

Deno.test("overlay() writes to the first and shows the others through", async () => {
  const [top, below] = [await blobs("top"), await blobs("below", "x", "y")];
  const view = overlay(top, below);
  assert.deepEqual(await sorted(view), ["x", "y"]);
  await view.put("x", "new");
  assert.deepEqual([await view.text("x"), await below.text("x"), await top.text("x")], [
    "new",
    "x of below",
    "new",
  ]);
  assert.deepEqual(await sorted(view), ["x", "y"]);
  await assert.rejects(
    view.delete("x"),
    coded(
      "unsupported",
      'Cannot delete "x" of overlay(top, below): it lies in below, which is only read here; delete it there',
    ),
  );
  await view.put("z", "1");
  await view.delete("z");
  await view.delete("never");
  assert.equal(await view.has("z"), false);
});

Deno.test("a view cancels the stream of a write that it refuses", async () => {
  const cancelled = Promise.withResolvers<unknown>();
  const view = and(await blobs("a"), await blobs("b"));
  await assert.rejects(view.put("x", new ReadableStream({ cancel: cancelled.resolve })));
  assert.match(String(await cancelled.promise), /it is a view of others/);
});

Deno.test("a view gives nothing for a value that goes while it is looked for", async () => {
  const a = await blobs("a", "x");
  const vanishing = new BlobRepository({
    ...a.driver,
    async has(key, options) {
      const there = await a.driver.has(key, options);
      await a.driver.delete(key);
      return there;
    },
  });
  assert.equal(await and(vanishing).find("x"), undefined);
  await a.driver.write("x", encodeText("1"));
  await assert.rejects(and(vanishing).open("x"), { code: "not-found" });
});

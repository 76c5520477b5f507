/** What holds for the keys of every repository, whatever store is beneath: which are let through, and what it costs to ask for one. */
import assert from "node:assert/strict";
import {
  and,
  type AnyRepository,
  BlobRepository,
  cached,
  compressed,
  ContentAddressedRepository,
  encoded,
  except,
  fallback,
  FilesystemRepository,
  filter,
  keeping,
  keepingWhere,
  type KeyDriver,
  map,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  MetadataRepository,
  observed,
  or,
  overlay,
  packed,
  prefixed,
  readOnly,
  rekeyed,
  related,
  retrying,
  yaml,
} from "../../mod.ts";

/** Names that would lead somewhere else, or that no store need be able to keep. */
const BAD = [
  "../up",
  "/etc/hostname",
  "a/b",
  "..%2Fup",
  "",
  ".",
  "..",
  "-a",
  "a\0",
  "a\n",
  "é",
  "x".repeat(129),
];

/** A store that must not be asked anything. */
function untouched<D extends KeyDriver>(driver: D): D {
  const touch = (): never => assert.fail("the store was asked");
  return Object.fromEntries(
    Object.entries(driver).map(([name, value]) => [name, typeof value === "function" ? touch : value]),
  ) as unknown as D;
}

const every = {
  has: (repository: AnyRepository, key: string) => repository.has(key),
  info: (repository: AnyRepository, key: string) => repository.info(key),
  delete: (repository: AnyRepository, key: string) => repository.delete(key),
};

Deno.test("no operation of any repository lets a name through that is no valid key, or asks the store", async () => {
  const blobs = new BlobRepository(untouched(new MemoryBlobRepository("blobs").driver));
  const documents = new MetadataRepository(untouched(new MemoryMetadataRepository("documents").driver));
  const trees = new FilesystemRepository(untouched(new MemoryFilesystemRepository("trees").driver));
  const calls: [name: string, call: (key: string) => Promise<unknown>][] = [
    ...[blobs, documents, trees].flatMap((repository) =>
      Object.entries(every).map(([name, call]) =>
        [`${name} of ${repository}`, (key: string) => call(repository, key)] as [string, typeof calls[0][1]]
      )
    ),
    ["open of blobs", (key) => blobs.open(key)],
    ["find of blobs", (key) => blobs.find(key)],
    ["bytes of blobs", (key) => blobs.bytes(key)],
    ["text of blobs", (key) => blobs.text(key)],
    ["put of blobs", (key) => blobs.put(key, "x")],
    ["create of blobs", async (key) => await new Blob(["x"]).stream().pipeTo(blobs.create(key))],
    ["find of documents", (key) => documents.find(key)],
    ["get of documents", (key) => documents.get(key)],
    ["set of documents", (key) => documents.set(key, 1)],
    ["getMany of documents", (key) => documents.getMany(["good", key])],
    ["setMany of documents", (key) => documents.setMany([["good", 1], [key, 1]])],
    ["entries of trees", (key) => trees.entries(key)],
    ["open of trees", (key) => trees.open(key, "f")],
    ["put of trees", (key) => trees.put(key, [])],
  ];
  for (const [name, call] of calls) {
    for (const key of BAD) {
      await assert.rejects(
        call(key),
        { code: "invalid-key", message: /: not a valid key; use / },
        `${name} with ${JSON.stringify(key)}`,
      );
    }
  }
});

Deno.test("whether a key is there is asked of the store itself, by no layer and no view with a listing", async () => {
  /** Forbids listings of what lies beneath, which is written before. */
  const unlisted = <R extends AnyRepository>(repository: R, kind: new (driver: never) => R): R =>
    new kind(
      { ...repository.driver, keys: () => assert.fail(`${repository.name} was listed`) } as never,
    );
  const blobs = new MemoryBlobRepository("blobs");
  const documents = new MemoryMetadataRepository("documents");
  const trees = new MemoryFilesystemRepository("trees");
  const others = new MemoryBlobRepository("others");
  await trees.put("there", []);
  await documents.set("there", "there");
  const b = unlisted(blobs, BlobRepository as never);
  const d = unlisted(documents as MetadataRepository<string>, MetadataRepository as never);
  const o = unlisted(others, BlobRepository as never);
  const identity = { to: (key: string) => key, from: (key: string) => key };
  const views: readonly AnyRepository[] = [
    b.with(compressed("gzip")),
    new FilesystemRepository(packed()(b.driver)),
    new MetadataRepository(encoded(b.driver, yaml)),
    new ContentAddressedRepository(o, d as never),
    b.with(keeping(() => true)),
    b.with(rekeyed(identity)),
    b.with(retrying()),
    b.with(observed(() => {})),
    b.with(readOnly()),
    d.with(cached({ maxAge: "1h" })),
    d.with(keepingWhere(() => true)),
    and(b, d),
    or(o, b),
    except(b, o),
    overlay(o, b),
    filter(b, () => true),
    map(d, (value) => value),
    fallback(
      d,
      unlisted(
        new MemoryMetadataRepository("second") as MetadataRepository<string>,
        MetadataRepository as never,
      ),
    ),
    related(b, d),
  ];
  await blobs.put("there", "x");
  for (const view of views) {
    assert.equal(await view.has("there"), true, view.name);
    assert.equal(await view.has("absent"), false, view.name);
  }
  const kept = new MemoryBlobRepository("kept");
  await kept.put("p-there", "x");
  assert.equal(await unlisted(kept, BlobRepository as never).with(prefixed("p-")).has("there"), true);
});

Deno.test("a listing of several pages warns once on the console of all names that are no keys, and names a few", async (t) => {
  const { driver } = new MemoryBlobRepository("the books");
  const listed = (...pages: string[][]) =>
    new BlobRepository({
      ...driver,
      async *keys() {
        yield* pages;
      },
    });
  const { warn } = console;
  const warnings: unknown[][] = [];
  const seen = async (repository: BlobRepository): Promise<string[]> => {
    warnings.length = 0;
    console.warn = (...words) => void warnings.push(words);
    try {
      return await Array.fromAsync(repository);
    } finally {
      console.warn = warn;
    }
  };
  await t.step("several", async () => {
    assert.deepEqual(await seen(listed(["emma", "a/b"], ["..", "é", "moby-dick"], ["-a"])), [
      "emma",
      "moby-dick",
    ]);
    assert.deepEqual(warnings, [[
      'Skipped 4 names that are no valid keys in the books: "a/b", "..", "é", …',
    ]]);
  });
  await t.step("one", async () => {
    await seen(listed(["emma"], ["a/b"]));
    assert.deepEqual(warnings, [['Skipped 1 name that is no valid key in the books: "a/b"']]);
  });
  await t.step("none", async () => {
    await seen(listed(["emma"], ["moby-dick"]));
    assert.deepEqual(warnings, []);
  });
});

/** The rules of `docs/layers.md` for deletes and `watch`, of every combinator and layer over stores in memory. */
import assert from "node:assert/strict";
import {
  and,
  BlobRepository,
  cached,
  cachedKeys,
  compressed,
  ContentAddressedRepository,
  encoded,
  encrypted,
  except,
  fallback,
  FilesystemRepository,
  filter,
  json,
  JsonMetadataRepository,
  keeping,
  keepingWhere,
  type KeyDriver,
  type Manifest,
  map,
  MemoryBlobRepository,
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
  type Repository,
  retrying,
  validated,
} from "../../../mod.ts";
import { isDatataskError } from "../../../core/errors.ts";

/** What happens to a key that is in both `a` and `b` when `a` is written, and when the key is deleted. */
interface Rule {
  /** What the watch tells. Default: that the key is present. */
  readonly tells?: "rescan" | { readonly key?: string; readonly present?: boolean };
  /** What a delete of the key does. Default: it removes the value beneath. */
  readonly deletes?: "refused" | "refused, also when absent";
}

type Documents = MetadataRepository<number>;

const VIEW = { deletes: "refused, also when absent" } as const;

/** Rules over two repositories of documents. */
const OF_DOCUMENTS: Readonly<
  Record<string, readonly [make: (a: Documents, b: Documents) => Repository, Rule]>
> = {
  and: [(a, b) => and(a, b), VIEW],
  or: [(a, b) => or(a, b), VIEW],
  except: [(a, b) => except(a, b), { ...VIEW, tells: { present: false } }],
  overlay: [(a, b) => overlay(a, b), { deletes: "refused" }],
  fallback: [(a, b) => fallback(a, b), {}],
  filter: [(a) => filter(a, (key) => key === "one"), {}],
  map: [(a) => map(a, String), VIEW],
  related: [(a, b) => related(a, (key) => key, { domain: b }), { ...VIEW, tells: "rescan" }],
  keeping: [(a) => a.with(keeping((key) => key === "one")), {}],
  keepingWhere: [(a) => a.with(keepingWhere<number>((n) => n > 0)), {}],
  prefixed: [(a) => a.with(prefixed("o")), { tells: { key: "ne" } }],
  rekeyed: [(a) => a.with(rekeyed({ to: (key) => key.slice(1), from: (key) => `x${key}` })), {
    tells: { key: "xone" },
  }],
  readOnly: [(a) => a.with(readOnly()), VIEW],
  retrying: [(a) => a.with(retrying()), {}],
  observed: [(a) => a.with(observed(() => {})), {}],
  cached: [(a) => a.with(cached({ maxAge: "1h" })), {}],
  cachedKeys: [(a) => a.with(cachedKeys({ maxAge: "1h" })), {}],
  validated: [(a) => a.with(validated<number>({ type: "number" })), {}],
};

/** Over a repository of blobs: all are as beneath. A name of several words is another kind of a row. */
const OF_BLOBS: Readonly<Record<string, (blobs: BlobRepository) => Repository>> = {
  compressed: (blobs) => blobs.with(compressed("gzip")),
  encrypted: (blobs) => blobs.with(encrypted({ current: "k", keys: { k: new Uint8Array(32) } })),
  encoded: ({ driver }) => new MetadataRepository(encoded(driver, json)),
  packed: ({ driver }) => new FilesystemRepository(packed()(driver)),
  "cached of blobs": (blobs) => blobs.with(cached({ maxAge: "1h" })),
  "cached in a folder": (blobs) => blobs.with(cached({ maxAge: "1h", folder: "is-never-made" })),
  "fallback of blobs": (blobs) => fallback(blobs, new MemoryBlobRepository(), { maxBytes: 0 }),
  ContentAddressedRepository: (blobs) =>
    new ContentAddressedRepository(new MemoryBlobRepository(), new JsonMetadataRepository<Manifest>(blobs)),
};

async function keeps(
  made: Repository,
  parts: readonly Repository[],
  write: () => Promise<void>,
  { tells, deletes }: Rule,
): Promise<void> {
  const controller = new AbortController();
  const watch = made.watch({ signal: controller.signal })![Symbol.asyncIterator]();
  const first = watch.next();
  await write();
  const told = { key: "one", present: true, ...(tells === "rescan" ? {} : tells) };
  assert.deepEqual((await first).value, tells === "rescan" ? tells : told);
  controller.abort();
  await watch.next();

  const refused = (error: unknown): boolean => isDatataskError(error, "unsupported");
  if (deletes === undefined) {
    await made.delete(told.key);
    assert.equal(await made.has(told.key), false);
    assert.equal(await parts[0]!.has("one"), false);
  } else {
    await assert.rejects(made.delete(told.key), refused);
    for (const part of parts) assert.equal(await part.has("one"), true);
  }
  if (deletes === "refused, also when absent") await assert.rejects(made.delete("absent"), refused);
  else await made.delete("absent");
}

/** A driver that cannot tell of changes. */
function silent<D extends KeyDriver>({ watch: _, ...driver }: D): D {
  return driver as unknown as D;
}

for (const [name, [make, rule]] of Object.entries(OF_DOCUMENTS)) {
  Deno.test(`${name} deletes and watches by its rule`, async () => {
    const [a, b] = [new MemoryMetadataRepository<number>("a"), new MemoryMetadataRepository<number>("b")];
    for (const each of [a, b]) await each.set("one", 1);
    await keeps(make(a, b), [a, b], () => a.set("one", 2), rule);
    const mute = make(new MetadataRepository(silent(a.driver)), b);
    assert.equal(mute.watch({}), undefined, "a store beneath cannot tell");
  });
}

for (const [name, make] of Object.entries(OF_BLOBS)) {
  Deno.test(`${name} deletes and watches as beneath`, async () => {
    const blobs = new MemoryBlobRepository();
    await keeps(make(blobs), [blobs], () => blobs.put("one", "x"), {});
    assert.equal(make(new BlobRepository(silent(blobs.driver))).watch({}), undefined);
  });
}

Deno.test("docs/layers.md has a row for each combinator and layer", async () => {
  const text = await Deno.readTextFile(new URL("../../../docs/layers.md", import.meta.url));
  const rows = [...text.matchAll(/^\| `(\w+)\(/gm)].map(([, name]) => name!);
  const made = [...Object.keys(OF_DOCUMENTS), ...Object.keys(OF_BLOBS)].filter((name) => !name.includes(" "));
  assert.deepEqual(rows.sort(), [...made, "fixed"].sort());
});

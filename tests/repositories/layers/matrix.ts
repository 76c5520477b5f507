/**
 * Every layer and combinator over every driver: one table for each kind of value, put to the conformance suites.
 *
 * A file for each backend (`over_mongodb_test.ts`) says how its drivers are had; the rest is here.
 *
 * @module
 */
import assert from "node:assert/strict";
import { json } from "../../../core/codec.ts";
import { and } from "../../../repositories/combine/and.ts";
import { ContentAddressedRepository } from "../../../repositories/combine/content_addressed.ts";
import { except } from "../../../repositories/combine/except.ts";
import { fallback } from "../../../repositories/combine/fallback.ts";
import { fixed, type Item } from "../../../repositories/combine/fixed.ts";
import { filter } from "../../../repositories/combine/filter.ts";
import type { Manifest } from "../../../repositories/combine/manifest.ts";
import { map } from "../../../repositories/combine/map.ts";
import { or } from "../../../repositories/combine/or.ts";
import { overlay } from "../../../repositories/combine/overlay.ts";
import { related } from "../../../repositories/combine/related.ts";
import { BlobRepository } from "../../../repositories/blob.ts";
import type {
  BlobDriver,
  FilesystemDriver,
  KeyDriver,
  MetadataDriver,
} from "../../../repositories/driver.ts";
import { encoded } from "../../../repositories/encoded.ts";
import { FilesystemRepository } from "../../../repositories/filesystem.ts";
import { cached, type FolderCacheLayer } from "../../../repositories/layers/cached.ts";
import { cachedKeys } from "../../../repositories/layers/cached_keys.ts";
import { compressed } from "../../../repositories/layers/compressed.ts";
import { encrypted } from "../../../repositories/layers/encrypted.ts";
import { keeping } from "../../../repositories/layers/keeping.ts";
import { keepingWhere } from "../../../repositories/layers/keeping_where.ts";
import { observed } from "../../../repositories/layers/observed.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { readOnly } from "../../../repositories/layers/read_only.ts";
import { prefixed, rekeyed } from "../../../repositories/layers/rekeyed.ts";
import { retrying } from "../../../repositories/layers/retrying.ts";
import { MetadataRepository } from "../../../repositories/metadata.ts";
import { validated } from "../../../repositories/schema.ts";
import { yaml } from "../../../repositories/yaml.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import { type Harness, listsExactly } from "../../../testing/suite.ts";
import { file } from "../../../testing/trees.ts";

/** Somewhere to put stores of one test: each call gives the store of that name, by a connection of its own. */
export type Place<D extends KeyDriver> = (name: string, stack: AsyncDisposableStack) => D | Promise<D>;

/** A backend. */
export interface Backend<D extends KeyDriver> {
  /** What its driver is called, for the names of tests: `mongoBlobDriver()`. */
  readonly name: string;
  /** A place that nobody else has; what must be cleaned up goes onto the stack. */
  place(stack: AsyncDisposableStack): Place<D> | Promise<Place<D>>;
  /** Registers a test. */
  readonly test?: Harness<KeyDriver>["test"];
  /**
   * What is put to the whole suite, and not to the brief one: every row, those that change what flows, or a sample of these. The brief suite
   * leaves out large values, long listings and races, to which a layer adds nothing that it would not add over memory. @default "sample"
   */
  readonly whole?: "every" | "changing" | "sample";
  /** How many keys the long listings of whole suites have. @default 60 */
  readonly many?: number;
  /** The size of the huge value, for some that change what flows. @default None is tried */
  readonly huge?: number;
}

/** One layer or combinator: how it is made of stores of one kind. */
interface Row<D extends KeyDriver, K extends KeyDriver = D> {
  over(first: D, second: D, stack: AsyncDisposableStack): K;
  /** Whether it needs a second store; it gets the first again otherwise. */
  readonly two?: true;
  /** Whether it changes what flows: the driver beneath meets other values than those that are written. `sample`: it stands for the others. */
  readonly changes?: true | "sample";
  /** Whether it is given a huge value: it reads or writes in a way of its own. */
  readonly huge?: true;
  readonly except?: Harness<K>["except"];
}

type Rows<D extends KeyDriver, K extends KeyDriver = D> = Readonly<Record<string, Row<D, K>>>;

const reverse = (key: string): string => [...key].reverse().join("");
const NO_ROOM = [{
  case: "takes every valid key and keeps them apart",
  because: "a key of 128 characters has no room for a prefix",
}] as const;

const SEEN_LATER = [{
  case: "write: ifVersion loses no update of many that race",
  because: "what others write is seen after maxAge",
}] as const;

/** A repository of some kind; called one of blobs, since the overloads of combinators take each kind by itself. */
type AsRepository = (driver: KeyDriver) => BlobRepository;

/** What fits every kind of value, and passes values on as they are. */
function forEveryKind<D extends KeyDriver>(as: AsRepository): Rows<D> {
  const view = (combine: (first: BlobRepository, second: BlobRepository) => unknown): Row<D> => ({
    over: (first, second) => (combine(as(first), as(second)) as { readonly driver: unknown }).driver as D,
  });
  return {
    "keeping()": { over: keeping((key) => !key.startsWith("hidden-"), { id: "not-hidden" }) },
    "rekeyed()": { over: rekeyed({ to: reverse, from: reverse }, { id: "reversed" }) },
    "prefixed()": { over: prefixed("p-"), except: NO_ROOM },
    "retrying()": { over: retrying() },
    "observed()": { over: observed(() => {}) },
    "readOnly()": { over: readOnly() },
    "cachedKeys()": { over: cachedKeys({ maxAge: "50ms" }) },
    "and()": view((first) => and(first, first)),
    "or()": view((first) => or(first, first)),
    "except()": { ...view((first, second) => except(first, second)), two: true },
    // The size is for blobs and trees; of documents the first store takes what it can hold.
    "fallback()": { ...view((first, second) => fallback(first, second, { maxBytes: 50_000 })), two: true },
    "overlay()": { ...view((first, second) => overlay(first, second)), two: true },
    "filter()": view((first) => filter(first, (key) => !key.startsWith("hidden-"), { id: "not-hidden" })),
    "related()": view((first) =>
      related(first, reverse, { inverse: reverse, writable: true, id: "reversed" })
    ),
    "related() read-only": view((first) =>
      related(first, (key) => key, { inverse: (key) => key, id: "same" })
    ),
  };
}

const BLOB_LAYERS: Rows<BlobDriver> = {
  ...forEveryKind((driver) => new BlobRepository(driver as BlobDriver)),
  "cached()": { over: (blobs) => cached({ maxAge: "1h" })(blobs), except: SEEN_LATER },
  "cached() in a folder": { over: (blobs, _, stack) => cachedInFolder(stack)(blobs) },
};

/** A cache in a folder of its own, as on another machine, which looks at the version with each read. */
function cachedInFolder(stack: AsyncDisposableStack): FolderCacheLayer {
  const folder = Deno.makeTempDirSync();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  return cached({ maxAge: 0, folder });
}

const BYTE_LAYERS: Rows<BlobDriver> = {
  'compressed("gzip")': { over: compressed("gzip"), changes: "sample" },
  'compressed("zstd")': { over: compressed("zstd"), changes: true, huge: true },
  "encrypted()": {
    over: encrypted({ current: "main", keys: { main: new Uint8Array(32).fill(7) } }),
    changes: true,
    huge: true,
  },
};

const sealed = BYTE_LAYERS["encrypted()"]!.over as (blobs: BlobDriver) => BlobDriver;

const DOCUMENTS_OF_BLOBS: Rows<BlobDriver, MetadataDriver> = {
  "JSON": { over: (blobs) => encoded(blobs, json), changes: true },
  "YAML": { over: (blobs) => encoded(blobs, yaml), changes: "sample" },
  "YAML over encrypted()": { over: (blobs) => encoded(sealed(blobs), yaml) },
};

const TREES_OF_BLOBS: Rows<BlobDriver, FilesystemDriver> = {
  "packed()": { over: packed(), changes: "sample", huge: true },
  "packed(gzip)": { over: packed({ compression: "gzip" }), changes: true },
  "packed(zstd)": { over: packed({ compression: "zstd" }), changes: true },
  "packed() over encrypted()": { over: (blobs) => packed()(sealed(blobs)) },
  "ContentAddressedRepository": {
    over: (blobs, documents) => contentAddressed(blobs, encoded(documents, json)),
    two: true,
    changes: true,
    huge: true,
  },
};

/** Trees of two stores. */
function contentAddressed(blobs: BlobDriver, documents: MetadataDriver): FilesystemDriver {
  const manifests = new MetadataRepository<Manifest>(documents as MetadataDriver<Manifest>);
  return new ContentAddressedRepository(new BlobRepository(blobs), manifests).driver;
}

const documentsOf = (driver: KeyDriver): MetadataRepository =>
  new MetadataRepository(driver as MetadataDriver);

const DOCUMENT_LAYERS: Rows<MetadataDriver> = {
  ...forEveryKind(documentsOf as unknown as AsRepository),
  "keepingWhere()": { over: keepingWhere((value) => value !== "hidden", { id: "not-hidden" }) },
  "validated()": { over: validated({}) },
  "cached()": { over: (documents) => cached({ maxAge: "1h" })(documents), except: SEEN_LATER },
  "map()": { over: (documents) => map(documentsOf(documents), (value) => value, { id: "same" }).driver },
};

const TREE_LAYERS: Rows<FilesystemDriver> = {
  ...forEveryKind(
    ((driver: KeyDriver) => new FilesystemRepository(driver as FilesystemDriver)) as unknown as AsRepository,
  ),
  "cached() in a folder": { over: (trees, _, stack) => cachedInFolder(stack)(trees) },
};

/** How a suite gets at a layer over a backend. */
function harness<D extends KeyDriver, K extends KeyDriver>(
  backend: Backend<D>,
  row: Row<D, K>,
): Harness<K> {
  const made = new WeakMap<KeyDriver, { readonly place: Place<D>; readonly first: D }>();
  const open = async (place: Place<D>, stack: AsyncDisposableStack): Promise<K> => {
    const first = await place("first", stack);
    const driver = row.over(first, row.two ? await place("second", stack) : first, stack);
    made.set(driver, { place, first });
    return driver;
  };
  return {
    make: async (stack) => await open(await backend.place(stack), stack),
    reopen: async (driver, stack) => await open(made.get(driver)!.place, stack),
    writer: (driver) => made.get(driver)!.first as unknown as K,
    ...(isWhole(backend, row)
      ? { many: backend.many ?? 60, ...(row.huge && backend.huge !== undefined && { huge: backend.huge }) }
      : { brief: true }),
    ...(row.except && { except: row.except }),
    ...(backend.test && { test: backend.test }),
  };
}

function isWhole(
  { whole }: Pick<Backend<KeyDriver>, "whole">,
  { changes }: Pick<Row<KeyDriver>, "changes">,
): boolean {
  return whole === "every" || (whole === "changing" ? changes !== undefined : changes === "sample");
}

function testRows<D extends KeyDriver, K extends KeyDriver>(
  backend: Backend<D>,
  rows: Rows<D, K>,
  suite: (name: string, harness: Harness<K>) => void,
): void {
  for (const [name, row] of Object.entries(rows)) {
    suite(`${name} over ${backend.name}`, harness(backend, row));
  }
}

/** Registers the test of `fixed()`, which makes no driver: an item is used by its methods. */
function testFixed<D extends KeyDriver>(backend: Backend<D>, use: (driver: D) => Promise<Item>): void {
  const register = backend.test ?? ((name, fn) => Deno.test(name, fn));
  register(`fixed() over ${backend.name}`, async () => {
    await using stack = new AsyncDisposableStack();
    const place = await backend.place(stack);
    const driver = await place("first", stack);
    await driver.prepare?.();
    const item = await use(driver);
    assert.equal(await item.has(), true);
    await listsExactly(driver, ["one"]);
    await item.delete();
    assert.deepEqual([await item.has(), await item.info()], [false, undefined]);
    await listsExactly(driver, []);
  });
}

/** Puts every layer that fits blobs to the suites over a backend. */
export function testLayersOfBlobs(backend: Backend<BlobDriver>): void {
  testRows(backend, BLOB_LAYERS, testBlobDriver);
  testValuesOfBlobs(backend);
  testFixed(backend, async (driver) => {
    const item = fixed(new BlobRepository(driver), "one");
    await item.put("text");
    assert.equal(await item.text(), "text");
    assert.equal(await new Response(await item.open()).text(), "text");
    return item;
  });
}

/** Puts what changes the bytes of blobs, or makes documents and trees of them, to the suites over a backend. */
export function testValuesOfBlobs(backend: Backend<BlobDriver>): void {
  testRows(backend, BYTE_LAYERS, testBlobDriver);
  testRows(backend, DOCUMENTS_OF_BLOBS, testMetadataDriver);
  testRows(backend, TREES_OF_BLOBS, testFilesystemDriver);
}

/** Puts every layer that fits documents to the suites over a backend. */
export function testLayersOfDocuments(backend: Backend<MetadataDriver>): void {
  testRows(backend, DOCUMENT_LAYERS, testMetadataDriver);
  testFixed(backend, async (driver) => {
    const item = fixed(documentsOf(driver), "one");
    await item.set({ n: 1 });
    assert.deepEqual([await item.get(), await item.find()], [{ n: 1 }, { n: 1 }]);
    return item;
  });
}

/** Puts every layer that fits trees of files to the suites over a backend. */
export function testLayersOfTrees(backend: Backend<FilesystemDriver>): void {
  testRows(backend, TREE_LAYERS, testFilesystemDriver);
  testFixed(backend, async (driver) => {
    const item = fixed(new FilesystemRepository(driver), "one");
    await item.put([file("f", "text")]);
    assert.equal(await new Response(await item.open("f")).text(), "text");
    return item;
  });
}

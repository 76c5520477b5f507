/**
 * What must not compile of combinators and layers whose options depend on the kind of value. Each `@ts-expect-error` is an assertion: when
 * the line below it compiles, the check of this file fails.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type BlobRepository,
  cached,
  fallback,
  type FilesystemRepository,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  type MetadataRepository,
} from "../../mod.ts";

const blobs = new MemoryBlobRepository("blobs");
const pages = new MemoryMetadataRepository<{ readonly title: string }>("pages");
const numbers = new MemoryMetadataRepository<number>("numbers");
const trees = new MemoryFilesystemRepository("trees");

/** The type of one value is exactly another. */
type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <_T extends true>(): void => {};

Deno.test("fallback is of two repositories of one kind, and gives that kind", () => {
  const [b, t, d] = [
    fallback(blobs, blobs, { maxBytes: 1 }),
    fallback(trees, trees, { maxBytes: 1 }),
    fallback(pages, pages, { when: ({ title }) => title === "" }),
  ];
  holds<Is<typeof b, BlobRepository>>();
  holds<Is<typeof t, FilesystemRepository>>();
  holds<Is<typeof d, MetadataRepository<{ readonly title: string }>>>();
  assert.deepEqual([b.kind, t.kind, d.kind], ["blob", "filesystem", "metadata"]);
});

Deno.test("fallback of what does not go together does not compile", () => {
  void (() => {
    // @ts-expect-error blobs are told apart by their size
    fallback(blobs, blobs);
    // @ts-expect-error a stream cannot be shown to a function before it is taken in
    fallback(blobs, blobs, { when: () => true });
    // @ts-expect-error documents are told apart by what they say
    fallback(pages, pages, { maxBytes: 1 });
    // @ts-expect-error two kinds
    fallback(blobs, trees, { maxBytes: 1 });
    // @ts-expect-error two kinds of documents
    fallback(pages, numbers);
  });
});

Deno.test("cached keeps documents and blobs in memory, blobs and trees in a folder, and gives their kind", () => {
  const memory = cached({ maxAge: "1m", maxSize: 1 });
  const folder = cached({ maxAge: "1m", folder: "is-never-made", onTrouble: () => {} });
  const [d, b] = [pages.with(memory), blobs.with(memory)];
  const [f, t] = [blobs.with(folder), trees.with(folder)];
  holds<Is<typeof d, MetadataRepository<{ readonly title: string }>>>();
  holds<Is<typeof b, BlobRepository>>();
  holds<Is<typeof f, BlobRepository>>();
  holds<Is<typeof t, FilesystemRepository>>();
  assert.deepEqual([d.kind, b.kind, f.kind, t.kind], ["metadata", "blob", "blob", "filesystem"]);
});

Deno.test("cached of what it has no place for does not compile", () => {
  void (() => {
    // @ts-expect-error a tree may be larger than memory
    trees.with(cached({ maxAge: "1m" }));
    // @ts-expect-error a folder holds bytes
    pages.with(cached({ maxAge: "1m", folder: "x" }));
    // @ts-expect-error how old may it be?
    cached({ folder: "x" });
    // @ts-expect-error memory has no trouble
    cached({ maxAge: "1m", onTrouble: () => {} });
  });
});

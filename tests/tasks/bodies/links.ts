/** The links of the bodies in this folder; only their type is imported there. */
import {
  allocated,
  type FileRepository,
  input,
  lookup,
  type MemoryBlobRepository,
  type MemoryFilesystemRepository,
  type MemoryMetadataRepository,
  type MetadataRepository,
  output,
  outputs,
  requires,
  stream,
} from "../../../mod.ts";

/** A text to a text. */
export function textLinks(from: MemoryBlobRepository, to: MemoryBlobRepository) {
  return { from: input(from), to: output(to) };
}

/** Links of every kind. */
export function allLinks(stores: {
  readonly texts: MemoryBlobRepository;
  readonly documents: MemoryMetadataRepository<{ readonly n: number }>;
  readonly trees: MemoryFilesystemRepository;
  readonly outTexts: MemoryBlobRepository;
  readonly outStreams: MemoryBlobRepository;
  readonly outDocuments: MemoryMetadataRepository<unknown>;
  readonly outTrees: MemoryFilesystemRepository;
  readonly index: MemoryMetadataRepository<unknown>;
}) {
  return {
    texts: input(stores.texts),
    documents: input(stores.documents),
    trees: input(stores.trees),
    value: input(stores.documents, { as: "value" }),
    key: input(stores.texts, { as: "key" }),
    outTexts: output(stores.outTexts, { cokeyed: { index: stores.index } }),
    outStreams: output(stores.outStreams),
    outDocuments: output(stores.outDocuments),
    outTrees: output(stores.outTrees),
  };
}

/** Links to many values. */
export function manyLinks(stores: {
  readonly books: MemoryBlobRepository;
  readonly words: MemoryMetadataRepository<string>;
  readonly chapters: MemoryBlobRepository;
  readonly pages: MemoryBlobRepository;
  readonly sums: MemoryMetadataRepository<unknown>;
}) {
  return {
    books: input(stores.books, { as: "key" }),
    words: lookup(stores.words),
    chapters: stream(stores.chapters, { of: allocated() }),
    pages: outputs(stores.pages),
    sums: output(stores.sums),
  };
}

/** What the body that uses everything links. */
export interface Everything {
  readonly books: MemoryBlobRepository;
  readonly settings: MemoryMetadataRepository<{ readonly since: Date; readonly big: bigint }>;
  readonly words: MemoryBlobRepository;
  readonly facts: MemoryMetadataRepository<unknown>;
  readonly shelves: MemoryFilesystemRepository;
  readonly chapters: MemoryBlobRepository;
  readonly titles: MemoryMetadataRepository<{ readonly title: string; readonly at: Date }>;
  readonly plates: MemoryFilesystemRepository;
  readonly pages: MemoryBlobRepository;
  readonly notes: MemoryMetadataRepository<
    { readonly of: string; readonly called: string; readonly bytes: Uint8Array }
  >;
  readonly scans: MemoryBlobRepository;
  readonly albums: MemoryFilesystemRepository;
  readonly cards: MemoryMetadataRepository<{ readonly by: string; readonly n: bigint }>;
  readonly sums: MemoryMetadataRepository<unknown>;
}

/** Links of every kind, to one value and to many. */
export function everyLink(stores: Everything) {
  return {
    books: input(stores.books),
    settings: input(stores.settings, { as: "value" }),
    words: lookup(stores.words),
    facts: lookup(stores.facts),
    shelves: lookup(stores.shelves),
    chapters: stream(stores.chapters, {
      of: allocated(),
      cokeyed: { titles: stores.titles, plates: stores.plates },
    }),
    pages: outputs(stores.pages, {
      cokeyed: { notes: stores.notes },
      values: { notes: ({ job, name }) => ({ of: job, called: name }) },
    }),
    scans: outputs(stores.scans, { keys: "content" }),
    albums: outputs(stores.albums, { keys: "name" }),
    cards: outputs(stores.cards, { own: ({ task }) => ({ by: task }) }),
    sums: output(stores.sums),
  };
}

/** Links of a body that counts what it reads. */
export function countLinks(stores: {
  readonly books: FileRepository;
  readonly words: FileRepository;
  readonly chapters: FileRepository;
  readonly pages: FileRepository;
  readonly marks: FileRepository;
  readonly sums: MetadataRepository<{ readonly chapters: number }>;
}) {
  return {
    books: requires(stores.books),
    words: lookup(stores.words),
    chapters: stream(stores.chapters, { of: allocated() }),
    pages: outputs(stores.pages),
    marks: outputs(stores.marks, { keys: "content" }),
    sums: output(stores.sums),
  };
}

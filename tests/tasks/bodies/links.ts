/** The links of the bodies in this folder; only their type is imported there. */
import {
  allocated,
  input,
  lookup,
  type MemoryBlobRepository,
  type MemoryFilesystemRepository,
  type MemoryMetadataRepository,
  output,
  outputs,
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

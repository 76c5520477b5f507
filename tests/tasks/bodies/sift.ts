/** A body that publishes what may be empty. */
import {
  type BodyContext,
  type MemoryBlobRepository,
  type MemoryFilesystemRepository,
  type MemoryMetadataRepository,
  output,
  outputs,
  requires,
  type TreeEntry,
} from "../../../mod.ts";

/** Where it publishes. */
export interface Sieve {
  readonly books: MemoryBlobRepository;
  readonly crumbs: MemoryBlobRepository;
  readonly notes: MemoryMetadataRepository<string>;
  readonly digests: MemoryBlobRepository;
  readonly shelves: MemoryFilesystemRepository;
  readonly kept: MemoryMetadataRepository<readonly (string | undefined)[]>;
}

/** Its links. */
export const siftLinks = ({ books, crumbs, notes, digests, shelves, kept }: Sieve) => ({
  books: requires(books),
  crumbs: outputs(crumbs, { keys: "name", cokeyed: { notes }, dropEmpty: true }),
  digests: outputs(digests, { keys: "content", dropEmpty: true }),
  shelves: outputs(shelves, { keys: "name", dropEmpty: true }),
  kept: output(kept),
});

const chunks = (...texts: string[]): ReadableStream<Uint8Array<ArrayBuffer>> =>
  ReadableStream.from(texts.map((text) => new TextEncoder().encode(text)));

async function* folder(): AsyncGenerator<TreeEntry> {
  yield { kind: "directory", path: "a", mode: 0o755 };
  yield { kind: "symlink", path: "b", target: "a" };
}

export default async function (
  { crumbs, digests, shelves, kept }: BodyContext<ReturnType<typeof siftLinks>>,
): Promise<void> {
  const keys = [
    await crumbs.write("text", "", { notes: "dropped" }),
    await crumbs.write("bytes", new Uint8Array()),
    await crumbs.write("stream", chunks("", "")),
    await crumbs.write("whole", chunks("", "a", "", "b"), { notes: "kept" }),
    await crumbs.write("letter", "c"),
    await digests.write(""),
    await digests.write(chunks("a", "b")),
    await shelves.write("none", []),
    await shelves.write("some", folder()),
  ];
  await kept.write(keys.map((key) => key ?? "nothing"));
}

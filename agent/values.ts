/**
 * Values as workers get them: blobs as they are, documents in the codec of the task, trees as tar archives.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type Bytes, encodeText, toStream } from "../core/bytes.ts";
import type { Codec } from "../core/codec.ts";
import { NotFoundError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { TreeEntry } from "../repositories/driver.ts";
import type { FilesystemRepository } from "../repositories/filesystem.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Repository } from "../repositories/repository.ts";
import { type Range, slice } from "./ranges.ts";
import { Refusal } from "./refusal.ts";

/** A value as a worker gets it. */
export interface Representation {
  /** How long it is, in bytes, where that is known without reading it. */
  readonly size: number | undefined;
  /** Changes whenever the bytes do; nothing where the store does not tell. */
  readonly tag: string | undefined;
  /** Its media type. */
  readonly type: string;
  /** Whether some of it is had without reading the rest. */
  readonly ranges: boolean;
  /** Opens it, or some of it. */
  open(signal: AbortSignal, range?: Range): Promise<ReadableStream<Bytes>>;
}

/**
 * A value as a worker gets it.
 *
 * @param repository Of which repository.
 * @param key Of which key.
 * @param documents How documents become bytes.
 * @param signal When to stop.
 * @returns How to have it.
 * @throws {NotFoundError} When it is not there.
 */
export async function representationOf(
  repository: Repository,
  key: Key,
  documents: Codec,
  signal: AbortSignal,
): Promise<Representation> {
  if (repository.kind === "metadata") {
    const bytes = await documents.encode(await (repository as MetadataRepository).get(key, { signal }));
    return inMemory(bytes, documents.mediaType);
  }
  const info = await repository.info(key, { signal });
  if (info === undefined) {
    throw new NotFoundError(`There is no "${key}" in ${repository.name}`, {
      operation: "read",
      subject: repository.name,
      key,
    });
  }
  const { version } = info;
  /** What was opened is what the tag stands for, unless it was replaced in between. */
  const unchanged = async <T>(opened: T, cancel: (opened: T) => unknown): Promise<T> => {
    if (version === undefined || (await repository.info(key, { signal }))?.version === version) return opened;
    await cancel(opened);
    throw new Refusal(503, `"${key}" of ${repository.name} is being replaced; try again`, {
      "Retry-After": "1",
    });
  };
  const tag = version === undefined ? undefined : tagOf(repository.driver.identity, key, version);
  if (repository.kind === "keys") return inMemory(new Uint8Array(), "application/octet-stream");
  if (repository.kind === "filesystem") {
    const trees = repository as FilesystemRepository;
    return {
      size: undefined,
      tag,
      type: "application/x-tar",
      ranges: false,
      async open(signal, range) {
        const entries = await unchanged(await trees.entries(key, { signal }), () => {});
        const archive = tarStream(entries, signal);
        return range ? slice(archive, range) : archive;
      },
    };
  }
  const blobs = repository as BlobRepository;
  const { ranges } = blobs.driver.supports;
  return {
    size: info.size,
    tag,
    type: "application/octet-stream",
    ranges,
    async open(signal, range) {
      const wanted = ranges ? range : undefined;
      const stream = await unchanged(
        await blobs.open(key, { signal, ...wanted }),
        (stream) => stream.cancel(),
      );
      return range && !wanted ? slice(stream, range) : stream;
    },
  };
}

/** A value that is in memory. */
export function inMemory(bytes: Bytes, type: string): Representation {
  return {
    size: bytes.length,
    tag: tagOf(bytes),
    type,
    ranges: true,
    open: (_signal, { start, end } = { start: 0, end: bytes.length }) =>
      Promise.resolve(toStream(bytes.subarray(start, end))),
  };
}

function tagOf(...parts: readonly (string | Bytes)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(typeof part === "string" ? encodeText(`${part}\0`) : part);
  return `"${hash.digest("hex").slice(0, 32)}"`;
}

/** A tree as a tar archive, made as fast as it is read. */
function tarStream(entries: AsyncIterable<TreeEntry>, signal: AbortSignal): ReadableStream<Bytes> {
  const { readable, writable } = new TransformStream<Bytes, Bytes>(
    undefined,
    { highWaterMark: 1 },
    { highWaterMark: 0 },
  );
  const write = async (): Promise<void> => {
    const { writeTar } = await import("../repositories/layers/tar.ts");
    await writeTar(entries, signal, (archive) => archive.pipeTo(writable));
  };
  // Whoever reads is told by the stream.
  write().catch((error) => writable.abort(error).catch(() => {}));
  return readable;
}

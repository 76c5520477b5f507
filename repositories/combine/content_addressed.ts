/**
 * Trees of files whose contents are kept once each, under their digests.
 *
 * @module
 */
import { BlobRepository } from "../blob.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { describeError, isDatataskError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { capabilitiesOver } from "../capabilities.ts";
import type {
  FilesystemDriver,
  MetadataDriver,
  OperationOptions,
  TreeEntry,
  WriteOptions,
} from "../driver.ts";
import { FilesystemRepository } from "../filesystem.ts";
import { keyFunctions, unsizedInfo } from "../layers/wrap.ts";
import { MetadataRepository } from "../metadata.ts";
import { eachOf } from "../stream_chunks.ts";
import { impliedDirectory, measured, TreeCheck } from "../tree_check.ts";
import { BlobPool } from "./blob_pool.ts";
import { checkManifest, type Manifest, type ManifestEntry } from "./manifest.ts";

/** What {@linkcode ContentAddressedRepository.collectGarbage} did. */
export interface GarbageReport {
  /** How many contents were removed. */
  readonly removed: number;
  /** How many bytes they had, as far as that is known. */
  readonly bytes: number;
}

/** A file whose content is not what it should be. */
export interface DamagedFile {
  /** Where in the tree. */
  readonly path: string;
  /** What is wrong with it. */
  readonly reason: string;
}

/**
 * Trees of files of which each content is kept once: a document for each tree, and blobs under their SHA-256 for the contents of all.
 *
 * A tree is there when its document is, which is written last. Deleting a tree removes the document; contents that nothing refers to any
 * longer are removed by {@linkcode collectGarbage}. What is read is checked against its digest: a damaged content is an error, never wrong data.
 * Keys, conditions and `watch` are those of the documents.
 */
export class ContentAddressedRepository extends FilesystemRepository {
  readonly #pool: BlobPool;
  readonly #manifests: MetadataRepository<Manifest>;

  /**
   * Keeps trees in two repositories.
   *
   * @param blobs Where contents lie: a repository that holds nothing else, and belongs to this one.
   * @param manifests Where the documents lie.
   */
  constructor(blobs: BlobRepository, manifests: MetadataRepository<Manifest>) {
    const pool = new BlobPool(blobs);
    super(treeDriver(blobs, pool, manifests));
    this.#pool = pool;
    this.#manifests = manifests;
  }

  /**
   * Reads all contents of a tree and sees that they are what they were.
   *
   * @param key Of which tree.
   * @param options When to stop.
   * @returns The files whose content is damaged or gone.
   * @throws {NotFoundError} When there is no tree.
   */
  async verify(key: Key, options?: OperationOptions): Promise<readonly DamagedFile[]> {
    const damaged: DamagedFile[] = [];
    for await (const entry of await this.entries(key, options)) {
      if (entry.kind !== "file") continue;
      try {
        for await (const _ of await entry.open()) options?.signal?.throwIfAborted();
      } catch (error) {
        options?.signal?.throwIfAborted();
        if (!isDatataskError(error, "invalid-value") && !isDatataskError(error, "not-found")) throw error;
        damaged.push({ path: entry.path, reason: describeError(error) });
      }
    }
    return damaged;
  }

  /**
   * Removes the contents to which no tree refers. Writes that are under way in this process are safe; those of other processes are as long as
   * they take less than half a day and `grace` is left as it is.
   *
   * @param options `grace`: how long ago a content must have been written to be removed (default: 24 hours; where a store knows no times, only 0 removes anything); and when to stop.
   * @returns What was removed.
   * @throws {RepositoryError} When a document cannot be read: then nothing is removed, since it cannot be known what it refers to.
   */
  async collectGarbage(
    options: OperationOptions & { readonly grace?: Duration | undefined } = {},
  ): Promise<GarbageReport> {
    const grace = parseDuration(options.grace ?? "24h", "grace");
    const before = Date.now() - grace;
    using sweep = this.#pool.beginSweep();
    const live = new Set<string>();
    for await (const [key, document] of this.#manifests.entries(options)) {
      for (const entry of checkManifest(document, this.name, key).entries) {
        if (entry.kind === "file") live.add(entry.sha256);
      }
    }
    return await sweep.remove((digest, modified) => {
      if (live.has(digest)) return false;
      return grace === 0 || (modified !== undefined && modified < before);
    }, options);
  }
}

function treeDriver(
  blobs: BlobRepository,
  pool: BlobPool,
  manifests: MetadataRepository<Manifest>,
): FilesystemDriver {
  const inner = manifests.driver;
  const { name } = inner;
  return {
    ...keyFunctions(inner),
    ...unsizedInfo(inner),
    name,
    identity: `trees(${inner.identity}, ${blobs.driver.identity})`,
    supports: capabilitiesOver(inner, { ranges: false }),
    derived: { by: "same", parts: [inner] },
    // Blobs of its own: what is beside must not count for the garbage of this one.
    ...(inner.beside && blobs.driver.beside && {
      beside: (other: string) =>
        new ContentAddressedRepository(
          new BlobRepository(blobs.driver.beside!(other)),
          new MetadataRepository<Manifest>(inner.beside!(other)),
        ).driver,
    }),
    async prepare(options) {
      options?.signal?.throwIfAborted();
      await Promise.all([blobs.prepare(options), manifests.prepare(options)]);
    },
    async entries(key, options) {
      options?.signal?.throwIfAborted();
      const document = await inner.get(key, options);
      if (document === undefined) return undefined;
      return handOut(checkManifest(document, name, key), key, name, pool, options);
    },
    write: (key, entries, options) => write(inner, pool, key, entries, options),
  };
}

async function* handOut(
  manifest: Manifest,
  key: Key,
  name: string,
  pool: BlobPool,
  options: OperationOptions | undefined,
): AsyncGenerator<TreeEntry, void, void> {
  for (const entry of manifest.entries) {
    options?.signal?.throwIfAborted();
    if (entry.kind !== "file") yield entry;
    else {
      const { kind, path, mode, size, sha256 } = entry;
      const what = `${JSON.stringify(path)} in "${key}" of ${name}`;
      yield { kind, path, mode, size, open: () => pool.open(sha256, size, what) };
    }
  }
}

async function write(
  manifests: MetadataDriver<Manifest>,
  pool: BlobPool,
  key: Key,
  entries: AsyncIterable<TreeEntry>,
  options: WriteOptions | undefined,
): Promise<void> {
  options?.signal?.throwIfAborted();
  const check = new TreeCheck();
  const taken = new Map<string, ManifestEntry>();
  const pinned: string[] = [];
  try {
    for await (const entry of eachOf(entries, options?.signal)) {
      const { path, parents } = check.admit(entry);
      for (const parent of parents) taken.set(parent, impliedDirectory(parent));
      if (entry.kind === "directory") taken.set(path, { kind: "directory", path, mode: entry.mode });
      else if (entry.kind === "symlink") taken.set(path, { kind: "symlink", path, target: entry.target });
      else {
        const signal = options?.signal;
        const sha256 = await pool.add(measured(entry, signal), { signal });
        pinned.push(sha256);
        taken.set(path, { kind: "file", path, mode: entry.mode, size: entry.size, sha256 });
      }
    }
    options?.signal?.throwIfAborted();
    await manifests.set(key, { version: 1, entries: [...taken.values()] }, options);
  } finally {
    for (const digest of pinned) pool.unpin(digest);
  }
}

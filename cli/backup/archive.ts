/**
 * One store in a backup: a folder of files, and a manifest of their digests beside it.
 *
 * @module
 */
import { type Content, readAll } from "../../core/bytes.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { BlobDriver } from "../../repositories/driver.ts";
import { fileDriver } from "../../repositories/files.ts";
import { packed } from "../../repositories/layers/packed.ts";
import type { BlobRepository } from "../../repositories/blob.ts";
import type { FilesystemRepository } from "../../repositories/filesystem.ts";
import type { MetadataRepository } from "../../repositories/metadata.ts";
import { decodeDocument, encodeDocument } from "./document.ts";
import { digesting, digestOf } from "./digesting.ts";
import { Manifest } from "./manifest.ts";
import type { Store, StoreKind } from "./stores.ts";

/** What a manifest says of a value. */
export interface ManifestEntry {
  /** Its key. */
  readonly key: Key;
  /** The digest of its file, in hexadecimal. */
  readonly sha256: string;
  /** The size of its file, in bytes. */
  readonly size: number;
  /** The version of the value it was copied from, where its store knew one. */
  readonly version?: string | undefined;
}

const ENDINGS: Readonly<Record<StoreKind, string>> = { blob: "", metadata: ".json", filesystem: ".tar" };

/** One store in a backup. */
export class Archive implements Disposable {
  readonly #kind: StoreKind;
  readonly #files: BlobDriver;
  readonly #name: string;
  readonly #manifest: Manifest<ManifestEntry>;

  private constructor(folder: string, kind: StoreKind, manifest: Manifest<ManifestEntry>) {
    this.#kind = kind;
    this.#name = folder;
    this.#files = fileDriver(folder, { extension: ENDINGS[kind] });
    this.#manifest = manifest;
  }

  /** What the manifest says, the last word on each key. */
  get entries(): ReadonlyMap<Key, ManifestEntry> {
    return this.#manifest.entries;
  }

  /**
   * Opens a store of a backup.
   *
   * @param folder Its folder.
   * @param kind What kind of value it holds.
   */
  static async open(folder: string, kind: StoreKind): Promise<Archive> {
    return new Archive(folder, kind, await Manifest.open(`${folder}.manifest.jsonl`));
  }

  /** Makes the folder. */
  async prepare(): Promise<void> {
    await this.#files.prepare?.();
  }

  /** Whether the value is here already, as it is in its store now. */
  async isCurrent(key: Key, source: Store["repository"]): Promise<boolean> {
    const entry = this.entries.get(key);
    if (entry?.version === undefined) return false;
    const [here, there] = await Promise.all([this.#files.info!(key), source.info(key)]);
    return here?.size === entry.size && there?.version === entry.version;
  }

  /** Copies a value into the backup. Returns its size in bytes; nothing when it is gone from its store. */
  async take(key: Key, source: Store["repository"], signal: AbortSignal): Promise<number | undefined> {
    const version = (await source.info(key, { signal }))?.version;
    let taken: { readonly sha256: string; readonly size: number } | undefined;
    const write = async (content: Content): Promise<void> => {
      const digest = await digesting(content);
      await this.#files.write(key, digest.stream, { signal });
      taken = digest.end();
    };
    try {
      if (this.#kind === "blob") await write(await (source as BlobRepository).open(key, { signal }));
      else if (this.#kind === "metadata") {
        await write(encodeDocument(await (source as MetadataRepository).get(key, { signal })));
      } else {
        const entries = await (source as FilesystemRepository).entries(key, { signal });
        await packed()({ ...this.#files, write: (_key, content) => write(content) }).write(key, entries, {
          signal,
        });
      }
    } catch (error) {
      if (!signal.aborted && !await source.has(key)) return undefined;
      throw error;
    }
    this.#manifest.record({ key, ...taken!, version });
    return taken!.size;
  }

  /** Checks a value of the backup against its digest, and puts it into its store. Returns its size in bytes. */
  async give(key: Key, target: Store["repository"], signal: AbortSignal): Promise<number> {
    await this.#verify(key, signal);
    const stream = (await this.#files.read(key, { signal }))!;
    if (this.#kind === "blob") await (target as BlobRepository).put(key, stream, { signal });
    else if (this.#kind === "metadata") {
      await (target as MetadataRepository).set(key, decodeDocument(await readAll(stream)), { signal });
    } else {
      await stream.cancel();
      const entries = await packed()(this.#files).entries(key, { signal });
      await (target as FilesystemRepository).put(key, entries!, { signal });
    }
    return this.entries.get(key)!.size;
  }

  async #verify(key: Key, signal: AbortSignal): Promise<void> {
    const stream = await this.#files.read(key, { signal });
    const refuse = (what: string): never => {
      throw new RepositoryError(
        "invalid-value",
        `Cannot restore "${key}" of ${this.#name}: ${what}; take it from another backup, or leave it out`,
        { operation: "restore", subject: this.#name, key },
      );
    };
    if (!stream) return refuse("its file is missing");
    const { sha256, size } = await digestOf(stream, signal);
    const entry = this.entries.get(key)!;
    if (sha256 !== entry.sha256) {
      refuse(`its file is damaged (${size} of ${entry.size} bytes, and the SHA-256 digest differs)`);
    }
  }

  /** Closes the manifest. */
  [Symbol.dispose](): void {
    this.#manifest[Symbol.dispose]();
  }
}

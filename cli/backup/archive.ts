/**
 * One store in a backup: a folder of files, and a manifest of their digests beside it.
 *
 * @module
 */
import type { Content } from "../../core/bytes.ts";
import type { Codec } from "../../core/codec.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { BlobDriver } from "../../repositories/driver.ts";
import { fileDriver } from "../../repositories/files.ts";
import { encoded } from "../../repositories/encoded.ts";
import { packed } from "../../repositories/layers/packed.ts";
import { BlobRepository } from "../../repositories/blob.ts";
import { FilesystemRepository } from "../../repositories/filesystem.ts";
import { MetadataRepository } from "../../repositories/metadata.ts";
import { valuesOf } from "../copy/values.ts";
import { decodeDocument, encodeDocument } from "./document.ts";
import { type Digest, digesting, digestOf } from "./digesting.ts";
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

/** How documents lie in a backup. */
const DOCUMENT: Codec = {
  name: "documents",
  extension: ENDINGS.metadata,
  mediaType: "application/json",
  encode: encodeDocument,
  decode: decodeDocument,
};

/** What is done with a value, as errors call it. */
type Operation = "back up" | "restore" | "verify";

/** One store in a backup. */
export class Archive implements Disposable {
  readonly #kind: StoreKind;
  readonly #files: BlobDriver;
  readonly #name: string;
  readonly #manifest: Manifest<ManifestEntry>;

  private constructor(
    folder: string,
    kind: StoreKind,
    files: BlobDriver,
    manifest: Manifest<ManifestEntry>,
  ) {
    this.#kind = kind;
    this.#name = folder;
    this.#files = files;
    this.#manifest = manifest;
  }

  /** What the manifest says, the last word on each key. */
  get entries(): ReadonlyMap<Key, ManifestEntry> {
    return this.#manifest.entries;
  }

  /** All keys that there is a file or a line of. */
  async keys(): Promise<readonly Key[]> {
    const keys = new Set(this.entries.keys());
    for await (const page of this.#files.keys()) for (const key of page) keys.add(key);
    return [...keys];
  }

  /**
   * Opens a store of a backup.
   *
   * @param folder Its folder.
   * @param kind What kind of value it holds.
   * @param files Where the values lie. Default: the folder.
   */
  static async open(
    folder: string,
    kind: StoreKind,
    files: BlobDriver = fileDriver(folder, { extension: ENDINGS[kind] }),
  ): Promise<Archive> {
    return new Archive(folder, kind, files, await Manifest.open(`${folder}.manifest.jsonl`));
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

  /** Whether the file of a value that is here reads as the manifest says. */
  async isSound(key: Key, signal: AbortSignal): Promise<boolean> {
    return (await this.#digest(key, signal))?.sha256 === this.entries.get(key)?.sha256;
  }

  /**
   * Sees that the file of a value is what the manifest says, where its store has no such value any more to take it from again.
   *
   * @throws {RepositoryError} When it is not.
   */
  async prove(key: Key, signal: AbortSignal): Promise<void> {
    await this.#check(key, signal, "verify");
  }

  /**
   * Copies a value into the backup, and reads its file back.
   *
   * @returns Its size in bytes; nothing when it is gone from its store.
   * @throws {RepositoryError} When the file does not read back as it was written.
   */
  async take(key: Key, source: Store["repository"], signal: AbortSignal): Promise<number | undefined> {
    const version = (await source.info(key, { signal }))?.version;
    let taken: Digest | undefined;
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
    const there = await this.#digest(key, signal);
    if (there?.sha256 !== taken!.sha256) {
      throw this.#refuse(
        "back up",
        key,
        `its file reads back as another value (${there?.size ?? 0} bytes of ${
          taken!.size
        }); see that the disk is sound and nobody else writes there, and call backup again`,
      );
    }
    this.#manifest.record({ key, ...taken!, version });
    return taken!.size;
  }

  /**
   * Checks a value of the backup against its digest, puts it into its store, and reads it back from there.
   *
   * @returns Its size in bytes.
   * @throws {RepositoryError} When the backup is damaged, or the value does not read back as it was written.
   */
  async give(key: Key, target: Store["repository"], signal: AbortSignal): Promise<number> {
    await this.#check(key, signal);
    const values = valuesOf(this.#repository(), target);
    const given = await values.copy(key, { signal });
    const there = await values.digestTo(key, signal);
    if (there.sha256 !== given.sha256) {
      throw this.#refuse(
        "restore",
        key,
        `it reads back from ${target.name} as another value (${there.size} bytes of ${given.size}); see who else writes it, and restore it again with --overwrite`,
      );
    }
    return this.entries.get(key)!.size;
  }

  /**
   * Compares a value with the one that its store holds.
   *
   * @throws {RepositoryError} When the backup is damaged, or the store holds another value.
   */
  async compare(key: Key, target: Store["repository"], signal: AbortSignal): Promise<void> {
    await this.#check(key, signal);
    const values = valuesOf(this.#repository(), target);
    const [here, there] = await Promise.all([values.digestFrom(key, signal), values.digestTo(key, signal)]);
    if (here.sha256 === there.sha256) return;
    throw this.#refuse(
      "restore",
      key,
      `${target.name} holds another value; leave it, or replace it with --overwrite`,
    );
  }

  /** What is here, as a repository of its kind. */
  #repository(): Store["repository"] {
    if (this.#kind === "blob") return new BlobRepository(this.#files);
    if (this.#kind === "metadata") return new MetadataRepository(encoded(this.#files, DOCUMENT));
    return new FilesystemRepository(packed()(this.#files));
  }

  async #digest(key: Key, signal: AbortSignal): Promise<Digest | undefined> {
    const stream = await this.#files.read(key, { signal });
    return stream && await digestOf(stream, signal);
  }

  /** Sees that the file of a value is what the manifest says. */
  async #check(key: Key, signal: AbortSignal, operation: Operation = "restore"): Promise<void> {
    const entry = this.entries.get(key);
    if (!entry) {
      const why = "its file is in no line of the manifest, so that nothing proves it";
      throw this.#refuse(operation, key, `${why}; back it up again, or leave it out`);
    }
    const found = await this.#digest(key, signal);
    const { sha256, size } = entry;
    if (found?.sha256 === sha256) return;
    const what = found
      ? `its file is damaged (${found.size} of ${size} bytes, and the SHA-256 digest differs)`
      : "its file is missing";
    throw this.#refuse(operation, key, `${what}; take it from another backup, or leave it out`);
  }

  #refuse(operation: Operation, key: Key, what: string): RepositoryError {
    return new RepositoryError("invalid-value", `Cannot ${operation} "${key}" of ${this.#name}: ${what}`, {
      operation,
      subject: this.#name,
      key,
    });
  }

  /** Closes the manifest. */
  [Symbol.dispose](): void {
    this.#manifest[Symbol.dispose]();
  }
}

/**
 * Values kept in a folder of this machine, the last used of them.
 *
 * A value is written under the name of something unfinished and renamed when it is whole, so that several processes can share the folder, and
 * one that is killed leaves nothing that is taken for a value.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Bytes } from "../../core/bytes.ts";
import { advice, classifySystemError, RepositoryError } from "../../core/errors.ts";
import { writeWhole } from "../../core/files.ts";
import type { Key } from "../../core/key.ts";
import type { PrepareOptions } from "../driver.ts";
import type { Folder } from "../file_folder.ts";
import { closeFile } from "../file_stream.ts";
import { CacheEntry, endOf } from "./cache_entry.ts";
import type { CacheLimits } from "./memory_cache.ts";

/** What names of values end in. */
const EXTENSION = ".cached";

/** Which part of a limit may be added before the folder is looked at again, where others may have added too; as much room is made at once. */
const PART = 1 / 10;

/**
 * Which file keeps a value.
 *
 * @param identity Of which store.
 * @param key Of which key.
 * @returns The digest of both.
 */
export function idOf(identity: string, key: Key): string {
  return createHash("sha256").update(`${identity}\0${key}`).digest("hex").slice(0, 40);
}

/** Values in a folder. */
export class FolderCache {
  /** How much it keeps, and for how long. */
  readonly limits: CacheLimits;
  readonly #folder: Folder;
  readonly #onTrouble: (error: Error) => void;
  /** Files whose bytes this process has written or checked. */
  readonly #known = new Map<string, string>();
  readonly #added = { entries: 0, bytes: 0 };
  #room: { readonly entries: number; readonly bytes: number } = { entries: 0, bytes: 0 };
  #clearing: Promise<void> = Promise.resolve();
  #writable = false;
  #told = false;

  /**
   * @param folder Where.
   * @param limits How much it keeps, and for how long.
   * @param onTrouble Told once when values cannot be kept.
   */
  constructor(folder: Folder, limits: CacheLimits, onTrouble: (error: Error) => void) {
    this.#folder = folder;
    this.limits = limits;
    this.#onTrouble = onTrouble;
  }

  /** Whether anything may be written there. */
  get writable(): boolean {
    return this.#writable;
  }

  /** Makes the folder, and removes what dead processes have left there. From now on values are kept. */
  async prepare(options: PrepareOptions | undefined): Promise<void> {
    this.#writable = true;
    try {
      await this.#make();
      if (options?.sweep !== false) await this.#sweep(await this.#names(), options?.dead);
    } catch (error) {
      this.trouble(error);
    }
  }

  /** A value that is kept whole, open; whether it is new enough is for the caller to say. */
  async find(id: string, signal: AbortSignal | undefined): Promise<CacheEntry | undefined> {
    let file: Deno.FsFile | undefined;
    try {
      file = await this.#folder.files.open(this.#path(id), { read: true });
      const entry = await CacheEntry.of(file, id);
      if (entry && await this.#isWhole(entry, signal)) {
        await entry.rewind();
        return entry;
      }
      closeFile(file);
      if (this.#writable) await this.#discard(this.#path(id));
    } catch (error) {
      if (file) closeFile(file);
      signal?.throwIfAborted();
      if (!(error instanceof Deno.errors.NotFound)) this.trouble(error);
    }
    return undefined;
  }

  /** Begins to keep a value; nothing when that is not possible. */
  async begin(id: string): Promise<Filling | undefined> {
    if (!this.#writable) return undefined;
    const { files } = this.#folder;
    const temp = this.#folder.temp();
    const open = (): Promise<Deno.FsFile> => files.open(temp, { write: true, createNew: true, mode: 0o600 });
    try {
      const file = await open().catch(async (error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        await this.#make();
        return await open();
      });
      return new Filling(this, file, id, {
        publish: (digest, size) => this.#publish(temp, id, digest, size),
        discard: () => this.#discard(temp),
      });
    } catch (error) {
      this.trouble(error);
      return undefined;
    }
  }

  /** Removes a value, as far as that can be done. */
  async remove(identity: string, key: Key): Promise<void> {
    await this.#discard(this.#path(idOf(identity, key)));
  }

  /** Tells, once, that values cannot be kept. */
  trouble(error: unknown): void {
    if (this.#told) return;
    this.#told = true;
    const reason = error instanceof Error ? error.message : String(error);
    const code = classifySystemError(error) ?? "io";
    this.#onTrouble(
      new RepositoryError(
        code,
        `Cannot use the cache in ${this.#folder.shown}: ${reason}${
          advice(code, reason)
        }; values are read where they lie`,
        { operation: "cache", subject: this.#folder.shown, cause: error },
      ),
    );
  }

  #path(id: string): string {
    return `${this.#folder.dir}/${id}${EXTENSION}`;
  }

  async #make(): Promise<void> {
    // Values are nobody else's business, whoever may read the store beneath.
    await this.#folder.files.mkdir(this.#folder.dir, { recursive: true, mode: 0o700 });
  }

  async #names(): Promise<string[]> {
    return [...await this.#folder.members()].map(({ name }) => name);
  }

  async #sweep(names: readonly string[], dead?: ReadonlySet<string>): Promise<void> {
    await this.#folder.temps.sweep(this.#folder.dir, names, dead);
  }

  async #discard(path: string): Promise<void> {
    // Gone already, or not ours to remove: then it is found out of date.
    await this.#folder.files.remove(path).catch(() => {});
  }

  async #isWhole(entry: CacheEntry, signal: AbortSignal | undefined): Promise<boolean> {
    const { digest } = entry.description;
    if (this.#known.get(entry.inode) === digest) return true;
    if (!await entry.isWhole(signal)) return false;
    this.#learn(entry.inode, digest);
    return true;
  }

  #learn(file: string, digest: string): void {
    this.#known.delete(file);
    this.#known.set(file, digest);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.limits.maxEntries) break;
      this.#known.delete(oldest);
    }
  }

  async #publish(temp: string, id: string, digest: string, size: number): Promise<void> {
    const { files } = this.#folder;
    const info = await files.lstat(temp);
    await files.rename(temp, this.#path(id));
    this.#learn(`${info.dev}:${info.ino}`, digest);
    this.#added.entries++;
    this.#added.bytes += size;
    const { entries, bytes } = this.#added;
    if (entries <= this.#room.entries && bytes <= this.#room.bytes) return;
    await (this.#clearing = this.#clearing.catch(() => {}).then(() => this.#makeRoom()));
  }

  /** Removes what was not used for the longest time, until the limits hold. */
  async #makeRoom(): Promise<void> {
    const { maxEntries, maxBytes } = this.limits;
    const names = await this.#names();
    await this.#sweep(names);
    const found: { readonly path: string; readonly size: number; readonly used: number }[] = [];
    for (const name of names) {
      if (!name.endsWith(EXTENSION)) continue;
      const path = `${this.#folder.dir}/${name}`;
      const info = await this.#folder.lookAt(path);
      if (info) found.push({ path, size: info.size, used: info.atime?.getTime() ?? 0 });
    }
    found.sort((a, b) => a.used - b.used);
    let [entries, bytes] = [found.length, found.reduce((sum, { size }) => sum + size, 0)];
    const full = entries > maxEntries || bytes > maxBytes;
    const [keptEntries, keptBytes] = [maxEntries - Math.floor(maxEntries * PART), maxBytes * (1 - PART)];
    for (const { path, size } of full ? found : []) {
      if (entries <= keptEntries && bytes <= keptBytes) break;
      await this.#discard(path);
      entries--;
      bytes -= size;
    }
    this.#added.entries = this.#added.bytes = 0;
    this.#room = {
      entries: Math.min(maxEntries - entries, Math.floor(maxEntries * PART)),
      bytes: Math.min(maxBytes - bytes, maxBytes * PART),
    };
  }
}

/** A value on its way into the cache. Whatever goes wrong is told to the cache and harms nobody else. */
export class Filling {
  readonly #cache: FolderCache;
  readonly #file: Deno.FsFile;
  readonly #id: string;
  readonly #place: {
    publish(digest: string, size: number): Promise<void>;
    discard(): Promise<void>;
  };
  readonly #hash = createHash("sha256");
  #size = 0;
  #over = false;

  /**
   * @param cache Where it is kept.
   * @param file Where it is written.
   * @param id Which value it is.
   * @param place Puts the file in place, or removes it.
   */
  constructor(
    cache: FolderCache,
    file: Deno.FsFile,
    id: string,
    place: { publish(digest: string, size: number): Promise<void>; discard(): Promise<void> },
  ) {
    this.#cache = cache;
    this.#file = file;
    this.#id = id;
    this.#place = place;
  }

  /** Whether it was kept or given up. */
  get over(): boolean {
    return this.#over;
  }

  /** Takes the next bytes; gives up when they are too many. */
  async add(bytes: Bytes): Promise<void> {
    if (this.#over) return;
    this.#size += bytes.length;
    if (this.#size > this.#cache.limits.maxSize) return await this.abandon();
    await this.#trying(async () => {
      this.#hash.update(bytes);
      await writeWhole(this.#file, bytes);
    });
  }

  /**
   * Keeps the value, which is whole.
   *
   * @param asked When it was asked for, in milliseconds since 1970.
   * @param version Its version, where it is known.
   * @returns Whether it is kept.
   */
  async keep(asked: number, version: string | undefined): Promise<boolean> {
    if (this.#over) return false;
    let kept = false;
    await this.#trying(async () => {
      const digest = this.#hash.digest("hex");
      const end = endOf({ id: this.#id, size: this.#size, digest, version });
      await writeWhole(this.#file, end);
      await this.#file.utime(new Date(this.#cache.limits.clock.now()), new Date(asked));
      closeFile(this.#file);
      await this.#place.publish(digest, this.#size + end.length);
      this.#over = kept = true;
    });
    return kept;
  }

  /** Leaves nothing of it. */
  async abandon(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    closeFile(this.#file);
    await this.#place.discard();
  }

  async #trying(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      // Given up meanwhile, with its file.
      if (this.#over) return;
      this.#cache.trouble(error);
      await this.abandon();
    }
  }
}

/**
 * How a folder becomes a value in place of another, so that one of the two can be seen at every moment.
 *
 * No call of the platform exchanges two folders. The old tree is moved to `.old-<key>`, which counts as the key's value for as long as
 * there is nothing at its own place; then the new one is moved in, then the old one is moved out of sight and removed. Whoever is killed
 * on the way leaves the old or the new tree visible, and the next write, delete or `prepare` puts things in order.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { WriteOptions } from "./driver.ts";
import { type Folder, versionOf } from "./file_folder.ts";
import { Stamps } from "./file_stamps.ts";

const OLD = ".old-";

/** Where a tree lies, and what the file system tells of its root. */
export interface Located {
  /** The root. */
  readonly root: string;
  /** What it is. */
  readonly info: Deno.FileInfo;
}

/** Puts folders in place of others. */
export class DirectorySwap {
  readonly #folder: Folder;
  readonly #stamps = new Stamps();

  /** @param folder Where. */
  constructor(folder: Folder) {
    this.#folder = folder;
  }

  /** The key for which a name keeps an old tree, or nothing. */
  static keyOfOld(name: string, extension: string): Key | undefined {
    return name.startsWith(OLD) ? name.slice(OLD.length, name.length - extension.length) : undefined;
  }

  /** Where the tree of a key lies now, or nothing. */
  async locate(key: Key): Promise<Located | undefined> {
    const place = this.#folder.path(key);
    // Looked at again at the end: a swap may have gone by between the first two looks.
    for (const root of [place, this.#old(key), place]) {
      const info = await this.#directory(root);
      if (info && await this.#folder.cases.holds(root.slice(this.#folder.dir.length + 1))) {
        return { root, info };
      }
    }
    return undefined;
  }

  /** Takes a finished folder as the tree of a key, on a condition. */
  async replace(key: Key, path: string, options: WriteOptions | undefined): Promise<void> {
    const folder = this.#folder;
    const rubbish = await folder.lock.hold(options?.signal, async () => {
      await folder.cases.check(key + folder.extension, key, folder.name);
      const before = await this.#heal(key);
      if (options?.ifAbsent && before) throw folder.taken(key);
      if (options?.ifVersion !== undefined && (!before || versionOf(before) !== options.ifVersion)) {
        throw folder.changed(key, options.ifVersion);
      }
      await folder.files.touch(path, this.#stamps.after(key, before?.mtime?.getTime() ?? 0));
      return await this.#exchange(key, path, before !== undefined);
    });
    await folder.settle();
    if (rubbish) await this.#discard(rubbish);
  }

  /** Removes the tree of a key. */
  async delete(key: Key, signal: AbortSignal | undefined): Promise<void> {
    const folder = this.#folder;
    if (!await this.locate(key)) return;
    const rubbish = await folder.lock.hold(signal, async () => {
      if (!await this.#heal(key)) return undefined;
      const temp = folder.temp();
      await folder.files.rename(folder.path(key), temp);
      return temp;
    });
    await folder.settle();
    if (rubbish) await this.#discard(rubbish);
  }

  /** Puts in order what a killed process left. */
  async healAll(): Promise<void> {
    const { extension } = this.#folder;
    const keys = [...await this.#folder.members()].map(({ name }) => DirectorySwap.keyOfOld(name, extension));
    for (const key of keys) {
      if (key !== undefined) await this.#folder.lock.hold(undefined, () => this.#heal(key));
    }
  }

  #old(key: Key): string {
    return `${this.#folder.dir}/${OLD}${key}${this.#folder.extension}`;
  }

  async #directory(path: string): Promise<Deno.FileInfo | undefined> {
    try {
      const info = await this.#folder.files.lstat(path);
      return info.isDirectory ? info : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** With the lock held: brings a key's tree to its own place, and tells what it is. */
  async #heal(key: Key): Promise<Deno.FileInfo | undefined> {
    const { files } = this.#folder;
    const current = await this.#directory(this.#folder.path(key));
    const old = await this.#directory(this.#old(key));
    if (!old) return current;
    if (!current) {
      await files.rename(this.#old(key), this.#folder.path(key));
      return old;
    }
    const temp = this.#folder.temp();
    await files.rename(this.#old(key), temp);
    await this.#discard(temp);
    return current;
  }

  /** With the lock held: puts the new tree in place and tells where the old one is now. */
  async #exchange(key: Key, path: string, occupied: boolean): Promise<string | undefined> {
    const { files } = this.#folder;
    const place = this.#folder.path(key);
    if (!occupied) {
      await files.rename(path, place);
      return undefined;
    }
    await files.rename(place, this.#old(key));
    try {
      await files.rename(path, place);
    } catch (error) {
      await files.rename(this.#old(key), place);
      throw error;
    }
    const temp = this.#folder.temp();
    await files.rename(this.#old(key), temp);
    return temp;
  }

  async #discard(path: string): Promise<void> {
    await discardTree(this.#folder, path);
  }
}

/**
 * Removes a tree that is no longer a value. Trouble is left to the sweep of `prepare`: the value is already what it should be.
 *
 * @param folder In which folder.
 * @param path The tree.
 */
export async function discardTree(folder: Folder, path: string): Promise<void> {
  try {
    await folder.files.remove(path, { recursive: true });
  } catch {
    // Its name says that it is rubbish.
  }
}

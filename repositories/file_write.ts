/**
 * How a file becomes a value: written under another name, then put in place in one step.
 *
 * @module
 */
import type { Content } from "../core/bytes.ts";
import type { Key } from "../core/key.ts";
import type { WriteOptions } from "./driver.ts";
import type { Folder } from "./file_folder.ts";
import { Stamps } from "./file_stamps.ts";
import { closeFile, writeChunks, writeStream } from "./file_stream.ts";
import { syncPath } from "./file_sync.ts";

/** Up to this size a value is written by one call that blocks, in bytes: quicker than a way through the thread pool. */
const SMALL = 2 ** 16;

/** Writes files of one folder. */
export class FileWriter {
  readonly #folder: Folder;
  readonly #stamps = new Stamps();

  /** @param folder Which folder. */
  constructor(folder: Folder) {
    this.#folder = folder;
  }

  /** Writes content as a key's value. */
  async write(key: Key, content: Content, options: WriteOptions | undefined): Promise<void> {
    const folder = this.#folder;
    options?.signal?.throwIfAborted();
    let taken = false;
    try {
      if (!folder.cases.idle) await folder.cases.check(key + folder.extension, key, folder.name);
      // Looked at again when the content has been taken; this saves taking it.
      if (options?.ifAbsent && await folder.stat(folder.path(key))) throw folder.taken(key);
      if (options?.ifVersion !== undefined) await folder.checkVersion(key, options);
      const temp = folder.temp();
      let began = Date.now();
      if (content instanceof Uint8Array && content.length <= SMALL && !folder.fsync) {
        await this.#writeSmall(temp, content);
      } else {
        await folder.within(() => this.#fill(temp, content, options, () => taken = true));
        began = Date.now();
      }
      await this.#publish(key, temp, began, options);
      // A value that was linked may have kept its first name.
      if (!options?.ifAbsent) folder.release(temp);
    } catch (error) {
      if (!taken && !(content instanceof Uint8Array)) await content.cancel(error).catch(() => {});
      throw error;
    }
  }

  /** Takes a finished file as a key's value. */
  async adopt(key: Key, path: string, options: WriteOptions | undefined): Promise<void> {
    const folder = this.#folder;
    options?.signal?.throwIfAborted();
    folder.checkStaged(key, path);
    const info = await folder.files.lstat(path);
    if (!info.isFile) throw new TypeError(`${path} is no file`);
    await folder.cases.check(key + folder.extension, key, folder.name);
    if (folder.fsync) await syncPath(folder.files, path);
    await this.#place(key, path, Date.now(), options);
    await folder.settle();
  }

  async #writeSmall(temp: string, content: Uint8Array): Promise<void> {
    const { files } = this.#folder;
    try {
      await files.writeNew(temp, content);
    } catch (error) {
      // A write that fails half-way (a full disk) may have made the file.
      if (!(error instanceof Deno.errors.NotFound)) await this.#abandon(temp, error);
      await this.#folder.make();
      await files.writeNew(temp, content).catch((error) => this.#abandon(temp, error));
    }
  }

  async #fill(
    temp: string,
    content: Content,
    options: WriteOptions | undefined,
    onTaken: () => void,
  ): Promise<void> {
    const { files, fsync } = this.#folder;
    const file = await files.open(temp, { write: true, createNew: true });
    try {
      onTaken();
      const signal = options?.signal;
      if (content instanceof Uint8Array) await writeChunks(file, slices(content, signal));
      else await writeStream(file, content, signal);
    } catch (error) {
      closeFile(file);
      await this.#abandon(temp, error);
    }
    closeFile(file);
    if (fsync) await syncPath(files, temp).catch((error) => this.#abandon(temp, error));
  }

  async #publish(key: Key, temp: string, began: number, options: WriteOptions | undefined): Promise<void> {
    try {
      options?.signal?.throwIfAborted();
      await this.#place(key, temp, began, options);
    } catch (error) {
      await this.#abandon(temp, error);
    }
    if (this.#folder.fsync) await this.#folder.settle();
  }

  /** Removes what was begun and throws what went wrong. */
  async #abandon(temp: string, error: unknown): Promise<never> {
    try {
      await this.#folder.files.remove(temp);
    } catch {
      // Nothing was made, or the disk is in trouble: `prepare` removes it when we are gone. What went wrong first is what counts.
    }
    throw error;
  }

  /** Puts a finished file in place, in one step, on a condition. */
  async #place(key: Key, path: string, began: number, options: WriteOptions | undefined): Promise<void> {
    const folder = this.#folder;
    const target = folder.path(key);
    if (options?.ifVersion !== undefined) {
      return await folder.lock.hold(options.signal, async () => {
        const before = await folder.checkVersion(key, options);
        await folder.files.touch(path, this.#stamps.after(key, before));
        await folder.files.rename(path, target);
      });
    }
    const last = this.#stamps.lately(key, began);
    if (last !== undefined) await folder.files.touch(path, this.#stamps.after(key, last));
    if (options?.ifAbsent) await this.#link(key, path, target);
    else await folder.files.rename(path, target);
    if (folder.unfinished.size > 0) folder.unfinished.delete(key + folder.extension);
  }

  async #link(key: Key, path: string, target: string): Promise<void> {
    const { files } = this.#folder;
    try {
      await files.link(path, target);
    } catch (error) {
      throw error instanceof Deno.errors.AlreadyExists ? this.#folder.taken(key) : error;
    }
    // A link alone looks to a watch like a file that somebody has only begun to write.
    if (this.#folder.watches > 0) this.#folder.linked.add(key + this.#folder.extension);
    // The value is there: a second name that stays is rubbish, not a failure.
    await files.remove(path).catch(() => {});
    // To the watches of other processes, its being closed says that it is whole.
    await files.open(target, { write: true }).then(closeFile, () => {});
  }
}

/** How much of a value in memory is written between two looks at the signal, in bytes. */
const SLICE = 2 ** 22;

async function* slices(
  content: Uint8Array<ArrayBuffer>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  for (let at = 0; at < content.length; at += SLICE) {
    signal?.throwIfAborted();
    yield content.subarray(at, at + SLICE);
  }
}

/**
 * A lock on a folder that other processes honor too.
 *
 * @module
 */
import type { Files } from "../core/files.ts";
import { LOCK_NAME } from "./file_temp.ts";

/** Lets one at a time write on a condition: first among the writers of this driver, then (by a locked file) among all processes. */
export class FolderLock {
  readonly #files: Files;
  readonly #dir: string;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param files The file system.
   * @param dir Which folder.
   */
  constructor(files: Files, dir: string) {
    this.#files = files;
    this.#dir = dir;
  }

  /**
   * Does something while nobody else does.
   *
   * @param signal Ends the wait for our turn.
   * @param call What to do.
   * @returns What it returns.
   */
  hold<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => this.#locked(signal, call));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #locked<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const file = await this.#files.open(`${this.#dir}/${LOCK_NAME}`, { write: true, create: true });
    try {
      await file.lock(true);
      signal?.throwIfAborted();
      return await call();
    } finally {
      // Closing it gives up the lock.
      file.close();
    }
  }
}

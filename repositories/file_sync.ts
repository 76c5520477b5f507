/**
 * Syncs of a folder, shared by those who wait at the same time.
 *
 * @module
 */
import type { Files } from "../core/files.ts";

/** Puts changes of names in one folder on the disk: a hundred writers that wait at once pay for one or two syncs. */
export class FolderSync {
  readonly #files: Files;
  readonly #dir: string;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /**
   * @param files The file system.
   * @param dir Which folder.
   */
  constructor(files: Files, dir: string) {
    this.#files = files;
    this.#dir = dir;
  }

  /** @returns When a sync that began after this call is over: one that already runs may have missed our change. */
  sync(): Promise<void> {
    if (!this.#running) return this.#run();
    return this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#run();
    });
  }

  #run(): Promise<void> {
    const run = syncPath(this.#files, this.#dir);
    const clear = (): void => {
      if (this.#running === run) this.#running = undefined;
    };
    this.#running = run;
    run.then(clear, clear);
    return run;
  }
}

/**
 * Puts a file, or the names in a folder, on the disk.
 *
 * @param files The file system.
 * @param path Of what.
 */
export async function syncPath(files: Files, path: string): Promise<void> {
  const file = await files.open(path, { read: true });
  try {
    await file.sync();
  } finally {
    file.close();
  }
}

/**
 * Changes in a folder, from what the operating system tells.
 *
 * @module
 */
import { isKey } from "../core/key.ts";
import type { Change } from "./driver.ts";

/** Which folder, and how its names become keys. */
export interface WatchedFolder {
  /** The folder. */
  readonly dir: string;
  /** What names of values end in. */
  readonly extension: string;
  /** Makes the folder. */
  make(): Promise<void>;
  /** Looks at a file, not following links; nothing when there is none. */
  lookAt(path: string): Promise<Deno.FileInfo | undefined>;
  /** Whether there is a value now. */
  present(key: string): Promise<boolean>;
}

/**
 * Changes as they happen. What the system tells is a hint: whether a key is there is looked up, and when the system lost count
 * the answer is `rescan`.
 *
 * @param folder Which folder.
 * @param signal Ends it.
 * @returns The changes.
 */
export async function* watchFolder(
  folder: WatchedFolder,
  signal: AbortSignal | undefined,
): AsyncGenerator<Change, void, void> {
  if (signal?.aborted) return;
  let watcher: Deno.FsWatcher;
  try {
    // Before the first await, so that nothing that follows the first `next()` is missed.
    watcher = Deno.watchFs(folder.dir, { recursive: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await folder.make();
    watcher = Deno.watchFs(folder.dir, { recursive: false });
    yield "rescan";
  }
  const close = closeOnce(watcher);
  signal?.addEventListener("abort", close);
  try {
    if (signal?.aborted) return;
    const events = new FolderEvents(folder);
    for await (const event of watcher) yield* events.changes(event);
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}

function closeOnce(watcher: Deno.FsWatcher): () => void {
  let open = true;
  return () => {
    if (!open) return;
    open = false;
    try {
      watcher.close();
    } catch (error) {
      // It is closed by the end of its own iteration as well.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  };
}

/**
 * Whether the system tells when a file that was written is closed. Where it does, a file that somebody else makes is a value from then
 * on: a copy of a large file, or the output of a slow program, is not taken up half-way.
 */
const TELLS_CLOSE = Deno.build.os === "linux";

/** Reads what the system tells of one folder. */
class FolderEvents {
  readonly #folder: WatchedFolder;
  /** Files that were made and are not closed yet. */
  readonly #unfinished = new Set<string>();

  constructor(folder: WatchedFolder) {
    this.#folder = folder;
  }

  async *changes(event: Deno.FsEvent): AsyncGenerator<Change, void, void> {
    if (event.flag === "rescan") {
      this.#unfinished.clear();
      return yield "rescan";
    }
    const { dir, extension } = this.#folder;
    for (const path of event.paths) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (path.slice(0, -name.length - 1) !== dir) {
        if (path === dir && event.kind === "remove") yield "rescan";
        continue;
      }
      if (!name.endsWith(extension)) continue;
      const key = name.slice(0, name.length - extension.length);
      if (!isKey(key) || !await this.#tells(event.kind, path)) continue;
      yield { key, present: await this.#folder.present(key) };
    }
  }

  /** Whether an event says that a value is whole, has changed, or is gone. */
  async #tells(kind: Deno.FsEvent["kind"], path: string): Promise<boolean> {
    if (kind === "access") return this.#unfinished.delete(path);
    if (kind === "modify") return !this.#unfinished.has(path);
    if (kind !== "create" || !TELLS_CLOSE) {
      this.#unfinished.delete(path);
      return true;
    }
    const info = await this.#folder.lookAt(path);
    // A link to a file that was whole before: nobody has written to it since its name has changed.
    if (!info?.isFile || info.nlink !== 1 || +info.ctime! > +info.mtime!) return true;
    this.#unfinished.add(path);
    return false;
  }
}

/**
 * Changes in a folder, from what the operating system tells.
 *
 * @module
 */
import { isKey, type Key } from "../core/key.ts";
import type { Change } from "./driver.ts";
import type { Folder } from "./file_folder.ts";

/** Whether there is a value now. */
type Present = (key: Key) => Promise<boolean>;

/**
 * Changes as they happen. What the system tells is a hint: whether a key is there is looked up, and when the system lost count
 * the answer is `rescan`.
 *
 * @param folder Which folder.
 * @param present Tells whether there is a value now.
 * @param signal Ends it.
 * @returns The changes.
 */
export async function* watchFolder(
  folder: Folder,
  present: Present,
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
  const events = new FolderEvents(folder, present);
  try {
    if (signal?.aborted) return;
    for await (const event of watcher) yield* events.changes(event);
  } finally {
    signal?.removeEventListener("abort", close);
    close();
    events.end();
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
  readonly #folder: Folder;
  readonly #present: Present;
  /** The unfinished files that this watch has found. */
  readonly #found = new Set<string>();

  constructor(folder: Folder, present: Present) {
    this.#folder = folder;
    this.#present = present;
    folder.watches++;
  }

  async *changes(event: Deno.FsEvent): AsyncGenerator<Change, void, void> {
    if (event.flag === "rescan") {
      this.#forget();
      this.#folder.linked.clear();
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
      if (isKey(key) && await this.#tells(event.kind, name)) yield { key, present: await this.#present(key) };
    }
  }

  /** Nothing more is told. */
  end(): void {
    this.#forget();
    if (--this.#folder.watches === 0) this.#folder.linked.clear();
  }

  #forget(): void {
    for (const name of this.#found) this.#folder.unfinished.delete(name);
    this.#found.clear();
  }

  /** Whether an event says that a value is whole, has changed, or is gone. */
  async #tells(kind: Deno.FsEvent["kind"], name: string): Promise<boolean> {
    const { unfinished, linked, dir } = this.#folder;
    if (kind === "modify") return !this.#found.has(name);
    if (kind === "create" && TELLS_CLOSE && !linked.delete(name)) {
      const info = await this.#folder.lookAt(`${dir}/${name}`);
      // A link to a file that was whole before: nobody has written to it since its name has changed.
      if (info?.isFile && info.nlink === 1 && +info.ctime! <= +info.mtime!) {
        unfinished.add(name);
        this.#found.add(name);
        return false;
      }
    }
    unfinished.delete(name);
    return this.#found.delete(name) || kind !== "access";
  }
}

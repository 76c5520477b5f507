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
    for await (const event of watcher) yield* changesOf(folder, event);
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

async function* changesOf(folder: WatchedFolder, event: Deno.FsEvent): AsyncGenerator<Change, void, void> {
  if (event.kind === "access") return;
  if (event.flag === "rescan") return yield "rescan";
  for (const path of event.paths) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (path.slice(0, -name.length - 1) !== folder.dir) {
      if (path === folder.dir && event.kind === "remove") yield "rescan";
      continue;
    }
    if (!name.endsWith(folder.extension)) continue;
    const key = name.slice(0, name.length - folder.extension.length);
    if (isKey(key)) yield { key, present: await folder.present(key) };
  }
}

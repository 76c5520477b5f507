/**
 * Trees that come as tar archives: unpacked into a new folder, which takes the place of the old one when it is whole.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import { isDatataskError, RepositoryError } from "../core/errors.ts";
import { directoryDriver } from "../repositories/directory.ts";
import type { TreeEntry } from "../repositories/driver.ts";
import { TarEntries } from "../repositories/layers/tar.ts";
import { removeAll } from "./files.ts";
import { Refusal } from "./refusal.ts";

/**
 * Unpacks an archive, and removes it.
 *
 * @param archive The path of the archive, which is not compressed.
 * @param path Where the tree goes.
 * @param signal When to stop.
 * @throws {Refusal} When it is damaged, or holds what would leave the tree. Nothing of it is left then.
 */
export async function unpack(archive: string, path: string, signal: AbortSignal): Promise<void> {
  const at = path.lastIndexOf("/");
  try {
    await directoryDriver(path.slice(0, at)).write(
      path.slice(at + 1),
      inside(await entriesOf(archive, signal)),
      {
        signal,
      },
    );
  } catch (error) {
    if (isDatataskError(error, "invalid-value")) {
      throw new Refusal(400, `The tree is refused: ${error.message}`);
    }
    throw error;
  } finally {
    await removeAll(archive);
  }
}

async function entriesOf(archive: string, signal: AbortSignal): Promise<TarEntries> {
  const again = async (path: string): Promise<ReadableStream<Bytes>> => {
    for await (const entry of await entriesOf(archive, signal)) {
      if (entry.kind === "file" && entry.path === path) return await entry.open();
    }
    throw refused(path, "it is gone");
  };
  const explain = (error: unknown): unknown =>
    isDatataskError(error) ? error : new RepositoryError(
      "invalid-value",
      `the tar archive is damaged, or is none: ${(error as Error).message}`,
      { cause: error },
    );
  const { readable } = await Deno.open(archive);
  return new TarEntries({ stream: readable, trouble: () => undefined }, explain, again, signal);
}

/** Refuses links that lead out of the tree: whoever follows one would read what was never delivered. */
async function* inside(entries: AsyncIterable<TreeEntry>): AsyncGenerator<TreeEntry, void, void> {
  for await (const entry of entries) {
    if (entry.kind === "symlink" && leaves(entry.path, entry.target)) {
      throw refused(entry.path, `it is a link to ${JSON.stringify(entry.target)}, which is not in the tree`);
    }
    yield entry;
  }
}

/**
 * Whether a link may lead out of its tree. The parents of a member are folders, never links, so steps up at the beginning of a target are
 * what they look like; one after a name may be taken in another folder, where the name is a link.
 */
function leaves(path: string, target: string): boolean {
  if (target.startsWith("/") || target.includes("\0")) return true;
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const down = parts.findIndex((part) => part !== "..");
  const up = down === -1 ? parts.length : down;
  return up > path.split("/").length - 1 || parts.includes("..", up);
}

function refused(path: string, why: string): RepositoryError {
  return new RepositoryError("invalid-value", `Cannot take the tree entry ${JSON.stringify(path)}: ${why}`);
}

/**
 * Takes in a tree entry by entry and refuses what climbs out or contradicts itself, before anything of it is used.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import { RepositoryError } from "../core/errors.ts";
import type { TreeEntry } from "./driver.ts";
import { chunksOf, streamOf } from "./stream_chunks.ts";
import { treeParts } from "./tree.ts";

/** The mode of parents that no entry names. */
const PARENT_MODE = 0o755;

/** What has been told of a tree so far. */
export class TreeCheck {
  readonly #kinds = new Map<string, "directory" | "implied" | "file" | "symlink">();

  /**
   * Looks at the next entry.
   *
   * @param entry The entry.
   * @returns Its path in order, and the parents that nobody has named yet, outermost first.
   * @throws {RepositoryError} With code `invalid-value` when it climbs out of the tree, lies below a link or file, or was told before and is no folder.
   */
  admit(entry: TreeEntry): { readonly path: string; readonly parents: readonly string[] } {
    const parts = treeParts(entry.path);
    const path = parts.join("/");
    if (parts.length === 0) throw refusal(entry.path, "it names nothing");
    const parents = this.#parents(parts, entry.path);
    const before = this.#kinds.get(path);
    // A folder may be told again, after what is in it: its last mode counts.
    const again = entry.kind === "directory" && (before === "implied" || before === "directory");
    if (before !== undefined && !again) {
      throw refusal(
        entry.path,
        `the tree has it already, as a ${before === "implied" ? "directory" : before}`,
      );
    }
    this.#kinds.set(path, entry.kind);
    return { path, parents };
  }

  #parents(parts: readonly string[], shown: string): string[] {
    const missing: string[] = [];
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join("/");
      const kind = this.#kinds.get(parent);
      if (kind === "file" || kind === "symlink") {
        throw refusal(shown, `${JSON.stringify(parent)} is a ${kind}`);
      }
      if (kind !== undefined) continue;
      this.#kinds.set(parent, "implied");
      missing.push(parent);
    }
    return missing;
  }
}

function refusal(path: string, why: string): RepositoryError {
  return new RepositoryError("invalid-value", `Cannot take the tree entry ${JSON.stringify(path)}: ${why}`);
}

/**
 * An entry for a parent that nobody has named.
 *
 * @param path Where in the tree.
 * @returns A folder that everybody can read.
 */
export function impliedDirectory(path: string): TreeEntry & { kind: "directory" } {
  return { kind: "directory", path, mode: PARENT_MODE };
}

/**
 * Passes on a file's content and sees that it is as long as its entry says. One that is stuck is not waited for.
 *
 * @param entry The file.
 * @param signal Ends the stream with its reason.
 * @returns The chunks.
 * @throws {RepositoryError} With code `invalid-value` when it is shorter or longer.
 */
export async function* measured(
  entry: TreeEntry & { kind: "file" },
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes, void, void> {
  let length = 0;
  for await (const chunk of chunksOf(await streamOf(entry.open(), signal), signal)) {
    length += chunk.length;
    if (length > entry.size) break;
    yield chunk;
  }
  if (length === entry.size) return;
  throw refusal(
    entry.path,
    `it says it has ${entry.size} bytes and has ${length > entry.size ? "more" : `only ${length}`}`,
  );
}

/**
 * The entries of a tar archive as a tree of files, as they arrive.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { TarHeader } from "../../deps/modern_tar.ts";
import type { TreeEntry } from "../driver.ts";
import { treeParts } from "../tree.ts";
import { impliedDirectory, TreeCheck } from "../tree_check.ts";
import type { Expanded } from "./expand.ts";
import { TarSource } from "./tar_source.ts";

type FileEntry = TreeEntry & { readonly kind: "file" };

/** Opens a member on another way through the archive. */
export type OpenAgain = (path: string) => Promise<ReadableStream<Bytes>>;

/** The entries of a tar archive. A member that is open when the reader leaves stays open until it was read or cancelled. */
export class TarEntries implements AsyncIterableIterator<TreeEntry, void, void> {
  readonly #archive: Expanded;
  readonly #entries: AsyncGenerator<TreeEntry, void, void>;
  #started = false;

  /**
   * @param archive The archive, decompressed.
   * @param explain Says what an error in it means.
   * @param again Opens a member on another way through the archive.
   * @param signal Ends it with its reason.
   */
  constructor(
    archive: Expanded,
    explain: (error: unknown) => unknown,
    again: OpenAgain,
    signal: AbortSignal | undefined,
  ) {
    this.#archive = archive;
    this.#entries = read(archive, explain, again, signal);
  }

  /** The next entry. */
  next(): Promise<IteratorResult<TreeEntry, void>> {
    this.#started = true;
    return this.#entries.next();
  }

  /** The reader leaves. */
  async return(): Promise<IteratorResult<TreeEntry, void>> {
    if (!this.#started) await this.#archive.stream.cancel();
    return await this.#entries.return();
  }

  /** @returns Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

async function* read(
  archive: Expanded,
  explain: (error: unknown) => unknown,
  again: OpenAgain,
  signal: AbortSignal | undefined,
): AsyncGenerator<TreeEntry, void, void> {
  const told = (error: unknown): unknown => {
    const trouble = archive.trouble();
    return signal?.aborted ? signal.reason : trouble ? trouble.reason : explain(error);
  };
  const source = await TarSource.open(archive.stream, told);
  const check = new TreeCheck();
  const files = new Map<string, { readonly mode: number; readonly size: number }>();
  try {
    for (let header = await source.next(); header; header = await source.next()) {
      signal?.throwIfAborted();
      const entry = toEntry(header, source, again, files);
      if (!entry) continue;
      const { path, parents } = check.admit(entry);
      yield* parents.map(impliedDirectory);
      if (entry.kind === "file") files.set(path, { mode: entry.mode, size: entry.size });
      yield entry;
    }
  } catch (error) {
    throw told(error);
  } finally {
    await source.leave();
  }
}

/** The entry that a header stands for; nothing for the root. */
function toEntry(
  header: TarHeader,
  source: TarSource,
  again: OpenAgain,
  files: ReadonlyMap<string, { readonly mode: number; readonly size: number }>,
): TreeEntry | undefined {
  const path = treeParts(header.name).join("/");
  const mode = (header.mode ?? 0) & 0o777;
  if (header.pax && Object.keys(header.pax).some((key) => key.startsWith("GNU.sparse."))) {
    throw refused(path, "it is a sparse file");
  }
  if (header.type === "directory") return path === "" ? undefined : { kind: "directory", path, mode };
  if (header.type === "symlink") return { kind: "symlink", path, target: header.linkname ?? "" };
  if (header.type === "link") {
    const target = treeParts(header.linkname ?? "").join("/");
    const file = files.get(target);
    if (!file) {
      throw refused(path, `it is a hard link to ${JSON.stringify(target)}, which is no file before it`);
    }
    return { kind: "file", path, ...file, open: () => again(target) } satisfies FileEntry;
  }
  if (header.type !== undefined && header.type !== "file") throw refused(path, `it is a ${header.type}`);
  const here = source.member();
  return {
    kind: "file",
    path,
    mode,
    size: header.size,
    open: async () => here.take(path) ?? await again(path),
  };
}

function refused(path: string, why: string): RepositoryError {
  return new RepositoryError("invalid-value", `Cannot take the tree entry ${JSON.stringify(path)}: ${why}`);
}

/**
 * Writes a tree of files as a tar archive.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import type { TarHeader } from "../../deps/modern_tar.ts";
import type { TreeEntry } from "../driver.ts";
import { eachOf } from "../stream_chunks.ts";
import { measured, TreeCheck } from "../tree_check.ts";

/** What takes the headers and contents of members. */
interface Packer {
  add(header: TarHeader): WritableStream<Uint8Array>;
  finalize(): void;
  error(reason: unknown): void;
}

/**
 * Writes a tree of files as a tar archive.
 *
 * @param entries The tree.
 * @param signal Ends it with its reason.
 * @param write Takes the archive to its end.
 */
export async function writeTar(
  entries: AsyncIterable<TreeEntry>,
  signal: AbortSignal | undefined,
  write: (archive: ReadableStream<Bytes>) => Promise<void>,
): Promise<void> {
  const { createTarPacker } = await import("../../deps/modern_tar.ts");
  const { readable, controller } = createTarPacker();
  const stop = (reason: unknown): never => {
    controller.error(reason);
    throw reason;
  };
  const [packing, writing] = await Promise.allSettled([
    pack(entries, controller, signal).catch(stop),
    write(readable as ReadableStream<Bytes>).catch(stop),
  ]);
  if (packing.status === "fulfilled" && writing.status === "fulfilled") return;
  if (signal?.aborted) throw signal.reason;
  if (writing.status === "rejected" && (packing.status === "fulfilled" || isStop(packing.reason))) {
    throw writing.reason;
  }
  throw (packing as PromiseRejectedResult).reason;
}

/** Whether packing stopped because nobody takes the archive any more. */
function isStop(reason: unknown): boolean {
  return reason === undefined || (reason as Error | null)?.name === "AbortError";
}

async function pack(
  entries: AsyncIterable<TreeEntry>,
  packer: Packer,
  signal: AbortSignal | undefined,
): Promise<void> {
  const check = new TreeCheck();
  for await (const entry of eachOf(entries, signal)) {
    const { path } = check.admit(entry);
    await add(packer, path, entry, signal);
  }
  packer.finalize();
}

async function add(
  packer: Packer,
  path: string,
  entry: TreeEntry,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Of equal trees the archives are equal: no time and no owner.
  const common = { mtime: new Date(0), uid: 0, gid: 0, size: 0 };
  if (entry.kind === "directory") {
    const header: TarHeader = { ...common, name: `${path}/`, type: "directory", mode: entry.mode & 0o777 };
    return await packer.add(header).close();
  }
  if (entry.kind === "symlink") {
    const header: TarHeader = { ...common, name: path, type: "symlink", linkname: entry.target, mode: 0o777 };
    return await packer.add(header).close();
  }
  const header: TarHeader = {
    ...common,
    name: path,
    type: "file",
    mode: entry.mode & 0o777,
    size: entry.size,
  };
  const writer = packer.add(header).getWriter();
  writer.closed.catch(() => {});
  for await (const chunk of measured(entry, signal)) await writer.write(chunk);
  await writer.close();
}

/**
 * What a backup holds: the file `backup.json` in its folder.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import { pathError } from "../path_error.ts";
import type { Store } from "./stores.ts";

/** A store, as the index knows it. */
export type IndexedStore = Pick<Store, "folder" | "kind" | "names">;

const FORMAT = "datatask-backup";

/**
 * Reads the index of a backup.
 *
 * @param dir The folder of the backup.
 * @returns Its stores; nothing when there is no backup.
 * @throws {UsageError} When the index is not one, or of a later version.
 */
export async function readIndex(dir: string): Promise<readonly IndexedStore[] | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(`${dir}/backup.json`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw pathError(`read ${dir}/backup.json`, error);
  }
  const index = parse(text);
  if (index?.format !== FORMAT || !Array.isArray(index.stores)) {
    throw new UsageError(`Cannot use ${dir}: its backup.json is no index of a backup; name another folder`);
  }
  if (index.version !== 1) {
    throw new UsageError(`Cannot use ${dir}: it was written by a later version of datatask; update datatask`);
  }
  return index.stores as IndexedStore[];
}

function parse(text: string): { format?: string; version?: number; stores?: unknown } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Adds stores to the index of a backup.
 *
 * @param dir The folder of the backup.
 * @param stores The stores; those that are known by their folder are replaced.
 */
export async function writeIndex(dir: string, stores: readonly IndexedStore[]): Promise<void> {
  // Another backup of other stores into the same folder may do so, too.
  using turn = await Deno.open(`${dir}/.backup.lock`, { write: true, create: true });
  await turn.lock(true);
  const known = new Map((await readIndex(dir) ?? []).map((store) => [store.folder, store]));
  for (const { folder, kind, names } of stores) known.set(folder, { folder, kind, names });
  const index = { format: FORMAT, version: 1, stores: [...known.values()] };
  await Deno.writeTextFile(`${dir}/backup.json.new`, JSON.stringify(index, undefined, 2) + "\n");
  await Deno.rename(`${dir}/backup.json.new`, `${dir}/backup.json`);
}

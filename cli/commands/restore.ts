/** `restore`: copies values back from a backup. @module */
import { UsageError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { Archive } from "../backup/archive.ts";
import { Copying } from "../backup/copying.ts";
import { type IndexedStore, readIndex } from "../backup/index_file.ts";
import { isWanted, type Store, storesOf } from "../backup/stores.ts";
import { didYouMean } from "../suggest.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { RESTORE } from "../specs/data.ts";
import { report } from "./backup.ts";

/** How many keys are looked up at once. */
const PAGE = 256;

/** Copies values back. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof RESTORE.flags>,
  [dir, ...names]: readonly string[],
): Promise<number> {
  const index = await readIndex(dir!);
  if (!index) {
    throw new UsageError(
      `Cannot restore from ${dir}: there is no backup.json in it; name the folder of a backup`,
    );
  }
  checkNames(dir!, index, names);
  const pipeline = await context.open();
  const stores = storesOf(pipeline.repositories());
  using copying = new Copying(context.io, flags.quiet || flags.json);
  for (const entry of index.filter((store) => isWanted(store.names, names))) {
    const target = targetOf(entry, stores);
    if (!target) {
      context.io.err(`Left out ${entry.folder}: this pipeline has no such repository\n`);
      continue;
    }
    using archive = await Archive.open(`${dir}/${entry.folder}`, entry.kind);
    await copying.all(entry.folder, pagesOf(archive), async (key, signal) => {
      if (!flags.overwrite && await target.repository.has(key, { signal })) {
        if (flags.verify) await archive.compare(key, target.repository, signal);
        return undefined;
      }
      return await archive.give(key, target.repository, signal);
    });
    if (copying.tally.interrupted) break;
  }
  copying[Symbol.dispose]();
  return report(context, flags.json, copying.tally, `from ${dir}`, "restore");
}

function checkNames(dir: string, index: readonly IndexedStore[], wanted: readonly string[]): void {
  const known = [...new Set(index.flatMap(({ names }) => names.map(([name]) => name)))];
  for (const name of wanted) {
    if (known.some((one) => one === name || one.startsWith(`${name}.`))) continue;
    throw new UsageError(
      `There is no "${name}" in the backup ${dir}${
        didYouMean(name, known) || `; it holds ${known.join(", ")}`
      }`,
    );
  }
}

/** The store of this pipeline that goes by a name of the backup, and holds the same kind of value. */
function targetOf(entry: IndexedStore, stores: readonly Store[]): Store | undefined {
  return stores.find((store) =>
    store.kind === entry.kind &&
    store.names.some(([name, part]) => entry.names.some(([other, place]) => other === name && place === part))
  );
}

async function* pagesOf(archive: Archive): AsyncGenerator<readonly Key[], void, void> {
  const keys = await archive.keys();
  for (let at = 0; at < keys.length; at += PAGE) yield keys.slice(at, at + PAGE);
}

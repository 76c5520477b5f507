/** `backup`: copies repositories into a folder. @module */
import type { Key } from "../../core/key.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";
import { Archive } from "../backup/archive.ts";
import { Copying, type CopyTally } from "../backup/copying.ts";
import { writeIndex } from "../backup/index_file.ts";
import { isWanted, storesOf } from "../backup/stores.ts";
import { EXIT } from "../fail.ts";
import { repositoryOf } from "../names.ts";
import { pathError } from "../path_error.ts";
import { amount, counted, size } from "../rows.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { BACKUP } from "../specs/data.ts";

/** Copies repositories. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof BACKUP.flags>,
  [dir, ...names]: readonly string[],
): Promise<number> {
  checkNames(await context.load(), names, context);
  const pipeline = await context.look();
  const stores = storesOf(pipeline.repositories()).filter((store) => isWanted(store.names, names));
  await makeFolder(dir!);
  await writeIndex(dir!, stores);
  using copying = new Copying(context.io, flags.quiet || flags.json);
  for (const { folder, kind, repository } of stores) {
    using archive = await Archive.open(`${dir}/${folder}`, kind);
    await archive.prepare();
    const seen = new Set<Key>();
    await copying.all(folder, repository.pages(), async (key, signal) => {
      seen.add(key);
      const current = await archive.isCurrent(key, repository);
      if (current && (!flags.verify || await archive.isSound(key, signal))) return undefined;
      return await archive.take(key, repository, signal);
    });
    if (flags.verify && !copying.tally.interrupted) {
      // Of what is gone from its store there is nothing but this.
      const alone = [...archive.entries.keys()].filter((key) => !seen.has(key));
      await copying.all(folder, once(alone), async (key, signal) => {
        await archive.prove(key, signal);
        return undefined;
      });
    }
    if (copying.tally.interrupted) break;
  }
  copying[Symbol.dispose]();
  return report(context, flags.json, copying.tally, `in ${dir}`, "backup");
}

/** Keys as their only page. */
async function* once(keys: readonly Key[]): AsyncGenerator<readonly Key[], void, void> {
  yield keys;
}

/** Names must be of tasks or repositories. */
export function checkNames(pipeline: Pipeline, names: readonly string[], context: Context): void {
  for (const name of names) if (!pipeline.tasks.has(name)) repositoryOf(pipeline, name, context);
}

async function makeFolder(dir: string): Promise<void> {
  try {
    await Deno.mkdir(dir, { recursive: true });
  } catch (error) {
    throw pathError(`make the folder ${dir} for a backup`, error);
  }
}

/** Says what became of all, and gives the exit code. */
export function report(
  context: Context,
  json: boolean,
  tally: CopyTally,
  where: string,
  command: string,
): number {
  if (json) context.io.out(JSON.stringify(tally) + "\n");
  else {
    const failed = tally.failed > 0 ? `, ${amount(tally.failed)} failed` : "";
    const done = tally.interrupted ? "Interrupted" : "Done";
    context.io.out(
      `${done}: ${counted(tally.copied, "value")} copied (${size(tally.bytes)}), ${
        amount(tally.kept)
      } there already${failed}, ${where}\n`,
    );
    if (tally.interrupted) context.io.err(`Call ${command} again to go on.\n`);
  }
  if (tally.interrupted) return EXIT.interrupted;
  return tally.failed > 0 ? EXIT.failed : EXIT.ok;
}

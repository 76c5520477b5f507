/** `rm`: deletes jobs with what they have made, so that they are done again. @module */
import { UsageError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { Removal } from "../../pipeline/reports.ts";
import { keyOf, repositoryOf, unknownJob } from "../names.ts";
import { amount, counted } from "../rows.ts";
import { runnable } from "../runnable.ts";
import { near } from "../near.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { RM } from "../specs/data.ts";

/** How many values are shown by name for each repository. */
const SHOWN = 5;

/** Deletes values. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof RM.flags>,
  [name, ...keys]: readonly string[],
): Promise<number> {
  const loaded = await context.load();
  if (!loaded.tasks.has(name!)) repositoryOf(loaded, name!, context);
  keys.forEach((key) => keyOf(key, "key"));
  if (flags.all === keys.length > 0) {
    throw new UsageError(
      flags.all
        ? `rm takes keys or --all, and not both; leave one of them out`
        : `rm needs the keys to delete; write "${context.program} rm${context.repeat} ${name} KEY...", or --all for all of them`,
    );
  }
  const pipeline = await context.look();
  const chosen = flags.all ? await allKeys(pipeline, name!) : keys;
  if (flags.recursive && !flags.all) await checkKnown(pipeline, name!, chosen, context);
  const unknown: string[] = [];
  const removals = await pipeline.removals(name!, chosen, {
    recursive: flags.recursive,
    onUnknown: (text) => unknown.push(text),
  });
  if (unknown.length > 0) context.io.err(runnable(unknown.join("\n"), context) + "\n");
  if (flags.json) {
    const list = removals.map(({ names, repository, key, running }) => ({ names, repository, key, running }));
    context.io.out(JSON.stringify(list, undefined, 2) + "\n");
  }
  if (removals.length === 0) {
    if (!flags.json) context.io.out(`Nothing to delete: there are no such values in ${name}\n`);
    return 0;
  }
  if (!flags.json) context.io.out(removalLines(removals, flags.all ? SHOWN : 20).join("\n") + "\n");
  if (flags.dryRun) return 0;
  if (!flags.yes && !mayDelete(context, removals)) {
    context.io.out("Nothing was deleted\n");
    return 1;
  }
  await pipeline.remove(removals);
  if (!flags.json) context.io.out(`Deleted ${counted(removals.length, "value")}\n`);
  return 0;
}

/** What follows from a key that is nowhere may be much: where items are for every job, all of them. */
async function checkKnown(
  pipeline: Pipeline,
  name: string,
  keys: readonly Key[],
  context: Context,
): Promise<void> {
  const task = pipeline.tasks.get(name);
  const there = new Set((await pipeline.removals(name, keys)).map(({ key }) => key));
  for (const key of keys.filter((each) => !there.has(each))) {
    if (task) {
      if ((await pipeline.why(name, key)).state === "unknown") throw await unknownJob(task, key, context);
    } else {
      throw new UsageError(
        `There is no "${key}" in ${name}, from which something could follow; see its keys with "${context.program} ls${context.repeat} ${name}", or name the task and the job that made it`,
      );
    }
  }
}

async function allKeys(pipeline: Pipeline, name: string): Promise<readonly Key[]> {
  const task = pipeline.tasks.get(name);
  const repositories = task
    ? Object.values(task.allLinks).filter(({ direction }) => direction === "status" || direction === "out")
      .map(({ repository }) => repository)
    : [pipeline.repositories().get(name)!];
  const keys = new Set<Key>();
  for (const repository of repositories) {
    for await (const page of repository.pages()) {
      for (const key of page) keys.add(key);
    }
  }
  return [...keys];
}

/**
 * What would be deleted, as lines: a repository each, with the first few keys.
 *
 * @param removals What would be deleted.
 * @param shown How many keys are named.
 * @returns Lines.
 */
function removalLines(removals: readonly Removal[], shown: number): string[] {
  const groups = Map.groupBy(
    removals,
    (removal) => `${removal.names.join(", ")} (${near(removal.repository)})`,
  );
  const lines = [...groups].map(([title, group]) => {
    const names = group.slice(0, shown).map((removal) =>
      `${removal.key}${removal.running ? " (running: it is stopped first)" : ""}`
    );
    const more = group.length > shown ? `, … and ${amount(group.length - shown)} more` : "";
    return `${title}: ${names.join(", ")}${more}`;
  });
  return lines;
}

function mayDelete(context: Context, removals: readonly Removal[]): boolean {
  if (!context.io.terminal.in) {
    throw new UsageError(
      `Cannot ask whether to delete ${
        counted(removals.length, "value")
      }: the input is no terminal; add --yes to delete, or --dry-run to look`,
    );
  }
  const answer = context.io.ask(`Delete ${counted(removals.length, "value")}? [y/N]`);
  return /^y(es)?$/i.test(answer?.trim() ?? "");
}

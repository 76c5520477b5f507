/** `ls`: keys, with set algebra over repositories. @module */
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { Repository } from "../../repositories/repository.ts";
import { UsageError } from "../../core/errors.ts";
import { JOB_STATES, jobsNamed, unknownRepository } from "../names.ts";
import { nearest } from "../suggest.ts";
import { table } from "../rows.ts";
import { expressionError, parseSetExpression, type SetExpression } from "../set_expression.ts";
import { keysOf, visitNames } from "../set_keys.ts";
import { near } from "../near.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { LS } from "../specs/look.ts";

type Flags = FlagsOf<typeof LS.flags>;

/** Lists keys. */
export async function run(context: Context, flags: Flags, words: readonly string[]): Promise<number> {
  const text = words.join(" ");
  if (words.length > 0 && text.trim() === "") {
    throw new UsageError(
      `EXPR is empty; write "${context.program} ls${context.repeat}" for the names of all repositories, or one of them`,
    );
  }
  const expression = words.length === 0 ? undefined : parseSetExpression(text);
  const pipeline = await context.load();
  const repositories = pipeline.repositories();
  if (!expression) return listRepositories(context, flags, repositories);
  checkNames(text, expression, pipeline, repositories, context);
  await context.look();
  const pages = keysOf(expression, (name) => repositories.get(name)?.pages() ?? jobs(pipeline, name));
  if (flags.count) {
    let count = 0;
    for await (const page of pages) count += page.length;
    context.io.out(flags.json ? `${JSON.stringify({ count })}\n` : `${count}\n`);
  } else if (flags.sort || flags.json) await printWhole(context, flags, pages);
  else await printStream(context, flags, pages);
  return 0;
}

/** The jobs of a task that are in a state. */
async function* jobs(pipeline: Pipeline, name: string): AsyncGenerator<readonly string[], void, void> {
  const { task, state } = jobsNamed(name, pipeline)!;
  yield await pipeline.jobs(task, state);
}

function checkNames(
  text: string,
  expression: SetExpression,
  pipeline: Pipeline,
  repositories: ReadonlyMap<string, Repository>,
  context: Context,
): void {
  visitNames(expression, (name, at) => {
    if (repositories.has(name) || jobsNamed(name, pipeline)) return;
    const minus = [...name.matchAll(/-/g)].find(({ index }) =>
      repositories.has(name.slice(0, index)) || repositories.has(name.slice(index + 1))
    );
    const what = minus
      ? `${JSON.stringify(name)} is read as one name; put blanks around the minus`
      : unknownRepository(name, pipeline, named(name, pipeline, repositories), context).message;
    throw expressionError(text, at, what.replace(/^[A-Z](?=here|ask)/, (letter) => letter.toLowerCase()));
  });
}

/** What may have been meant: states of jobs are among it where one is near. */
function named(
  name: string,
  pipeline: Pipeline,
  repositories: ReadonlyMap<string, Repository>,
): ReadonlyMap<string, unknown> {
  if (nearest(name.slice(name.lastIndexOf(".") + 1), JOB_STATES).length === 0) return repositories;
  const states = [...pipeline.tasks.keys()].flatMap((task) => JOB_STATES.map((state) => `${task}.${state}`));
  return new Map<string, unknown>([...repositories, ...states.map((each) => [each, undefined] as const)]);
}

function listRepositories(
  context: Context,
  flags: Flags,
  repositories: ReadonlyMap<string, Repository>,
): number {
  const all = [...repositories];
  if (flags.json) {
    const list = all.map(([name, { kind, name: repository }]) => ({ name, kind, repository }));
    context.io.out(JSON.stringify(list, undefined, 2) + "\n");
  } else if (flags.count) context.io.out(`${all.length}\n`);
  else {
    const rows = all.map(([name, repository]) => [name, KINDS[repository.kind], near(repository.name)]);
    context.io.out(
      table([{ title: "NAME" }, { title: "HOLDS" }, { title: "STORE" }], rows, context.style).join("\n") +
        "\n",
    );
  }
  return 0;
}

const KINDS = { keys: "keys", blob: "blobs", metadata: "documents", filesystem: "trees" } as const;

async function printStream(
  context: Context,
  { limit = Infinity }: Flags,
  pages: AsyncIterable<readonly string[]>,
): Promise<void> {
  let left = limit;
  for await (const page of pages) {
    const shown = page.length > left ? page.slice(0, left) : page;
    context.io.out(shown.map((key) => `${key}\n`).join(""));
    left -= shown.length;
    if (left <= 0) break;
  }
}

async function printWhole(
  context: Context,
  { limit = Infinity, sort, json }: Flags,
  pages: AsyncIterable<readonly string[]>,
): Promise<void> {
  const keys: string[] = [];
  for await (const page of pages) {
    for (const key of page) keys.push(key);
    if (!sort && keys.length >= limit) break;
  }
  if (sort) keys.sort();
  const shown = keys.length > limit ? keys.slice(0, limit) : keys;
  context.io.out(json ? `${JSON.stringify(shown)}\n` : shown.map((key) => `${key}\n`).join(""));
}

/** `complete`: what the last word could become, one a line, a tab and what it is after it. @module */
import {
  type CommandSpec,
  COMMON_FLAGS,
  type Completes,
  type Context,
  dashed,
  type FlagSpec,
} from "../spec.ts";
import { JOB_STATES } from "../names.ts";
import { near } from "../near.ts";
import { COMMANDS } from "../table.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";

/** How many keys are proposed. */
const KEYS = 200;
/** How long keys are looked for, in milliseconds: a shell waits. */
const PATIENCE = 1500;

interface Proposal {
  readonly text: string;
  readonly about: string;
}

/** Proposes. What goes wrong is nobody's business while a person types. */
export async function run(context: Context, _flags: unknown, args: readonly string[]): Promise<number> {
  const words = args[0] === "--" ? args.slice(1) : args;
  const last = words.at(-1) ?? "";
  try {
    const proposals = await propose(context, words.slice(0, -1), last);
    if (proposals === "files") context.io.out(":files\n");
    else {
      const fitting = proposals.filter(({ text }) => text.startsWith(last));
      context.io.out(fitting.map(({ text, about }) => `${text}\t${about}\n`).join(""));
    }
  } catch {
    // No proposals, then.
  }
  return 0;
}

/** What the words before say: the command, its arguments, and a flag that waits for its value. */
export interface Situation {
  /** The command, if one was typed. */
  readonly spec: CommandSpec | undefined;
  /** Its arguments so far. */
  readonly args: readonly string[];
  /** The flag that the last word is the value of. */
  readonly flag: FlagSpec | undefined;
  /** What `-p` says. */
  readonly pipeline: string | undefined;
}

/**
 * Reads the words before the last one.
 *
 * @param words The words.
 * @param commands The commands that are known.
 * @returns Where the last word stands.
 */
function situation(words: readonly string[], commands: readonly CommandSpec[]): Situation {
  let spec: CommandSpec | undefined;
  let flag: FlagSpec | undefined;
  let pipeline: string | undefined;
  const args: string[] = [];
  for (const word of words) {
    if (flag) {
      if (flag === COMMON_FLAGS.pipeline) pipeline = word;
      flag = undefined;
    } else if (word.startsWith("-")) {
      flag = flagOf(word, spec);
    } else if (!spec) spec = commands.find(({ name }) => name === word);
    else args.push(word);
  }
  return { spec, args, flag, pipeline };
}

/** Reads the words, with the commands of the pipeline where those that come with the package do not say it all. */
async function read(
  context: Context,
  words: readonly string[],
): Promise<{ readonly here: Situation; readonly commands: readonly CommandSpec[] }> {
  const commands = [...COMMANDS.values()];
  const here = situation(words, commands);
  if (here.spec || here.flag) return { here, commands };
  const own = await context.own(here.pipeline).catch(() => []);
  const all = [...commands, ...own];
  return { here: situation(words, all), commands: all };
}

function flagsOf(spec: CommandSpec | undefined): [string, FlagSpec][] {
  return Object.entries({ ...spec?.flags, ...COMMON_FLAGS });
}

/** The flag that a word names, when it takes a value. */
function flagOf(word: string, spec: CommandSpec | undefined): FlagSpec | undefined {
  const found = flagsOf(spec).find(([name, { short }]) => word === dashed(name) || word === `-${short}`)?.[1];
  return found?.kind === "boolean" ? undefined : found;
}

async function propose(
  context: Context,
  words: readonly string[],
  last: string,
): Promise<readonly Proposal[] | "files"> {
  const { here, commands } = await read(context, words);
  if (here.flag?.values) return here.flag.values.map((text) => ({ text, about: "" }));
  if (here.flag) return here.flag.completes ? await values(context, here, here.flag.completes) : [];
  if (last.startsWith("-")) {
    return flagsOf(here.spec).map(([name, { brief }]) => ({ text: dashed(name), about: brief }));
  }
  if (!here.spec) {
    return commands.filter(({ hidden }) => !hidden).map(({ name, brief }) => ({
      text: name,
      about: brief,
    }));
  }
  if (here.spec.name === "completions") return ["bash", "zsh", "fish"].map((text) => ({ text, about: "" }));
  const specs = here.spec.args;
  const argument = specs[here.args.length] ?? (specs.at(-1)?.many ? specs.at(-1) : undefined);
  return argument?.completes ? await values(context, here, argument.completes) : [];
}

async function values(
  context: Context,
  here: Situation,
  what: Completes,
): Promise<readonly Proposal[] | "files"> {
  if (what === "file" || what === "folder") return "files";
  const { findPipeline, loadPipeline } = await import("../load.ts");
  const pipeline = here.pipeline === undefined
    ? await context.load()
    : await loadPipeline(await findPipeline(here.pipeline));
  const tasks = [...pipeline.tasks.values()].map(({ name, description, kind }) => ({
    text: name,
    about: description ?? kind,
  }));
  const repositories = [...pipeline.repositories()].map(([text, { name }]) => ({ text, about: near(name) }));
  if (what === "task") return tasks;
  if (here.spec?.name === "ls") {
    const states = tasks.flatMap(({ text }) =>
      JOB_STATES.map((state) => ({ text: `${text}.${state}`, about: `jobs that are ${state}` }))
    );
    return [...repositories, ...states];
  }
  if (what === "repository") return repositories;
  if (what === "name") return [...tasks, ...repositories];
  return await keys(pipeline, here);
}

/** Keys of the repository that was named, or of what the named task reads. */
async function keys(pipeline: Pipeline, here: Situation): Promise<readonly Proposal[]> {
  const name = here.args[0];
  const task = name === undefined ? undefined : pipeline.tasks.get(name);
  const repositories = task
    ? Object.values(task.allLinks).filter(({ direction }) => direction === "in").map(({ repository }) =>
      repository
    )
    : name !== undefined && pipeline.repositories().has(name)
    ? [pipeline.repositories().get(name)!]
    : [...pipeline.repositories().values()];
  const signal = AbortSignal.timeout(PATIENCE);
  const found = new Set<string>();
  await pipeline.session.open({ signal });
  try {
    for (const repository of repositories) {
      for await (const page of repository.pages({ signal, onSkipped: () => {} })) {
        for (const key of page) if (found.size < KEYS) found.add(key);
        if (found.size >= KEYS) break;
      }
    }
  } finally {
    await pipeline.session.close();
  }
  return [...found].sort().map((text) => ({ text, about: "" }));
}

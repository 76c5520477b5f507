/**
 * From the words of a command line to an exit code: finds the command, reads its flags, does it, and says what went wrong.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { styles } from "./ansi.ts";
import { EXIT, exitCodeOf, failureText } from "./fail.ts";
import { commandPage, mainPage, type PageOptions } from "./help.ts";
import type { Io } from "./io.ts";
import { type Command, isCommand } from "./main.ts";
import { Bringing } from "./bringing.ts";
import type { CommandSpec, Context } from "./spec.ts";
import { quote } from "./program.ts";
import { didYouMean } from "./suggest.ts";
import { COMMANDS, loadCommand } from "./table.ts";

/** How a command line is started. */
export interface StartOptions {
  /** The streams. */
  readonly io: Io;
  /** How this program was called: what a person puts before the name of a command. */
  readonly program: string;
  /** The pipeline, where the program is one. Default: the module that `-p` names. */
  readonly pipeline?: Pipeline | undefined;
  /** Commands that the program brings along, where it is a pipeline. */
  readonly commands?: readonly Command[] | undefined;
}

/** Words before the command that belong to all commands, and the rest. */
function splitWords(words: readonly string[]): { name: string | undefined; rest: string[] } {
  const before: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith("-")) return { name: word, rest: [...before, ...words.slice(at + 1)] };
    before.push(word);
    if ((word === "-p" || word === "--pipeline") && at + 1 < words.length) before.push(words[++at]!);
  }
  return { name: undefined, rest: before };
}

/** Whether a word stands among the flags, that is before `--`. */
function has(words: readonly string[], ...wanted: string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).some((word) => wanted.includes(word));
}

/**
 * Does what a command line says. Nothing is thrown: what goes wrong is written to the standard error.
 *
 * @param words The words after the name of the program.
 * @param options The streams, and the pipeline where there is one.
 * @returns The exit code: 0 when all is well, 1 when jobs have failed or something went wrong, 2 when the command line is wrong.
 */
export async function start(words: readonly string[], options: StartOptions): Promise<number> {
  const { io } = options;
  const debug = has(words, "--debug");
  try {
    return await dispatch(words, options, debug);
  } catch (error) {
    try {
      io.err(failureText(error, debug, styles(io.terminal.err && io.color)));
    } catch {
      // Nobody listens any more.
    }
    return exitCodeOf(error);
  }
}

async function dispatch(words: readonly string[], options: StartOptions, debug: boolean): Promise<number> {
  const { io, program } = options;
  const { name, rest } = splitWords(words);
  const brought = await Bringing.of(options, rest);
  const page: PageOptions = {
    program,
    width: io.size().columns,
    style: styles(io.color),
    bound: options.pipeline !== undefined,
  };
  if (name === undefined && has(rest, "--version", "-V")) return await printVersion(io);
  if (name === undefined || name === "help") return await printHelp(name, rest, io, page, brought);
  const spec = COMMANDS.get(name) ?? await brought.find(name);
  if (spec === undefined) throw unknownCommand(name, program, brought);
  // What is completed may well be a flag, "--help" among them.
  if (spec.name === "complete") return await perform(spec, rest, options, page, brought, debug);
  if (has(rest, "--help", "-h")) {
    io.out(commandPage(spec, page));
    return EXIT.ok;
  }
  return await perform(spec, rest, options, page, brought, debug);
}

function unknownCommand(name: string, program: string, brought: Bringing): UsageError {
  const known = [...COMMANDS.values(), ...brought.known].filter((spec) => !spec.hidden);
  return new UsageError(
    `There is no command "${name}"${
      didYouMean(name, known.map((spec) => spec.name)) ||
      (brought.unrelated
        ? `, and ${brought.unrelated}; make it by command("${name}", { ... }, body)`
        : `; see all commands with "${program} --help"`)
    }`,
  );
}

async function printHelp(
  name: string | undefined,
  rest: readonly string[],
  io: Io,
  page: PageOptions,
  brought: Bringing,
): Promise<number> {
  const topic = name === "help" ? rest.find((word) => !word.startsWith("-")) : undefined;
  if (topic !== undefined) {
    const spec = COMMANDS.get(topic) ?? await brought.find(topic);
    if (spec === undefined) throw unknownCommand(topic, page.program, brought);
    io.out(commandPage(spec, page));
    return EXIT.ok;
  }
  const wanted = name === "help" || has(rest, "--help", "-h");
  const flag = rest.find((word) => !["-p", "--pipeline", "--debug"].includes(word) && word.startsWith("-"));
  if (!wanted && flag !== undefined) {
    throw new UsageError(`There is no flag ${flag} before a command; see "${page.program} --help"`);
  }
  const own = await brought.forHelp();
  if (wanted) io.out(mainPage(page, own.commands));
  else io.err(mainPage({ ...page, style: styles(false) }, own.commands));
  // What it cannot list is said, and help is given all the same.
  if (own.error !== undefined) throw own.error;
  if (own.unrelated) {
    const head = styles(io.terminal.err && io.color).dim("datatask:");
    io.err(`${head} It lists no commands of the pipeline, for ${own.unrelated}\n`);
  }
  return wanted ? EXIT.ok : EXIT.usage;
}

async function printVersion(io: Io): Promise<number> {
  const { default: config } = await import("../deno.json", { with: { type: "json" } });
  io.out(`datatask ${config.version} (deno ${Deno.version.deno})\n`);
  return EXIT.ok;
}

async function perform(
  spec: CommandSpec,
  words: readonly string[],
  options: StartOptions,
  page: PageOptions,
  brought: Bringing,
  debug: boolean,
): Promise<number> {
  const { flags, args } = spec.name === "complete"
    ? { flags: {}, args: words }
    : (await import("./argv.ts")).scan(spec, words);
  if (options.pipeline && flags.pipeline !== undefined) {
    throw new UsageError(`${options.program} is a pipeline of its own; leave -p out`);
  }
  let opened: Pipeline | undefined;
  const load = async (): Promise<Pipeline> => {
    if (options.pipeline) return options.pipeline;
    const { findPipeline, loadPipeline } = await import("./load.ts");
    return await loadPipeline(await findPipeline(flags.pipeline as string | undefined));
  };
  let loaded: Promise<Pipeline> | undefined;
  const context: Context = {
    io: options.io,
    style: page.style,
    debug,
    program: options.program,
    repeat: flags.pipeline === undefined ? "" : ` -p ${quote(flags.pipeline as string)}`,
    own: (named) => brought.all(named),
    load: () => loaded ??= load(),
    async open() {
      opened = await (loaded ??= load());
      return await opened.open();
    },
    async look() {
      opened = await (loaded ??= load());
      return await opened.open({ look: true });
    },
  };
  try {
    if (isCommand(spec)) {
      const { runOwn } = await import("./own_commands.ts");
      return await runOwn(spec, context, flags, args);
    }
    const module = await loadCommand(spec.name);
    return await module.run(context, flags as never, args);
  } finally {
    await opened?.close();
  }
}

/**
 * The command line of a pipeline that is a program of its own, and the commands that it adds.
 *
 * @module
 */
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { ArgumentSpec, CommandSpec, FlagsOf, FlagSpecs } from "./spec.ts";

/** Marks commands of any loaded copy of this package. */
const BRAND: unique symbol = Symbol.for("@datatask/datatask/command") as never;

/** The values of arguments, as a command gets them: a list with a place for each. */
export type ArgumentsOf<A extends readonly ArgumentSpec[]> = A extends
  readonly [infer First extends ArgumentSpec, ...infer Rest extends readonly ArgumentSpec[]]
  ? First extends { readonly many: true }
    ? First extends { readonly optional: true } ? readonly string[] : readonly [string, ...string[]]
  : readonly [First extends { readonly optional: true } ? string | undefined : string, ...ArgumentsOf<Rest>]
  : readonly [];

/** What a command of one's own is told. */
export interface CommandOptions<F extends FlagSpecs, A extends readonly ArgumentSpec[]> {
  /** What it does: one line, beginning with a verb. */
  readonly brief: string;
  /** More about it: paragraphs for its own page of help. */
  readonly about?: readonly string[];
  /** Its arguments, in order. Default: none. */
  readonly args?: A;
  /** Its flags, by their names in camel case. Default: none. */
  readonly flags?: F;
  /** What people type after the name of the program, and what it does. */
  readonly examples?: readonly (readonly [command: string, what: string])[];
  /** Whether it only looks: nothing is made or changed, and a resource that does not open is no obstacle. Default: `false`. */
  readonly look?: boolean;
}

/** What the body of a command gets. */
export interface CommandCall<F extends FlagSpecs, A extends readonly ArgumentSpec[]> {
  /** The pipeline, open; it is closed when the command is over. */
  readonly pipeline: Pipeline;
  /** The values of the flags. Those that were not given are `false`, `[]` or nothing. */
  readonly flags: FlagsOf<F>;
  /** The values of the arguments. */
  readonly args: ArgumentsOf<A>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Writes to the standard output: a text as a line, anything else as JSON. */
  readonly print: (value: unknown) => void;
}

/** A command of one's own. Made by {@linkcode command}. */
export interface Command extends CommandSpec {
  /** Whether it only looks. */
  readonly look: boolean;
  /** Does it, and gives the exit code. */
  readonly run: (call: never) => number | void | Promise<number | void>;
}

/**
 * Makes a command. It is done by `main(pipeline, { commands: [...] })`, and by the command line of the package when the module of the pipeline
 * exports it in a list called `commands`. Help, completion and suggestions know it as any other.
 *
 * What the body throws is shown as any error is, a `UsageError` with exit code 2.
 *
 * @param name What people type: small letters, digits and dashes.
 * @param options What it does, its arguments and flags.
 * @param body Does it. Gives the exit code, or nothing for 0.
 * @returns The command.
 * @example A command that says how long the reports are
 * ```ts
 * import { command, main, MemoryBlobRepository, MemoryMetadataRepository, functionTask, input, Pipeline } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const reports = new MemoryBlobRepository("reports");
 * const proofread = functionTask("proofread", {
 *   done: new MemoryMetadataRepository("done"),
 *   links: { reports: input(reports) },
 * }, () => {});
 * await reports.put("emma", "two words");
 *
 * const length = command("length", {
 *   brief: "Say how long a report is",
 *   args: [{ name: "REPORT", completes: "job" }],
 *   flags: { json: { kind: "boolean", brief: "Print JSON" } },
 *   look: true,
 * }, async ({ args: [report], flags, print }) => {
 *   const characters = (await reports.text(report)).length;
 *   print(flags.json ? { report, characters } : `${report} has ${characters} characters`);
 * });
 *
 * const pipeline = new Pipeline({ tasks: [proofread], state: null });
 * assert.equal(await main(pipeline, { commands: [length], args: ["length", "emma"] }), 0);
 * ```
 */
export function command<
  const F extends FlagSpecs = Record<never, never>,
  const A extends readonly ArgumentSpec[] = readonly [],
>(
  name: string,
  options: CommandOptions<F, A>,
  body: (call: CommandCall<F, A>) => number | void | Promise<number | void>,
): Command {
  const { brief, about, args = [], flags = {}, examples = [], look = false } = options;
  const made: Command = { name, brief, ...(about && { about }), args, flags, examples, look, run: body };
  Object.defineProperty(made, BRAND, { value: true });
  return made;
}

/**
 * Tells whether a value is a command, of whichever loaded copy of the package.
 *
 * @param value Anything.
 * @returns Whether it is.
 */
export function isCommand(value: unknown): value is Command {
  return typeof value === "object" && value !== null && BRAND in value;
}

/** Options of {@linkcode main}. */
export interface MainOptions {
  /** Commands of the pipeline's own, made by `command`. Default: none. */
  readonly commands?: readonly Command[];
  /** The words of the command line. Default: those of this process. */
  readonly args?: readonly string[];
}

/**
 * Does what the command line says with this pipeline, and sets the exit code of the process. Nothing of the command line is loaded before
 * this is called.
 *
 * ```ts ignore
 * // pipeline.ts: run it with  deno run -A pipeline.ts run
 * import { main, Pipeline } from "@datatask/datatask";
 *
 * const pipeline = new Pipeline({ tasks: [] });
 * export default pipeline;
 * if (import.meta.main) await main(pipeline);
 * ```
 *
 * @param pipeline The pipeline.
 * @param options Its own commands.
 * @returns The exit code: 0 when all is well, 1 when jobs have failed or something went wrong, 2 when the command line is wrong.
 */
export async function main(pipeline: Pipeline, options: MainOptions = {}): Promise<number> {
  const code = await run(pipeline, options);
  if (code !== 0) Deno.exitCode = code;
  return code;
}

async function run(
  pipeline: Pipeline,
  { commands, args = Deno.args }: MainOptions,
): Promise<number> {
  const load = <T>(path: string): Promise<T> => import(new URL(path, import.meta.url).href);
  try {
    const { start } = await load<typeof import("./start.ts")>("./start.ts");
    const { systemIo } = await load<typeof import("./io.ts")>("./io.ts");
    const { programName } = await load<typeof import("./program.ts")>("./program.ts");
    return await start(args, { io: systemIo(), program: programName(), pipeline, commands });
  } catch (error) {
    // What would say so may not be read either. `start` itself throws nothing.
    const { uncachedText } = await import("./uncached.ts");
    const uncached = uncachedText(error);
    if (uncached) {
      console.error(`datatask: ${uncached}`);
      return 1;
    }
    const needs = /Requires (.+?), run again with the (--allow-[a-z-]+) flag/.exec(String(error));
    if (!needs) throw error;
    const [, what, flag] = needs;
    console.error(
      `datatask: Not allowed: this needs ${what}; run again with ${flag} (or -A, for all permissions)`,
    );
    return 2;
  }
}

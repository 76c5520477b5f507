/**
 * From words to flags and arguments. The scanning is stricli's; the words about what is wrong are ours.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import {
  ArgumentScannerError,
  buildApplication,
  buildCommand,
  formatMessageForArgumentScannerError,
  numberParser,
  run,
  text_en,
} from "../deps/stricli.ts";
import { type CommandSpec, COMMON_FLAGS, dashed, type FlagSpec, type FlagSpecs } from "./spec.ts";
import { didYouMean } from "./suggest.ts";
import { usage } from "./usage.ts";

/** What a command line says. */
export interface Scanned {
  /** The flags; those that were not given are `false`, `[]` or nothing. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The arguments. */
  readonly args: readonly string[];
}

/**
 * Reads the words after the name of a command.
 *
 * @param spec The command.
 * @param words The words.
 * @returns Its flags and arguments.
 * @throws {UsageError} When a flag is unknown or lacks its value, or when there are too many arguments or too few.
 */
export async function scan(spec: CommandSpec, words: readonly string[]): Promise<Scanned> {
  const flags: FlagSpecs = { ...spec.flags, ...COMMON_FLAGS };
  let scanned: Scanned | undefined;
  let problem: string | undefined;
  const command = buildCommand<Record<string, never>, string[]>({
    docs: { brief: spec.brief },
    parameters: {
      flags: Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, parameter(flag)])),
      aliases: Object.fromEntries(
        Object.entries(flags).flatMap(([name, { short }]) => short ? [[short, name]] : []),
      ),
      positional: { kind: "array", parameter: { brief: "argument", parse: String } },
    } as never,
    func(given: object, ...args: string[]) {
      scanned = { flags: given as Scanned["flags"], args };
    },
  });
  const application = buildApplication(command, {
    name: spec.name,
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    localization: {
      text: {
        ...text_en,
        exceptionWhileParsingArguments: (error) => problem = explain(error, spec, flags),
      },
    },
  }, {});
  const discard = { write: () => {} };
  await run(application, words, { process: { stdout: discard, stderr: discard, env: {} } });
  if (!scanned) throw new UsageError(problem ?? `Cannot read the flags of ${spec.name}`);
  checkCount(spec, scanned.args);
  return scanned;
}

function parameter(flag: FlagSpec): object {
  const { brief } = flag;
  switch (flag.kind) {
    case "boolean":
      return { kind: "boolean", brief, default: false, withNegated: false };
    case "choice":
      return { kind: "enum", brief, values: flag.values!, optional: true };
    case "number":
      return { kind: "parsed", brief, parse: wholeNumber, optional: true };
    case "list":
      return { kind: "parsed", brief, parse: String, variadic: true, default: [] };
    case "text":
      return { kind: "parsed", brief, parse: String, optional: true };
  }
}

function wholeNumber(text: string): number {
  const number = numberParser(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new SyntaxError("not a whole number above zero");
  return number;
}

/** What is wrong with the words, on one line. */
function explain(error: unknown, spec: CommandSpec, flags: FlagSpecs): string {
  if (!(error instanceof ArgumentScannerError)) {
    return `Cannot read the flags of ${spec.name}: ${error instanceof Error ? error.message : String(error)}`;
  }
  const long = Object.keys(flags).map(dashed);
  return formatMessageForArgumentScannerError(error, {
    FlagNotFoundError: ({ input }) => unknownFlag(spec, `--${input}`, long),
    AliasNotFoundError: ({ input }) => unknownFlag(spec, `-${input}`, long),
    ArgumentParseError: ({ externalFlagNameOrPlaceholder: name, input }) =>
      `Cannot use ${JSON.stringify(input)} for ${dashed(name)}; write a whole number above zero`,
    EnumValidationError: ({ externalFlagName, input, values }) =>
      `Cannot use ${JSON.stringify(input)} for ${dashed(externalFlagName)}${didYouMean(input, values)}${
        didYouMean(input, values) ? "" : ";"
      } choose ${values.slice(0, -1).join(", ")} or ${values.at(-1)}`,
    UnsatisfiedFlagError: ({ externalFlagName: name }) =>
      `${dashed(name)} needs a value; write ${dashed(name)} ${placeholder(name, flags)}`,
    UnexpectedFlagError: ({ externalFlagName }) =>
      `${dashed(externalFlagName)} was given twice; give it once`,
    InvalidNegatedFlagSyntaxError: ({ externalFlagName }) =>
      `${dashed(externalFlagName)} takes no value; leave the value out`,
  });
}

function placeholder(name: string, flags: FlagSpecs): string {
  const flag = Object.entries(flags).find(([key]) => key === name || dashed(key) === dashed(name))?.[1];
  return flag?.values?.join("|") ?? flag?.placeholder ?? "VALUE";
}

function unknownFlag(spec: CommandSpec, written: string, known: readonly string[]): string {
  const meant = didYouMean(
    written.replace(/^-+/, ""),
    known.map((name) => name.slice(2)),
    (name) => `--${name}`,
  );
  return `${spec.name} has no flag ${written}${meant || `; see its flags with "${spec.name} --help"`}`;
}

function checkCount(spec: CommandSpec, args: readonly string[]): void {
  const needed = spec.args.filter((argument) => !argument.optional);
  const missing = needed[args.length];
  if (missing) {
    throw new UsageError(`${spec.name} needs ${article(missing.name)}; write ${usage(spec)}`);
  }
  if (args.length > spec.args.length && !spec.args.at(-1)?.many) {
    throw new UsageError(
      `${spec.name} takes ${count(spec.args.length)}, and ${
        JSON.stringify(args[spec.args.length])
      } is one too many; write ${usage(spec)}`,
    );
  }
}

function article(name: string): string {
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}

function count(n: number): string {
  return n === 0 ? "no arguments" : n === 1 ? "one argument" : `${n} arguments`;
}

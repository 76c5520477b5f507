/**
 * From words to flags and arguments. What is written like a flag and is none is never an argument.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import { parseArgs } from "../deps/parse_args.ts";
import {
  type CommandSpec,
  COMMON_FLAGS,
  type Completes,
  dashed,
  type FlagSpec,
  type FlagSpecs,
} from "./spec.ts";
import { didYouMean } from "./suggest.ts";
import { COMMANDS } from "./table.ts";
import { usage } from "./usage.ts";

/** So many other commands are named that have a flag. */
const NAMED = 4;

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
 * @throws {UsageError} When a flag is unknown, lacks its value or has one that it cannot take, or when there are too many arguments or too few.
 */
export function scan(spec: CommandSpec, words: readonly string[]): Scanned {
  const known: Record<string, FlagSpec> = { ...spec.flags, ...COMMON_FLAGS };
  const flags: Record<string, unknown> = Object.fromEntries(
    Object.entries(known).map(([name, { kind }]) => [
      name,
      kind === "boolean" ? false : kind === "list" ? [] : undefined,
    ]),
  );
  const byWord = new Map(Object.keys(known).map((name) => [dashed(name).slice(2), name]));
  const args: string[] = [];
  for (const token of tokensOf(known, words)) {
    if (token.kind === "positional") args.push(token.value);
    if (token.kind !== "option") continue;
    const word = words[token.index]!;
    // Who writes one dash in place of two does not mean letters.
    const whole = /^-[^-]/.test(word) && byWord.has(word.slice(1)) ? word : token.rawName;
    const name = whole === token.rawName ? byWord.get(token.name) : undefined;
    if (token.rawName === "-=") {
      const [letters = "", value] = word.split(/=(.*)/s);
      throw new UsageError(`-${letters.at(-1)} takes no value; leave ${JSON.stringify(value)} out`);
    }
    if (name === undefined) throw unknownFlag(spec, whole, word, known);
    const flag = known[name]!;
    if (flag.kind === "boolean") {
      if (token.value !== undefined) {
        throw new UsageError(`${dashed(name)} takes no value; leave ${JSON.stringify(token.value)} out`);
      }
      flags[name] = true;
      continue;
    }
    const value = valueOf(name, flag, given(name, flag, token));
    if (flag.kind === "list") flags[name] = [...flags[name] as string[], value];
    else if (flags[name] === undefined) flags[name] = value;
    else throw new UsageError(`${dashed(name)} was given twice; give it once`);
  }
  checkCount(spec, args);
  return { flags, args };
}

/** What a flag says, as it was written. */
interface OptionToken {
  readonly kind: "option";
  readonly index: number;
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

type Token = OptionToken | { readonly kind: "positional"; readonly value: string } | {
  readonly kind: "option-terminator";
};

/** Takes words apart: `-n 5`, `-n5`, `-n=5`, `--name=5`, and `-rn5` where `-r` takes nothing. */
function tokensOf(known: FlagSpecs, words: readonly string[]): readonly Token[] {
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { kind, short }]) => [
      dashed(name).slice(2),
      { type: kind === "boolean" ? "boolean" as const : "string" as const, ...(short && { short }) },
    ]),
  );
  return parseArgs({ args: [...words], options, strict: false, tokens: true }).tokens;
}

/** The value of a flag: what is written with it, or the word after it. */
function given(name: string, flag: FlagSpec, { value, inlineValue, rawName }: OptionToken): string {
  const write = `${dashed(name)} ${flag.values?.join("|") ?? flag.placeholder ?? "VALUE"}`;
  if (value === undefined || (!inlineValue && value === "--")) {
    throw new UsageError(`${dashed(name)} needs a value; write ${write}`);
  }
  if (inlineValue) return rawName.startsWith("--") ? value : value.replace(/^=/, "");
  if (/^-[-a-z]/i.test(value)) {
    throw new UsageError(
      `${dashed(name)} needs a value, and ${value} is written as a flag; write ${write}, or ${
        dashed(name)
      }=${value} if it is the value`,
    );
  }
  return value;
}

function valueOf(name: string, flag: FlagSpec, text: string): unknown {
  // Often a variable of a shell that is not set: it would name the current folder.
  if (text === "" && isPath(flag.completes)) {
    throw new UsageError(`${dashed(name)} is empty; write ${dashed(name)} ${flag.placeholder ?? "PATH"}`);
  }
  if (flag.kind === "number") {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(number) && number > 0) return number;
    throw new UsageError(
      `Cannot use ${JSON.stringify(text)} for ${dashed(name)}; write a whole number above zero`,
    );
  }
  if (flag.kind === "choice" && !flag.values.includes(text)) {
    const meant = didYouMean(text, flag.values);
    throw new UsageError(
      `Cannot use ${JSON.stringify(text)} for ${dashed(name)}${meant || ";"} choose ${choice(flag.values)}`,
    );
  }
  return text;
}

function isPath(completes: Completes | undefined): boolean {
  return completes === "file" || completes === "folder";
}

function choice(values: readonly string[]): string {
  return values.length === 1 ? values[0]! : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}

/** What is no flag of a command: `written`, which may be one letter of a word. */
function unknownFlag(spec: CommandSpec, written: string, word: string, known: FlagSpecs): UsageError {
  // A number below zero, or what else is no letter.
  const odd = /^-[^a-z-]/i.test(word);
  const shown = odd ? word : written;
  const name = shown.replace(/^-+/, "");
  const other = Object.values(known).some(({ short }) => short === name) ? `; did you mean -${name}?` : "";
  const meant = other ||
    didYouMean(name, Object.keys(known).map((each) => dashed(each).slice(2)), (each) => `--${each}`);
  const elsewhere = commandsWith(name);
  const argument = odd && spec.args.length > 0 ? "; write -- before it if it is an argument" : "";
  return new UsageError(
    `${spec.name} has no flag ${shown}${
      argument || meant || elsewhere || `; see its flags with "${spec.name} --help"`
    }`,
  );
}

/** A clause that names the commands that have a flag of this name. */
function commandsWith(name: string): string {
  const found = [...COMMANDS.values()].filter(({ flags }) =>
    Object.keys(flags).some((each) => dashed(each).slice(2) === name)
  ).map((spec) => spec.name);
  if (found.length === 0 || found.length > NAMED) return "";
  return `; ${new Intl.ListFormat("en-GB").format(found)} ${found.length === 1 ? "has" : "have"} it`;
}

function checkCount(spec: CommandSpec, args: readonly string[]): void {
  const needed = spec.args.filter((argument) => !argument.optional);
  const empty = spec.args.find(({ completes }, at) => args[at] === "" && isPath(completes));
  if (empty) throw new UsageError(`${empty.name} is empty; write ${usage(spec)}`);
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

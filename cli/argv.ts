/**
 * From words to flags and arguments. What is written like a flag and is none is never an argument.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
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
  const byLong = new Map(Object.keys(known).map((name) => [dashed(name), name]));
  const byLetter = new Map(
    Object.entries(known).flatMap(([name, { short }]) => short ? [[`-${short}`, name] as const] : []),
  );
  const args: string[] = [];
  const rest = [...words];
  const take = (name: string, inline: string | undefined): void => {
    const flag = known[name]!;
    if (flag.kind === "boolean") {
      if (inline !== undefined) {
        throw new UsageError(`${dashed(name)} takes no value; leave ${JSON.stringify(inline)} out`);
      }
      flags[name] = true;
      return;
    }
    const value = valueOf(name, flag, inline ?? nextValue(name, flag, rest));
    if (flag.kind === "list") flags[name] = [...flags[name] as string[], value];
    else if (flags[name] === undefined) flags[name] = value;
    else throw new UsageError(`${dashed(name)} was given twice; give it once`);
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      args.push(...rest);
      break;
    }
    if (word === "-" || !word.startsWith("-")) {
      args.push(word);
    } else if (word.startsWith("--")) {
      const at = word.indexOf("=");
      const written = at < 0 ? word : word.slice(0, at);
      const name = byLong.get(written);
      if (name === undefined) throw unknownFlag(spec, written, byLong.keys(), byLetter);
      take(name, at < 0 ? undefined : word.slice(at + 1));
    } else {
      // Who writes one dash in place of two does not mean letters.
      if (byLong.has(`-${word}`)) throw unknownFlag(spec, word, byLong.keys(), byLetter);
      takeLetters(spec, word, byLong, byLetter, known, take);
    }
  }
  checkCount(spec, args);
  return { flags, args };
}

/** Takes `-n 5`, `-n5`, `-n=5`, and `-rn5` where `-r` takes nothing. */
function takeLetters(
  spec: CommandSpec,
  word: string,
  byLong: ReadonlyMap<string, string>,
  byLetter: ReadonlyMap<string, string>,
  known: FlagSpecs,
  take: (name: string, inline: string | undefined) => void,
): void {
  const letters = [...word.slice(1)];
  for (const [at, letter] of letters.entries()) {
    const name = byLetter.get(`-${letter}`);
    if (name === undefined) {
      throw unknownFlag(
        spec,
        at === 0 && !/[a-z]/i.test(letter) ? word : `-${letter}`,
        byLong.keys(),
        byLetter,
      );
    }
    const after = letters.slice(at + 1).join("");
    const isLast = known[name]!.kind !== "boolean" || after.startsWith("=");
    take(name, isLast && after !== "" ? after.replace(/^=/, "") : undefined);
    if (isLast) return;
  }
}

/** The word after a flag, which is its value. */
function nextValue(name: string, flag: FlagSpec, rest: string[]): string {
  const next = rest[0];
  const write = `${dashed(name)} ${flag.values?.join("|") ?? flag.placeholder ?? "VALUE"}`;
  if (next === undefined || next === "--") {
    throw new UsageError(`${dashed(name)} needs a value; write ${write}`);
  }
  if (/^-[-a-z]/i.test(next)) {
    throw new UsageError(
      `${dashed(name)} needs a value, and ${next} is written as a flag; write ${write}, or ${
        dashed(name)
      }=${next} if it is the value`,
    );
  }
  return rest.shift()!;
}

function valueOf(name: string, flag: FlagSpec, text: string): unknown {
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

function choice(values: readonly string[]): string {
  return values.length === 1 ? values[0]! : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}

/** What is no flag of a command: a word, or the letter of one. */
function unknownFlag(
  spec: CommandSpec,
  written: string,
  long: Iterable<string>,
  byLetter: ReadonlyMap<string, string>,
): UsageError {
  const name = written.replace(/^-+/, "");
  const other = byLetter.has(`-${name}`) ? `; did you mean -${name}?` : "";
  const meant = other || didYouMean(name, [...long].map((each) => each.slice(2)), (each) => `--${each}`);
  const argument = /^-[^a-z-]/i.test(written) && spec.args.length > 0
    ? "; write -- before it if it is an argument"
    : "";
  return new UsageError(
    `${spec.name} has no flag ${written}${argument || meant || `; see its flags with "${spec.name} --help"`}`,
  );
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

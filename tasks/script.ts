/**
 * Shell scripts as tagged templates that quote every value, so that injection is nothing an author must remember to avoid.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import { ShellReader } from "./script_reader.ts";

/** Marks scripts of any loaded copy of this package. */
const BRAND: unique symbol = Symbol.for("@datatask/datatask/script") as never;

/** A shell script, made by {@linkcode sh}. */
export class Script {
  /** The text for `/bin/sh`. */
  readonly text: string;

  /**
   * Makes a script of a text. Use `sh` where values are put into it.
   *
   * @param text The text for `/bin/sh`, taken as it is.
   */
  constructor(text: string) {
    this.text = text;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** The text for `/bin/sh`. */
  toString(): string {
    return this.text;
  }
}

/** What has a path: a link of a process task, for one. */
export interface PathLike {
  /** The path. */
  readonly path: string;
}

/** What can be put into a script: one word, several words, or a piece of script. */
export type ScriptValue = string | number | bigint | PathLike | URL | Script | readonly ScriptValue[];

/** The tag of shell scripts. */
export interface ScriptTag {
  /**
   * Makes a script. Values become words, quoted, or parts of a word that is in double quotes; lists become several words; pieces made by `sh` are
   * inserted as they are.
   *
   * The text is taken as it is written: a backslash is the shell's, but for `\${` and `` \` ``, which a template needs.
   *
   * @throws {DefinitionError} When a value is no text, or stands where the shell would not take it as a word: in single quotes, in a comment, in a here-document.
   */
  (strings: TemplateStringsArray, ...values: readonly ScriptValue[]): Script;
  /**
   * A piece of script that is inserted as it is. Whatever is in it is run.
   *
   * @param text The piece.
   * @returns It.
   */
  raw(text: string): Script;
}

function isScript(value: unknown): value is Script {
  return typeof value === "object" && value !== null && BRAND in value;
}

/** What a value is for a person, in an error. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  return `an object without a path (${value.constructor?.name ?? "Object"})`;
}

function refuse(at: number, why: string): never {
  throw new DefinitionError(`Cannot put value ${at + 1} into a script: ${why}`, { operation: "quote" });
}

/**
 * A text as one word of a shell. It is always in quotes: a bare `2` before `>` names a file descriptor, a bare `if` begins a statement.
 *
 * @param text The text.
 * @returns The word.
 * @throws {DefinitionError} When it holds a NUL character, which no word can.
 */
export function quoteWord(text: string): string {
  if (text.includes("\0")) {
    throw new DefinitionError(
      "Cannot quote a text with a NUL character: no shell can take it; pass it in a file",
    );
  }
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function words(value: unknown, at: number): string {
  if (typeof value === "string") {
    return value.includes("\0")
      ? refuse(at, "it holds a NUL character, which no shell can take; pass it in a file")
      : quoteWord(value);
  }
  if (typeof value === "number" || typeof value === "bigint") return quoteWord(String(value));
  if (isScript(value)) return value.text;
  if (Array.isArray(value)) return value.map((item) => words(item, at)).join(" ");
  if (value instanceof URL) {
    if (value.protocol === "file:") return words(decodeURIComponent(value.pathname), at);
    return words(value.href, at);
  }
  const path = (value as { path?: unknown } | null | undefined)?.path;
  if (typeof value === "object" && typeof path === "string") return words(path, at);
  return refuse(
    at,
    `it is ${kindOf(value)}; give a text, a number, a link, a list of them, or a piece made by sh`,
  );
}

/** A value within double quotes: they end before it and begin again after it, so that it is quoted as everywhere else. */
function withinDouble(value: unknown, at: number): string {
  if (Array.isArray(value)) {
    refuse(at, "it is a list, and stands in double quotes, which are one word; remove them");
  }
  return `"${words(value, at)}"`;
}

/** The text of a part as it was written, without the backslashes that only a template needs. */
function written(raw: string): string {
  return raw.replace(/\\(\\|`|\$\{)/g, (whole, what) => what === "\\" ? whole : what);
}

function tag(strings: TemplateStringsArray, ...values: readonly ScriptValue[]): Script {
  const reader = new ShellReader();
  let text = "";
  const add = (piece: string): void => {
    reader.read(piece);
    text += piece;
  };
  strings.raw.forEach((raw, i) => {
    add(written(raw));
    if (i >= values.length) return;
    const value = values[i]!;
    if (isScript(value)) return add(value.text);
    const place = reader.place;
    if (place === "arithmetic" && Number.isSafeInteger(value)) {
      return add(Number(value) < 0 ? `(${value})` : `${value}`);
    }
    const fault = reader.fault;
    if (fault !== undefined) refuse(i, fault);
    add(place === "double" ? withinDouble(value, i) : words(value, i));
  });
  return new Script(text);
}

/**
 * Makes a shell script in which every value is quoted.
 *
 * @example Values stay values
 * ```ts
 * import { sh } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const name = "it's; rm -rf $HOME";
 * assert.equal(sh`wc -w < ${name} > ${"out put"}`.text, `wc -w < 'it'\\''s; rm -rf $HOME' > 'out put'`);
 * ```
 */
export const sh: ScriptTag = Object.assign(tag, { raw: (text: string): Script => new Script(text) });

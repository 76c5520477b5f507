/**
 * What a command is, as data: its name, arguments and flags. Help, scanning and completion all follow from it.
 *
 * @module
 */
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Style } from "./ansi.ts";
import type { Io } from "./io.ts";

/** What a value on the command line names, so that a shell can complete it. */
export type Completes = "task" | "repository" | "name" | "job" | "file" | "folder" | "command";

/** A flag. Its name in the record is in camel case; people write it with dashes. */
export type FlagSpec =
  & {
    /** What it does, in a few words. */
    readonly brief: string;
    /** Its letter. */
    readonly short?: string;
  }
  & (
    | {
      /** It takes nothing. */
      readonly kind: "boolean";
      readonly placeholder?: undefined;
      readonly values?: undefined;
      readonly completes?: undefined;
    }
    | {
      /** It takes a text; a whole number above zero; or a text each time it is given. */
      readonly kind: "text" | "number" | "list";
      /** What help calls its value. */
      readonly placeholder?: string;
      readonly values?: undefined;
      /** What its value names. */
      readonly completes?: Completes;
    }
    | {
      /** It takes one of `values`. */
      readonly kind: "choice";
      readonly placeholder?: undefined;
      /** What can be chosen. */
      readonly values: readonly string[];
      readonly completes?: undefined;
    }
  );

/** Flags by name. */
export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

/** The values of flags, as a command gets them. */
export type FlagsOf<F extends FlagSpecs> = {
  readonly [N in keyof F]: F[N]["kind"] extends "boolean" ? boolean
    : F[N]["kind"] extends "number" ? number | undefined
    : F[N]["kind"] extends "list" ? readonly string[]
    : F[N] extends { readonly values: readonly (infer V)[] } ? V | undefined
    : string | undefined;
};

/** An argument. */
export interface ArgumentSpec {
  /** What help calls it. */
  readonly name: string;
  /** Whether it may be left out. */
  readonly optional?: boolean;
  /** Whether more of it may follow. The last only. */
  readonly many?: boolean;
  /** What it names. */
  readonly completes?: Completes;
}

/** A command. */
export interface CommandSpec<F extends FlagSpecs = FlagSpecs> {
  /** Its name. */
  readonly name: string;
  /** What it does: one line, beginning with a verb. */
  readonly brief: string;
  /** More about it: paragraphs for its own page of help. */
  readonly about?: readonly string[];
  /** Its arguments, in order. */
  readonly args: readonly ArgumentSpec[];
  /** Its flags. */
  readonly flags: F;
  /** What people type, and what it does. */
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Whether lists of commands leave it out. */
  readonly hidden?: boolean;
}

/** What a command gets. */
export interface Context {
  /** The streams. */
  readonly io: Io;
  /** Styles for the standard output. */
  readonly style: Style;
  /** Whether stacks are shown. */
  readonly debug: boolean;
  /** How this program was called: what a person puts before the name of a command. */
  readonly program: string;
  /** Flags that a person must repeat to speak of the same pipeline: ` -p pipeline.ts`, or nothing. */
  readonly repeat: string;
  /** Commands that the pipeline brings along. `named` is its module, where that was said elsewhere. */
  own(named?: string): Promise<readonly CommandSpec[]>;
  /** The pipeline, as its module gives it. */
  load(): Promise<Pipeline>;
  /** The pipeline, opened; it is closed when the command is over. */
  open(): Promise<Pipeline>;
  /** The pipeline, opened to look at: nothing is made or changed. It is closed when the command is over. */
  look(): Promise<Pipeline>;
}

/** The module of a command. */
export interface CommandModule {
  /** Does it, and returns the exit code. */
  run(context: Context, flags: never, args: readonly string[]): Promise<number>;
}

/**
 * Declares a command that comes with the package, keeping the types of its flags.
 *
 * @param spec The command.
 * @returns The same.
 */
export function builtIn<const F extends FlagSpecs>(spec: CommandSpec<F>): CommandSpec<F> {
  return spec;
}

/** The flag that all reading commands take. */
export const JSON_FLAG = { kind: "boolean", brief: "Print JSON" } as const;

/** Flags that every command takes. */
export const COMMON_FLAGS = {
  pipeline: {
    kind: "text",
    short: "p",
    brief: "The module of the pipeline: a path or a URL",
    placeholder: "MODULE",
    completes: "file",
  },
  debug: { kind: "boolean", brief: "Show the stacks of errors" },
  help: { kind: "boolean", short: "h", brief: "Explain this command" },
} as const;

/**
 * How a flag is written.
 *
 * @param name Its name in camel case.
 * @returns `--not-task` for `notTask`.
 */
export function dashed(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Who runs a script: what its first line says, checked before anything is started.
 *
 * @module
 */
import { ExecutorError } from "../core/errors.ts";

/** Looks at a script before it is started. */
export interface ScriptCheck {
  /** What is being started, for errors: `summary/moby-dick`. */
  readonly subject: string;
  /** The script. */
  readonly script: string;
  /** What is added to its environment. */
  readonly environment: Readonly<Record<string, string>>;
}

function refuse(check: ScriptCheck, why: string): ExecutorError {
  return new ExecutorError("cannot-start", `Cannot start ${check.subject}: ${why}`, { operation: "start" });
}

/**
 * Who runs a script.
 *
 * @param check The script.
 * @param fault What keeps a file from being an interpreter. Default: what a look at this machine says.
 * @returns The interpreter and its argument; nothing when the watching shell does it.
 * @throws {ExecutorError} With code `cannot-start`, when the interpreter is not there or the script cannot be passed on.
 */
export function interpreterOf(
  check: ScriptCheck,
  fault: (path: string) => string | undefined = unfit,
): readonly string[] | undefined {
  if (check.script.includes("\0")) {
    throw refuse(check, "its script holds a NUL character; scripts are text, bytes go into a link");
  }
  for (const [name, value] of Object.entries(check.environment)) {
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      throw refuse(
        check,
        `${JSON.stringify(name)} is no name for an environment variable; use letters, digits and "_"`,
      );
    }
    if (value.includes("\0")) throw refuse(check, `the environment variable ${name} holds a NUL character`);
  }
  const first = /^#!([^\n]*)/.exec(check.script)?.[1];
  if (first === undefined) return undefined;
  if (first.endsWith("\r")) {
    throw refuse(check, "its first line ends in a carriage return; save the script with line ends of Unix");
  }
  // As the kernel does: the interpreter, and all the rest as one argument.
  const [, path, argument] = /^[ \t]*([^ \t]*)[ \t]*(.*?)[ \t]*$/.exec(first)!;
  if (path === "/bin/sh" && argument === "") return undefined;
  if (!path!.startsWith("/")) {
    throw refuse(check, `its first line names no interpreter by an absolute path: #!${first}`);
  }
  const why = fault(path!);
  if (why !== undefined) throw refuse(check, `the interpreter ${path} of its first line ${why}`);
  return argument === "" ? [path!] : [path!, argument!];
}

/** What may keep a file from being an interpreter, and what to do about it. */
export const UNFIT = {
  folder: "is a folder; name the program",
  mode: "is not executable; set its mode, or name another",
  missing: "is not there; install it, or write #!/usr/bin/env and its name",
} as const;

/** What keeps a file from being an interpreter. Where this process may not look, the shell will tell. */
function unfit(path: string): string | undefined {
  try {
    const info = Deno.statSync(path);
    if (info.isDirectory) return UNFIT.folder;
    if (info.mode !== null && (info.mode & 0o111) === 0) {
      return UNFIT.mode;
    }
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return UNFIT.missing;
    }
    if (error instanceof Deno.errors.NotADirectory) return "is not there: a part of its path is no folder";
    return undefined;
  }
}

/**
 * Which program runs the script of a container, and what no engine could run.
 *
 * @module
 */
import { ExecutorError } from "../core/errors.ts";
import type { ContainerWork } from "./container_work.ts";

/** What of some work says how its script is run. */
export type Scripted = Pick<ContainerWork, "script" | "environment" | "entrypoint">;

/**
 * Finds who runs a script: the entrypoint, or the interpreter that its first line names, or `/bin/sh`.
 *
 * @param work The script, its environment and its entrypoint.
 * @param action What it is for, for errors: `start a/b on docker`.
 * @returns The program and its arguments; the path of the script comes after them.
 * @throws {ExecutorError} With code `cannot-start`, when no engine could run it.
 */
export function entryOf(work: Scripted, action: string): readonly string[] {
  const refuse = (why: string): ExecutorError =>
    new ExecutorError("cannot-start", `Cannot ${action}: ${why}`, { operation: "start" });
  if (work.script.includes("\0")) {
    throw refuse("its script holds a NUL character; scripts are text, bytes go into a link");
  }
  for (const [name, value] of Object.entries(work.environment)) {
    if (name === "" || /[=\0]/.test(name)) {
      throw refuse(`${JSON.stringify(name)} is no name for an environment variable`);
    }
    if (value.includes("\0")) throw refuse(`the environment variable ${name} holds a NUL character`);
  }
  const first = /^#!([^\n]*)/.exec(work.script)?.[1];
  if (first?.endsWith("\r")) {
    throw refuse("its first line ends in a carriage return; save the script with line ends of Unix");
  }
  const entry = work.entrypoint ?? interpreterOf(first, refuse);
  if (entry.length === 0) throw refuse("its entrypoint is empty; name a program of the image");
  return entry;
}

/**
 * Whether a program is a shell that can be told to prepare a script.
 *
 * @param entry The program and its arguments.
 * @returns Whether it is.
 */
export function isShell(entry: readonly string[]): boolean {
  return entry.length === 1 && /(^|\/)(ba|da|a)?sh$/.test(entry[0]!);
}

/** As the kernel does: the interpreter, and all the rest as one argument. */
function interpreterOf(first: string | undefined, refuse: (why: string) => Error): readonly string[] {
  if (first === undefined) return ["/bin/sh"];
  const [, path, argument] = /^[ \t]*([^ \t]*)[ \t]*(.*?)[ \t]*$/.exec(first)!;
  if (!path!.startsWith("/")) {
    throw refuse(`its first line names no interpreter by an absolute path: #!${first}`);
  }
  return argument === "" ? [path!] : [path!, argument!];
}

/**
 * Small scripts come into containers by an environment variable: that costs an engine less than a file that it has to put there. A shell writes it
 * into a file of the container and runs that in its own place, without the variable.
 *
 * @module
 */
import { encodeText } from "../../core/bytes.ts";

/** The variable that brings a script. */
export const CARRIER = "DATATASK_SCRIPT";
/** How large a script may be, in bytes. Linux lets a variable have 128 KiB, and all of them together not much more where stacks are small. */
const LIMIT = 64 << 10;

/**
 * Whether a script can come by the environment.
 *
 * @param text The script.
 * @param environment What else is in the environment.
 * @returns Whether it is small enough, and the variable is not taken.
 */
export function isCarried(text: string, environment: Readonly<Record<string, string>>): boolean {
  return !(CARRIER in environment) && encodeText(text).length <= LIMIT;
}

/**
 * The command that runs a script that comes by the environment.
 *
 * @param shell The shell that runs it: a path, or a name.
 * @param file Where the script is to lie.
 * @param prepare Says what is to be done besides: it is given the words that write the file, and gives them back with its own.
 * @returns The program and its arguments.
 */
export function carriedCommand(
  shell: string,
  file: string,
  prepare: (write: string) => string = (write) => write,
): readonly string[] {
  const text = `${prepare(`printf %s "$${CARRIER}" >${file}||exit`)};unset ${CARRIER};exec "$0" ${file}`;
  // What the environment has bash do at its start is for the script, once.
  return [shell, /(^|\/)bash$/.test(shell) ? "-pc" : "-c", text, shell];
}

/**
 * The part of the worker's shell for standard streams that are published: they are written to files, and handed over like outputs.
 *
 * @module
 */
import { quoteWord } from "./script.ts";

/** Files that standard streams are written to: paths on the worker. Those that are not named go to the log. */
export interface PublishedStreams {
  readonly stdout?: string | undefined;
  readonly stderr?: string | undefined;
  /** Whether standard error goes where standard output goes. */
  readonly merged: boolean;
}

/**
 * A function of the shell, `_dt_say`, that prints what was written to the files: a log is where one looks when a script has failed.
 *
 * @param streams Which.
 * @returns Its text.
 */
export function printing({ stdout, stderr }: PublishedStreams): string {
  const print = (path?: string): string => path === undefined ? "" : `cat ${quoteWord(path)} 2>/dev/null; `;
  return `_dt_say() { ${print(stdout)}{ ${print(stderr)}:; } >&2; }\n`;
}

/**
 * What sends the streams of a script into the files.
 *
 * @param streams Which.
 * @returns Redirections, for the end of a command.
 */
export function redirections({ stdout, stderr, merged }: PublishedStreams): string {
  return (stdout === undefined ? "" : ` >${quoteWord(stdout)}${merged ? " 2>&1" : ""}`) +
    (stderr === undefined ? "" : ` 2>${quoteWord(stderr)}`);
}

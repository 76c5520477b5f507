/**
 * How a script is run in a container of a pod, and what must be in the Secret that brings it.
 *
 * All containers of a pod see one set of processes, whose first is not the script: so a script has the signals that it would have anywhere, and
 * what it has left behind is ended with it. What is written to standard output and standard error becomes the log of the container. Its first line says
 * which run it is: it is missing when the node has thrown the beginning of a long log away.
 *
 * @module
 */
import { entryOf, isShell, type Scripted } from "../container_command.ts";

/** The folder in a container that holds what a run needs. */
export const HOME = "/datatask";
/** Where a script begins when nothing else was said. */
export const WORKDIR = `${HOME}/work`;
/** Where the Secret is seen. */
export const RUN = `${HOME}/run`;
/** Where a script says how it has ended. */
export const LAST_WORDS = "/dev/termination-log";
/** Standard error on its way to the container that keeps it apart. */
const PIPE = `${HOME}/stderr`;
/** Whoever of the two comes first makes it. */
const MAKE_PIPE = `[ -p ${PIPE} ]||mkfifo ${PIPE} 2>/dev/null;`;

/** How a script is run. */
export interface Command {
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** What the file of the script holds. */
  readonly text: string;
  /** Whether the log begins with {@linkcode head}. */
  readonly headed: boolean;
}

/** What the command is made from. */
export interface ScriptedWork extends Scripted {
  readonly stdin?: unknown;
  readonly mergeStderr: boolean;
}

/**
 * The first line of a log.
 *
 * @param name The name of the run.
 * @returns The line.
 */
export function head(name: string): string {
  return `# ${name}\n`;
}

/**
 * It says that a shell has left by itself, with which code, and what was used; a signal leaves nothing. No `read`: that of busybox never ends in
 * the trap of a signal.
 */
const FAREWELL = `trap '{ echo "exit $?";times;` +
  `for f in /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes;do [ -r $f ]&&echo "peak $(cat $f)";done;` +
  `} >${LAST_WORDS} 2>/dev/null' EXIT;`;

/**
 * How the script of some work is run.
 *
 * @param name The name of the run.
 * @param work Which work.
 * @param action What it is for, for errors.
 * @returns The command, and the text of the file.
 * @throws {ExecutorError} With code `cannot-start`, when no engine could run it.
 */
export function commandOf(name: string, work: ScriptedWork, action: string): Command {
  const entry = entryOf(work, action);
  const script = `${RUN}/script`;
  const prepare = `echo '# ${name}';` +
    (work.stdin ? `exec <${RUN}/stdin;` : "exec </dev/null;") +
    (work.mergeStderr ? "exec 2>&1;" : `${MAKE_PIPE}exec 2>${PIPE};`);
  if (isShell(entry)) {
    // All that prepares a script is on the first line, so that line numbers in the messages of the shell are the script's.
    const text = `${prepare}${FAREWELL}${work.script.replace(/^#![^\n]*/, "")}\n`;
    return { argv: [entry[0]!, script], text, headed: true };
  }
  if (!work.stdin && work.mergeStderr) return { argv: [...entry, script], text: work.script, headed: false };
  return {
    argv: ["/bin/sh", "-c", `${prepare}exec "$@"`, "sh", ...entry, script],
    text: work.script,
    headed: true,
  };
}

/**
 * What keeps standard error apart: a second container, whose log it becomes. It ends when nobody writes to the pipe any more.
 *
 * @param name The name of the run.
 * @returns Its command.
 */
export function stderrCommand(name: string): readonly string[] {
  return ["/bin/sh", "-c", `${MAKE_PIPE}echo '# ${name}';exec cat <${PIPE}`];
}

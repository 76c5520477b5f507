/**
 * What is put into a container before it starts: its script, an empty folder, and its standard input.
 *
 * The script is a file, so that its size has no limit and it is on no command line. Standard input is a file too: a coordinator that is killed
 * while it feeds a pipe would end the input early, and a script cannot tell that from its end. An engine takes as long for such files as for half
 * of a small container, so a small script comes by the environment where the one that it runs as may write it.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { createTarPacker } from "../../deps/modern_tar.ts";
import { carriedCommand, isCarried } from "./carried_script.ts";
import { entryOf, isShell } from "../container_command.ts";
import type { ContainerWork } from "../container_work.ts";

/** The folder in a container that holds what a run needs. */
export const HOME = "/datatask";
/** The script. */
const SCRIPT = `${HOME}/script`;
/** Where a script begins when nothing else was said. */
export const WORKDIR = `${HOME}/work`;
/** It is there once all of a script is, where that may come by the environment. */
const READY = `${HOME}/ready`;
/** Its standard input. */
const STDIN = `${HOME}/stdin`;
/** It is there when a shell itself left with a code over 128, which else means a signal. */
export const CODE = `${HOME}/code`;
/** It is there once a script has begun. */
const BEGUN = `${HOME}/begun`;
/** It is there when a script was not begun again, since it had begun before, and nobody saw its end. */
export const CUT = `${HOME}/cut`;
/** What a shell leaves with that was not to begin again. */
export const CUT_CODE = 255;

/** How a script is run. */
export interface Command {
  /** The program and its arguments, the path of the script last. */
  readonly argv: readonly string[];
  /** What the file of the script holds. */
  readonly text: string;
  /** Whether the text comes by the environment, and need not be put into a container of {@linkcode ROOT}. */
  readonly carried: boolean;
  /** Whether it sees to it itself that it begins once. */
  readonly once: boolean;
}

/**
 * How the script of some work is run.
 *
 * @param work Which work.
 * @param action What it is for, for errors.
 * @returns The command line, and the text of the file.
 * @throws {ExecutorError} With code `cannot-start`, when no engine could run it.
 */
export function commandOf(work: ContainerWork, action: string): Command {
  const entry = entryOf(work, action);
  if (isShell(entry)) {
    const text = shellText(work);
    // The engine makes the folder that a container begins in.
    const carried = !work.stdin && work.workdir === undefined && isCarried(text, work.environment);
    const argv = carried ? carriedCommand(entry[0]!, SCRIPT, prepared) : [entry[0]!, SCRIPT];
    return { argv, text, carried, once: true };
  }
  // A program that is no shell reads its input from the file by way of one.
  const redirect = work.stdin ? ["/bin/sh", "-c", `exec "$@" <${STDIN}`, "sh"] : [];
  return { argv: [...redirect, ...entry, SCRIPT], text: work.script, carried: false, once: false };
}

/** An engine that was killed while it started a container may start it again when the script lies there in part. */
function prepared(write: string): string {
  return `[ -e ${READY} ]||{ ${write};chmod 1777 ${HOME} ${WORKDIR} 2>/dev/null;: >${READY};}`;
}

/** Who may write anywhere in a container, as images and tasks name it. */
export const ROOT: ReadonlySet<string> = new Set(["", "0", "root", "0:0", "root:root"]);

/**
 * All that prepares a script is on the first line, so that line numbers in the messages of the shell are the script's.
 *
 * An engine that is killed while it starts a container may not know afterwards that it has, and would start it again: it begins once.
 */
function shellText(work: ContainerWork): string {
  return `if [ -e ${BEGUN} ];then : >${CUT};exit ${CUT_CODE};fi;: >${BEGUN};` +
    `unset TINI_KILL_PROCESS_GROUP;trap '[ "$?" -le 128 ] || : >${CODE}' EXIT;` +
    (work.stdin ? `exec <${STDIN};` : "") +
    (work.mergeStderr ? "exec 2>&1;" : "") +
    work.script.replace(/^#![^\n]*/, "") + "\n";
}

/** A tar archive on its way to an engine. */
export interface Archive {
  /** Its bytes, or a stream of Node. */
  readonly file: unknown;
  /** Gives back what it took. */
  close(): void;
}

/**
 * The archive of what is put into a container.
 *
 * @param command How its script is run.
 * @param stdin Its standard input.
 * @param spool A folder for what must be measured before it is sent.
 * @returns The archive, for the root of the container.
 */
export async function archiveOf(
  command: Command,
  stdin: ReadableStream<Bytes> | undefined,
  spool: string,
): Promise<Archive> {
  const file = stdin && await spooled(stdin, spool);
  const { readable, controller } = createTarPacker();
  const text = new TextEncoder().encode(command.text);
  const fill = async (): Promise<void> => {
    // Whoever it runs as may note its exit code and work in its folder, and take away nobody else's.
    for (const name of [`${HOME}/`, `${WORKDIR}/`]) {
      await controller.add({ name: name.slice(1), type: "directory", size: 0, mode: 0o1777, uid: 0, gid: 0 })
        .close();
    }
    const script = controller.add({ name: SCRIPT.slice(1), size: text.length, mode: 0o755, uid: 0, gid: 0 })
      .getWriter();
    await script.write(text);
    await script.close();
    if (command.carried) {
      await controller.add({ name: READY.slice(1), size: 0, mode: 0o644, uid: 0, gid: 0 }).close();
    }
    if (file) {
      await file.readable.pipeTo(
        controller.add({ name: STDIN.slice(1), size: file.size, mode: 0o644, uid: 0, gid: 0 }),
      );
    }
    controller.finalize();
  };
  const filled = fill().catch((error) => controller.error(error));
  if (file) {
    const { Readable } = await import("node:stream");
    return { file: Readable.fromWeb(readable as never), close: () => file.close() };
  }
  const { Buffer } = await import("node:buffer");
  const bytes = await new Response(readable as ReadableStream<Bytes>).arrayBuffer();
  await filled;
  return { file: Buffer.from(bytes), close() {} };
}

/** A stream of unknown length in a file that has no name any more, so that nothing is left of it whatever happens. */
async function spooled(
  stream: ReadableStream<Bytes>,
  folder: string,
): Promise<{ readonly readable: ReadableStream<Uint8Array>; readonly size: number; close(): void }> {
  const path = await Deno.makeTempFile({ dir: folder, prefix: "stdin-" });
  const file = await Deno.open(path, { read: true, write: true });
  const close = (): void => {
    try {
      file.close();
    } catch {
      // Its stream has closed it.
    }
  };
  try {
    await Deno.remove(path);
    let size = 0;
    for await (const chunk of stream) {
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      size += chunk.length;
    }
    await file.seek(0, Deno.SeekMode.Start);
    return { readable: file.readable, size, close };
  } catch (error) {
    close();
    throw error;
  }
}

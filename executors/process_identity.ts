/**
 * Processes of this machine: who is there, who is still the one that was meant, and who belongs to a session.
 *
 * A pid alone says nothing: it is given out again. A watching shell is known by the unique name among its arguments, a coordinator by its
 * pid and the time it began. Deno opens `/proc` to those only who may do all; for others a shell reads it.
 *
 * @module
 */
import { isMachineTrouble } from "../core/errors.ts";

/** A process. */
export interface ProcessRow {
  /** Its pid. */
  readonly pid: number;
  /** The session it belongs to; its process group where sessions cannot be seen. */
  readonly session: number;
  /** Its process group. */
  readonly group: number;
  /** Whether it has ended and only waits to be asked how. */
  readonly zombie: boolean;
  /** When it began, in whatever unit; two processes of one pid differ in it. */
  readonly started: string;
}

/** Reads a line of `/proc/<pid>/stat`. The second field may hold anything, parentheses and spaces included. */
function parseStat(line: string): ProcessRow | undefined {
  const close = line.lastIndexOf(")");
  if (close === -1) return undefined;
  const fields = line.slice(close + 2).split(" ");
  return {
    pid: Number.parseInt(line),
    zombie: fields[0] === "Z" || fields[0] === "X",
    group: Number(fields[2]),
    session: Number(fields[3]),
    started: fields[19] ?? "",
  };
}

/** Runs a line in a shell and returns what it says. */
async function ask(script: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command("/bin/sh", {
    args: ["-c", script, "datatask-look", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output();
  return new TextDecoder().decode(output.stdout);
}

function tryRead(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    // Out of files is no sign that nobody is there.
    if (isMachineTrouble(error)) throw error;
    return undefined;
  }
}

/** Whether this process may read `/proc` itself. */
function direct(): boolean {
  return Deno.build.os === "linux" && tryRead("/proc/self/stat") !== undefined;
}

/**
 * Looks at one process.
 *
 * @param pid Which.
 * @returns What is known of it; nothing when there is none.
 */
export async function lookUp(pid: number): Promise<ProcessRow | undefined> {
  if (direct()) {
    const text = tryRead(`/proc/${pid}/stat`);
    return text === undefined ? undefined : parseStat(text);
  }
  return (await processes([pid])).find((row) => row.pid === pid);
}

/**
 * Everybody, or those asked for.
 *
 * @param pids Only these.
 * @returns The processes that are there.
 */
export async function processes(pids?: readonly number[]): Promise<readonly ProcessRow[]> {
  const rows = (lines: Iterable<string>): ProcessRow[] => [...lines].flatMap((line) => parseStat(line) ?? []);
  if (direct()) {
    const names = pids?.map(String) ??
      [...Deno.readDirSync("/proc")].map((entry) => entry.name).filter((name) => /^\d+$/.test(name));
    return rows(names.map((name) => tryRead(`/proc/${name}/stat`) ?? ""));
  }
  if (Deno.build.os === "linux") {
    const stats = pids ? pids.map((pid) => `/proc/${pid}/stat`).join(" ") : "/proc/[0-9]*/stat";
    return rows(
      (await ask(`for f in ${stats}; do read -r l 2>/dev/null <"$f" && echo "$l"; done`)).split("\n"),
    );
  }
  const table = await ask("ps -A -o pid= -o pgid= -o stat= -o lstart=");
  return table.split("\n").flatMap((line) => {
    const [, pid, group, state, started] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || (pids && !pids.includes(Number(pid)))) return [];
    return {
      pid: Number(pid),
      group: Number(group),
      session: Number(group),
      zombie: state!.startsWith("Z"),
      started: started!,
    };
  });
}

/**
 * Whether a process is a watching shell of this name.
 *
 * @param pid Its pid.
 * @param name The unique name among its arguments.
 * @returns Whether it lives and is the one.
 */
export async function isShell(pid: number, name: string): Promise<boolean> {
  let args: string;
  if (direct()) {
    // Empty for a zombie, which is as gone as one that is not there.
    args = (tryRead(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", "\n");
  } else if (Deno.build.os === "linux") {
    args = await ask(`tr '\\0' '\\n' <"/proc/$1/cmdline"`, String(pid));
  } else {
    args = await ask(`ps -p "$1" -o args=`, String(pid));
  }
  return args.includes(name);
}

/**
 * Who is in a session.
 *
 * @param session The pid of its leader.
 * @returns Its live members without the leader.
 */
export async function sessionMembers(session: number): Promise<readonly ProcessRow[]> {
  return (await processes()).filter((row) => row.session === session && row.pid !== session && !row.zombie);
}

/**
 * Whether the watching shell of a session has a child that is a program of its own. One that was only just forked still catches the signals
 * that the shell catches, and would not hear them.
 *
 * @param session The pid of the shell.
 * @returns Whether it has; `true` where the platform does not tell.
 */
export async function hasBegun(session: number): Promise<boolean> {
  const caught = caughtBy(session);
  if (caught === undefined) return true;
  const members = await sessionMembers(session);
  return members.length > 0 && members.every(({ pid }) => caughtBy(pid) !== caught);
}

/** The signals that a process catches. */
function caughtBy(pid: number): string | undefined {
  return /^SigCgt:\s*(\S+)$/m.exec(tryRead(`/proc/${pid}/status`) ?? "")?.[1];
}

/**
 * Whether what lives in a session was started under a watching shell that is gone. A pid is not given out while a session goes by it, so
 * one member that bears the shell's name in its environment vouches for all.
 *
 * @param members Members of the session.
 * @param name The name of the shell.
 * @returns Whether they are.
 */
export async function bearName(members: readonly ProcessRow[], name: string): Promise<boolean> {
  const mark = `DATATASK_SHELL=${name}`;
  for (const { pid } of members) {
    const text = tryRead(`/proc/${pid}/environ`) ??
      (Deno.build.os === "linux" ? await ask(`tr '\\0' '\\n' <"/proc/$1/environ"`, String(pid)) : "");
    if (text.includes(mark)) return true;
  }
  return false;
}

/**
 * Sends a signal.
 *
 * @param pid To which process, or, below zero, to which group.
 * @param signal Which.
 * @returns Whether there was somebody.
 */
export function send(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  }
}

/** Who this process is, and since when the machine is up. */
export interface OwnIdentity {
  /** This process. */
  readonly by: readonly [pid: number, started: string];
  /** This life of the machine. */
  readonly boot: string;
}

/** Who this process is. */
export async function ownIdentity(): Promise<OwnIdentity> {
  const path = "/proc/sys/kernel/random/boot_id";
  const boot = tryRead(path) ??
    await ask(Deno.build.os === "linux" ? `read -r b <${path}; echo "$b"` : "sysctl -n kern.boottime");
  return { by: [Deno.pid, (await lookUp(Deno.pid))?.started ?? ""], boot: boot.trim() };
}

/** Whether a coordinator lives. */
export async function isCoordinator([pid, started]: readonly [number, string]): Promise<boolean> {
  const row = await lookUp(pid);
  return row !== undefined && !row.zombie && row.started === started;
}

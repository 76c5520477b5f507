/**
 * The shell that watches over local runs: its text, the text of a job for it, and the record that it writes.
 *
 * A run is a folder. `job` says what to run, and is there as long as the run is; `record` is created exclusively by whoever decides about
 * the run: by the shell as its first act, or by a recovering coordinator, after which no shell will ever run it. The shell only appends to its
 * record, a few bytes in a block that is already there, so neither a kill nor a full disk can leave half an ending: a record without
 * its last line has none.
 *
 * @module
 */
import type { ResourceUse } from "./executor.ts";

/**
 * The watching shell. It reads folders from its standard input, runs the job in each, and says so: exit code, then the processes started
 * since that are still there (`?` when that cannot be told). It forks and does nothing else: a fork of a shell of 1 MB costs a third of
 * what starting a new one does.
 *
 * It outlives polite signals to its process group in order to record what became of its child. When its input ends it ends what is left in its group.
 */
export const WRAPPER: string = `trap : HUP INT QUIT PIPE TERM USR1 USR2
while read -r _d; do
  set -C
  exec 9>"$_d/record" || exit 125
  set +C
  echo "claimed $$ $0" >&9 || exit 125
  times >&9
  read -r _x _x _x _x _b 2>/dev/null </proc/loadavg
  ( . "./$_d/job" ) >"$_d/stdout" 2>&1 </dev/null 9>&-
  _c=$?
  times >&9
  echo "exit $_c" >&9 || exit 125
  exec 9>&-
  _l= _e=
  read -r _x _x _x _x _e 2>/dev/null </proc/loadavg
  if [ -n "$_e" ] && [ "$_e" -ge "$_b" ] && [ "$((_e - _b))" -le 256 ]; then
    while [ "$_b" -lt "$_e" ]; do
      _b=$((_b + 1))
      [ -d "/proc/$_b" ] && _l="$_l $_b"
    done
  else
    _l=" ?"
  fi
  echo "$_c$_l"
done
kill -KILL 0`;

/** What a coordinator says of a run before it starts. */
export interface JobHead {
  /** The number of the layout of the folder. */
  readonly version: 1;
  /** When it was started, in milliseconds since 1970. */
  readonly since: number;
  /** The coordinator: its process, and when that began. */
  readonly by: readonly [pid: number, started: string];
  /** The shell that is to run it: its pid and its name. */
  readonly shell: readonly [pid: number, name: string];
  /** Since when the machine is up: pids mean nothing in another life of it. */
  readonly boot: string;
  /** What was to be kept. */
  readonly notes: Readonly<Record<string, string>>;
}

/** What the first line of a job needs besides the head. */
export interface JobText {
  /** The folder of the run, absolute. */
  readonly folder: string;
  /** The script. */
  readonly script: string;
  /** What is added to the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether its input is a file `stdin`. */
  readonly stdin: boolean;
  /** Whether standard error goes to a file of its own. */
  readonly splitStderr: boolean;
  /** Who runs the script, when it is not the shell. */
  readonly interpreter: readonly string[] | undefined;
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The first line of a job up to here is the head, in JSON in quotes. */
const OPEN = ": '";
const CLOSE = "';";

/**
 * The text of a job. All that prepares it is on the first line, so that line numbers in the messages of the shell are the script's.
 *
 * @param head What is said of it.
 * @param job What it does.
 * @returns The text for a shell.
 */
export function jobText(head: object, job: JobText): string {
  const at = (name: string): string => quote(`${job.folder}/${name}`);
  const exports = Object.entries(job.environment).map(([name, value]) => `export ${name}=${quote(value)};`);
  // A code over 128 is a signal, unless the shell itself left with it: then this trap has said so.
  const mark = quote(`[ "$?" -le 128 ] || : >${at("code")}`);
  return OPEN + JSON.stringify(head).replaceAll("'", "\\u0027") + CLOSE +
    `cd ${at("cwd")}||exit 126;` +
    (job.splitStderr ? `exec 2>${at("stderr")};` : "") +
    (job.stdin ? `exec <${at("stdin")};` : "") +
    exports.join("") + "unset _d _b _x _c _l _e;" +
    (job.interpreter
      ? `exec ${[...job.interpreter, `${job.folder}/script`].map(quote).join(" ")}\n`
      : `trap ${mark} EXIT;` + job.script.replace(/^#![^\n]*/, "") + "\n");
}

/**
 * Reads the head of a job.
 *
 * @param text The text of a job.
 * @returns What was said of it; nothing when it is no job.
 */
export function jobHead(text: string): JobHead | undefined {
  const end = text.indexOf(CLOSE);
  if (!text.startsWith(OPEN) || end === -1) return undefined;
  try {
    return JSON.parse(text.slice(OPEN.length, end));
  } catch {
    return undefined;
  }
}

/** What a record says. */
export interface RunRecord {
  /** Whether a coordinator took it, so that it never runs. */
  readonly void: boolean;
  /** The pid of the watching shell, which is the session and process group of the run too. */
  readonly pid: number;
  /** The name that the shell goes by, unique to it. */
  readonly shell: string;
  /** The exit code as a shell counts, once there is one. */
  readonly code: number | undefined;
  /** What it used. */
  readonly resources: ResourceUse;
}

/** What a coordinator writes that takes a run. */
export const VOID = "void\n";

const TIME = /(\d+)m([\d.]+)s/g;

const seconds = (lines: string): number =>
  [...lines.matchAll(TIME)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0);

/**
 * Reads a record.
 *
 * @param text What it holds.
 * @returns What it says; nothing when whoever created it was killed before the first line, or has just begun.
 */
export function parseRecord(text: string): RunRecord | undefined {
  if (text === VOID) return { void: true, pid: 0, shell: "", code: undefined, resources: {} };
  const claimed = /^claimed (\d+) (\S+)\n/.exec(text);
  if (!claimed) return undefined;
  const exit = /\nexit (\d+)\n$/.exec(text);
  const times = text.split("\n").slice(1, 5);
  const resources = exit && times.length === 4
    // The first of the two lines is the shell's own time, the second its children's.
    ? { cpuSeconds: Math.max(0, Math.round((seconds(times[3]!) - seconds(times[1]!)) * 1e6) / 1e6) }
    : {};
  return {
    void: false,
    pid: Number(claimed[1]),
    shell: claimed[2]!,
    code: exit ? Number(exit[1]) : undefined,
    resources,
  };
}

const SIGNALS: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
};

/** Signals whose numbers are not the same everywhere. */
const LINUX: Readonly<Record<number, string>> = {
  7: "SIGBUS",
  10: "SIGUSR1",
  12: "SIGUSR2",
  24: "SIGXCPU",
  25: "SIGXFSZ",
  31: "SIGSYS",
};
const BSD: Readonly<Record<number, string>> = {
  10: "SIGBUS",
  12: "SIGSYS",
  24: "SIGXCPU",
  25: "SIGXFSZ",
  30: "SIGUSR1",
  31: "SIGUSR2",
};

/**
 * The name of a signal.
 *
 * @param number Its number on this machine.
 * @returns `SIGTERM`, or `signal 42`.
 */
export function signalName(number: number): string {
  return SIGNALS[number] ?? (Deno.build.os === "linux" ? LINUX : BSD)[number] ?? `signal ${number}`;
}

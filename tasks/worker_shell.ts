/**
 * The script that runs on a worker in place of the user's: brings what it reads, runs it, and hands over what it made.
 *
 * It is POSIX sh, and needs `curl` or `wget`, and `tar` for trees. All that it needs to know lies in its own text, so it runs wherever a script
 * does. What the user's script finds (its paths, its environment, the folder that it begins in, its standard streams) is what it finds on this
 * machine.
 *
 * @module
 */
import { quoteWord } from "./script.ts";
import { WORKER_FAILED } from "./worker_fault.ts";
import { WORKER_HTTP } from "./worker_http.ts";
import { printing, type PublishedStreams, redirections } from "./worker_published.ts";
import { WORKER_STREAMS, WORKER_TOOL } from "./worker_streams.ts";
import { WORKER_TRANSFER } from "./worker_transfer.ts";

/** A value that is brought or handed over: the name of the link, its path on the worker, and whether it is a tree. */
export interface WorkerValue {
  readonly name: string;
  readonly path: string;
  readonly tree: boolean;
}

/** A link whose values come or go while the script runs. */
export interface WorkerStream extends WorkerValue {
  /** The repositories that have values under the same keys, by name, and whether they are trees. */
  readonly cokeyed: Readonly<Record<string, boolean>>;
}

/** A file that the script needs besides its values. */
export interface WorkerFile {
  /** What people call it: `the modules of the body`. */
  readonly title: string;
  /** Its path at the agent, below `/files/`. */
  readonly name: string;
  /** Where it lies on the worker. */
  readonly path: string;
  /** SHA-256 of its bytes, in hex. */
  readonly digest: string;
}

/** What a worker keeps of what it has downloaded. */
export interface WorkerCache {
  /** A folder on the worker, absolute. */
  readonly folder: string;
  /** How much it may hold, in bytes. */
  readonly bytes: number;
}

/** What the script of a worker is made from. */
export interface WorkerJob {
  /** The folder for its values, absolute. */
  readonly folder: string;
  /** The address of the agent, or `file:///…`, where it is found. */
  readonly address: string;
  /** What comes after the address. */
  readonly path: string;
  /** What opens its links. */
  readonly token: string;
  /** Tells its last words from those of the script. */
  readonly mark: string;
  /** Certificates of the authorities that vouch for the agent. */
  readonly authorities: string | undefined;
  /** How long the agent is waited for, in milliseconds. */
  readonly patienceMs: number;
  /** From how many bytes on values are copied past the worker, when it asks the agent for it. Nothing: none are. */
  readonly copied?: number | undefined;
  /** What is kept of downloads. */
  readonly cache: WorkerCache | undefined;
  /** Files that are brought before the values. */
  readonly files: readonly WorkerFile[];
  /** What is brought before the script begins. */
  readonly inputs: readonly WorkerValue[];
  /** What is handed over when it has ended well. */
  readonly outputs: readonly WorkerValue[];
  /** Files for its standard streams, where these are handed over too. */
  readonly streams: PublishedStreams;
  /** What comes while it runs. */
  readonly feeds: readonly WorkerStream[];
  /** What is published while it runs. */
  readonly items: readonly WorkerStream[];
  /** Whether it may ask for values. */
  readonly lookups: boolean;
  /** The user's script. */
  readonly script: string;
  /** Who runs it, when it is not the shell. */
  readonly interpreter: readonly string[] | undefined;
}

const kind = (tree: boolean): string => tree ? "tree" : "file";

/** The links, as words for a function of the shell. */
const words = ({ name, path, tree }: WorkerValue): string =>
  `${quoteWord(encodeURIComponent(name))} ${quoteWord(path)} ${kind(tree)} ${quoteWord(name)}`;

function settings(job: WorkerJob): string {
  const address = job.address.startsWith("file://")
    ? decodeURIComponent(job.address.slice("file://".length))
    : job.address;
  const all: Record<string, string> = {
    _dt_f: job.folder,
    _dt_w: `${job.folder}/.worker`,
    _dt_a: address,
    _dt_p: job.path,
    _dt_t: job.token,
    _dt_n: job.mark,
    _dt_ca: job.authorities === undefined ? "" : `${job.folder}/.worker/authorities`,
    _dt_k: String(Math.ceil(job.patienceMs / 1000)),
    _dt_cache: job.cache?.folder ?? "",
    _dt_room: String(Math.ceil((job.cache?.bytes ?? 0) / 1024)),
  };
  return Object.entries(all).map(([name, value]) => `${name}=${quoteWord(value)}`).join("\n") +
    `\n_dt_least=${job.copied ?? ""} _dt_from=0 _dt_q= _dt_me= _dt_sig= _dt_why= _dt_blame=infrastructure\n` +
    '_dt_near="127.0.0.1,localhost,::1${no_proxy:+,$no_proxy}${NO_PROXY:+,$NO_PROXY}"\n';
}

/** A file with a text, made on the worker. A shell tells a full disk only by way of a program. */
const file = (name: string, text: string): string =>
  `printf '%s' ${
    quoteWord(text)
  } | cat >"$_dt_w/${name}" || _dt_end infrastructure "cannot write to $_dt_w: $(_dt_full)"\n`;

/** `datatask`, for scripts. */
function tool(job: WorkerJob): string {
  const families = job.items.map(({ name, path, tree, cokeyed }) =>
    `  ${quoteWord(name)}) _dt_folder=${quoteWord(path)} _dt_kind=${kind(tree)} _dt_cokeys=${
      quoteWord(Object.keys(cokeyed).join(" "))
    } ;;\n`
  );
  return `#!/bin/sh\n${settings(job)}_dt_c=\n${WORKER_HTTP}${WORKER_TRANSFER}${WORKER_STREAMS}` +
    `_dt_family() { case $1 in\n${families.join("")}  *) return 1 ;;\nesac; }\n` +
    `read -r _dt_c _dt_nw <"$_dt_w/chosen"\n${WORKER_TOOL}`;
}

/** What ends it, and what happens when it shall end. The first process of a container is the only one that is told. */
const MAIN = `_dt_x=$_dt_w/main
_dt_end() {
  _dt_halt
  _dt_say
  printf '\\ndatatask[%s] %s: %s\\n' "$_dt_n" "$1" "$2" >&2
  exit ${WORKER_FAILED}
}
_dt_halt() {
  for _dt_l in $_dt_feeds $_dt_watches; do kill "$_dt_l" 2>/dev/null; done
}
_dt_told() {
  _dt_sig=1 _dt_stop=1
  [ $$ != 1 ] || kill -s TERM -- -1 2>/dev/null
  [ -n "$_dt_begun" ] || { [ -z "$_dt_q" ] || kill "$_dt_q" 2>/dev/null; _dt_halt; exit 143; }
}
_dt_feeds= _dt_watches= _dt_child= _dt_begun= _dt_stop=
trap _dt_told TERM
_dt_mask=$(umask)
umask 077
exec 7<&0 </dev/null
_dt_e=$(LC_ALL=C mkdir -p "$_dt_f" "$_dt_w" 2>&1) || _dt_end infrastructure "cannot make $_dt_f: $_dt_e"
`;

/** Input and output of whole values. */
const VALUES = `_dt_bring() {
  _dt_fetch "files/$1" "$2" "$3" && return
  [ $? != 3 ] || _dt_why="the agent has none" _dt_blame=infrastructure
  _dt_end "$_dt_blame" "cannot bring $4: $_dt_why"
}
_dt_in() {
  _dt_fetch "in/$1" "$_dt_x.value"
  case $? in
    0) ;;
    3) return 0 ;;
    *) _dt_end "$_dt_blame" "cannot bring input $4: $_dt_why" ;;
  esac
  if [ "$3" = tree ]; then
    _dt_unpack "$_dt_x.value" "$2" || {
      _dt_why=$(tail -n 1 "$_dt_x.err")
      LC_ALL=C rm -rf "$2" "$_dt_x.value"
      _dt_end infrastructure "cannot unpack input $4: $_dt_why"
    }
    LC_ALL=C rm -f "$_dt_x.value"
  else LC_ALL=C mv -f "$_dt_x.value" "$2"
  fi
}
_dt_out() {
  _dt_is "$3" "$2" || return 0
  [ -r "$2" ] || _dt_end failed "cannot read output $4 at $2: its mode forbids it"
  if [ "$3" = tree ]; then
    [ -n "$(ls -A "$2" | head -n 1)" ] || return 0
    _dt_pack "$2" || _dt_end infrastructure "cannot pack output $4: $(tail -n 1 "$_dt_x.err")"
    _dt_file=$_dt_x.value
  else _dt_file=$2
  fi
  _dt_send "/out/$1" "$_dt_file" || _dt_end "$_dt_blame" "cannot hand over output $4: $_dt_why"
}
_dt_rest() {
  _dt_pass '' "$@" || _dt_end "$_dt_blame" "$_dt_why"
}
_dt_trouble() {
  if [ -e "$_dt_w/$1" ]; then
    read -r _dt_blame _dt_why <"$_dt_w/$1"
    _dt_end "$_dt_blame" "$_dt_why"
  fi
}
`;

/**
 * Waits for the script: a signal that is caught ends a wait, and not the script. A bash forgets at times how a child has ended that ends just then, and
 * says -1: the script was told to stop, and has.
 */
const WAIT = `printf '%s\\n' "$_dt_child" >"$_dt_w/child"
_dt_code= _dt_h=
while [ -z "$_dt_code" ]; do
  _dt_sig=
  wait "$_dt_child"
  _dt_v=$?
  [ "$_dt_v" != -1 ] || _dt_v=143
  if [ "$_dt_v" = 127 ] && [ -n "$_dt_h" ]; then _dt_code=$_dt_h
  elif [ -z "$_dt_sig" ]; then _dt_code=$_dt_v
  else _dt_h=$_dt_v
  fi
done
_dt_child= _dt_begun=
`;

/** How it leaves: as the script did. A signal that has ended the script ends this shell too, so that whoever watches it knows. */
const LEAVE = `_dt_halt
[ $_dt_code = 0 ] || _dt_say
[ $_dt_code -gt 128 ] && [ ! -e "$_dt_w/code" ] || exit $_dt_code
trap - TERM
exec sh -c 'kill -"$1" $$ 2>/dev/null; exit $2' sh $((_dt_code - 128)) $_dt_code
`;

function run(job: WorkerJob): string {
  const tools = job.lookups || job.items.length > 0;
  const path = tools ? `PATH=$_dt_f/bin:$PATH; export PATH; ` : "";
  const start = job.interpreter
    ? `( ${path}umask "$_dt_mask"; exec ${job.interpreter.map(quoteWord).join(" ")} "$_dt_w/script" )`
    : `( ${path}umask "$_dt_mask"; . "$_dt_w/script" )`;
  return `_dt_begun=1\n${start}${
    redirections(job.streams)
  } <&7 7<&- &\n_dt_child=$!\n[ -z "$_dt_stop" ] || kill -s TERM $_dt_child\nexec 7<&-\n${WAIT}`;
}

/** The script, as a file. Where the shell runs it, its first line notes that it left by itself, and with a code that could be taken for a signal. */
function scriptFile(job: WorkerJob): string {
  if (job.interpreter) return job.script;
  const noted = quoteWord(`[ "$?" -le 128 ] || : >${quoteWord(`${job.folder}/.worker/code`)}`);
  return `trap ${noted} EXIT;` + job.script.replace(/^#![^\n]*/, "") + "\n";
}

const streamWords = (stream: WorkerStream, kinds: boolean): string =>
  [
    words(stream),
    ...Object.entries(stream.cokeyed).map(([name, tree]) =>
      quoteWord(kinds ? `${name}.${kind(tree)}` : name)
    ),
  ].join(" ");

/**
 * The script of a worker.
 *
 * @param job What it does.
 * @returns The text, for a POSIX shell.
 */
export function workerScript(job: WorkerJob): string {
  const folders = new Set<string>();
  for (const { path } of [...job.inputs, ...job.outputs]) folders.add(path.slice(0, path.lastIndexOf("/")));
  for (const { path, tree } of job.outputs) if (tree) folders.add(path);
  for (const { path, cokeyed } of [...job.feeds, ...job.items]) {
    for (const folder of [path, ...Object.keys(cokeyed).map((name) => `${path}.${name}`)]) {
      folders.add(folder);
    }
  }
  const tools = job.lookups || job.items.length > 0;
  if (tools) folders.add(`${job.folder}/bin`);
  const made = [...folders].map(quoteWord).join(" ");
  const background = (call: string, at: string, list: string): string =>
    `( _dt_x=$_dt_w/${at}; exec 7<&-; ${call} ) &\n${list}="$${list} $!"\n`;
  return [
    settings(job),
    printing(job.streams),
    MAIN,
    WORKER_HTTP,
    WORKER_TRANSFER,
    WORKER_STREAMS,
    VALUES,
    made &&
    `_dt_e=$(LC_ALL=C mkdir -p ${made} 2>&1) || _dt_end infrastructure "cannot make the folders of links: $_dt_e"\n`,
    job.authorities === undefined ? "" : file("authorities", job.authorities),
    `_dt_client || _dt_end failed "$_dt_why"\n`,
    job.interpreter
      ? `command -v ${quoteWord(job.interpreter[0]!)} >/dev/null 2>&1 || _dt_end failed ${
        quoteWord(
          `the interpreter ${job.interpreter[0]} of the script is not there; install it, or name another`,
        )
      }\n`
      : "",
    file("script", scriptFile(job)),
    tools ? file("tool", tool(job)) + INSTALL : "",
    ...job.files.map(({ name, path, digest, title }) =>
      `_dt_bring ${[name, path, digest, title].map(quoteWord).join(" ")}\n`
    ),
    ...job.inputs.map((input) => `_dt_in ${words(input)}\n`),
    job.feeds.length + job.items.length > 0 ? "_dt_me=$(exec sh -c 'echo $PPID')\n" : "",
    ...job.feeds.map((feed, i) => background(`_dt_feed ${streamWords(feed, true)}`, `feed${i}`, "_dt_feeds")),
    ...job.items.map((items, i) =>
      file("going", "") + file(`items${i}.0`, "") + file(`items${i}.1`, "") +
      background(`_dt_watch ${streamWords(items, false)}`, `items${i}`, "_dt_watches")
    ),
    run(job),
    'LC_ALL=C rm -f "$_dt_w/going"\n',
    job.feeds.length > 0 ? "for _dt_l in $_dt_feeds; do kill $_dt_l 2>/dev/null; done\n" : "",
    job.items.length > 0 ? "for _dt_l in $_dt_watches; do wait $_dt_l; done\n_dt_watches=\n" : "",
    "_dt_trouble fault\n",
    tools ? "[ $_dt_code = 0 ] || _dt_trouble trouble\n" : "",
    job.outputs.length + job.items.length > 0
      ? `[ -z "$_dt_stop" ] || [ $_dt_code != 0 ] || { _dt_halt; _dt_say; exit 143; }\nif [ $_dt_code = 0 ]; then\n${
        job.items.map((items) => `_dt_rest ${streamWords(items, false)}\n`).join("")
      }${job.outputs.map((output) => `_dt_out ${words(output)}\n`).join("")}fi\n`
      : "",
    LEAVE,
  ].join("");
}

/** Puts `datatask` where scripts find it. */
const INSTALL = `printf '%s\\n' "$_dt_c $_dt_nw" >"$_dt_w/chosen"
LC_ALL=C mv "$_dt_w/tool" "$_dt_f/bin/datatask" && chmod 700 "$_dt_f/bin/datatask"
`;

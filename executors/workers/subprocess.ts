/**
 * A worker that is a process of Deno with permissions of its own.
 *
 * A small shell sits beside it in the same process group and reads from us: when we are gone, however that came, it ends the group. So a body
 * that never comes back does not outlive its coordinator.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import type { ResourceUse } from "../executor.ts";
import { permissionFlags, type Permissions } from "../permissions.ts";
import { configOf } from "./config.ts";
import { ConnWire } from "./conn_wire.ts";
import { OutputLines } from "./output_lines.ts";
import { heldMemory, peakMemory, processUse } from "./process_use.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import type { WorkerHost } from "./worker.ts";

/** What a worker is started with. Runs with the same share workers. */
export interface WorkerSpec {
  /** The address of the module. */
  readonly module: string;
  /** What it may do. */
  readonly permissions: Permissions;
  /** How many bytes its heap may hold. */
  readonly memory: number | undefined;
}

/** Waits beside the worker, which takes the place of the shell itself. */
const SCRIPT = `exec 3<&0 </dev/null; (read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 & exec "$@" 3<&- 2>&1`;

/** The longest path of a folder in which every system takes a socket, in bytes. */
const LONGEST_FOLDER = 90;

/** What Deno itself holds beside what a body does, in bytes. */
const OWN_MEMORY = 64 << 20;

/** Of runs that are shorter than this the memory is not looked at, which costs more than all else, in milliseconds. */
const SHORT_MS = 5;

/** How often the memory of a run is looked at, in milliseconds. */
const LOOK_MS = 200;

/** How long what is left of a dead worker's output is waited for, in milliseconds: something that got away may hold it open. */
const OUTPUT_MS = 1000;

/**
 * Starts a worker.
 *
 * @param spec What it may do.
 * @param deno The program of Deno.
 * @returns What it is made of.
 * @throws {ExecutorError} When no process can be started.
 */
export async function startSubprocess(spec: WorkerSpec, deno: string): Promise<WorkerHost> {
  let folder: string | undefined;
  let listener: Deno.Listener<Deno.UnixConn> | undefined;
  try {
    folder = await temporaryFolder();
    listener = Deno.listen({ transport: "unix", path: `${folder}/line` });
    const { child, stdin } = spawn(spec, deno, `${folder}/line`);
    return new Subprocess(spec, child, stdin, listener, folder);
  } catch (error) {
    listener?.close();
    if (folder !== undefined) await Deno.remove(folder, { recursive: true }).catch(() => {});
    throw new ExecutorError(
      "cannot-start",
      `Cannot start a worker: ${
        (error as Error).message
      }; a pool of workers needs --allow-run, and read and write of its temporary folder`,
      { operation: "start", subject: "worker", cause: error },
    );
  }
}

/** A folder of ours whose path is short enough for a socket. */
async function temporaryFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "datatask-" });
  if (folder.length <= LONGEST_FOLDER) return folder;
  await Deno.remove(folder);
  return await Deno.makeTempDir({ dir: "/tmp", prefix: "datatask-" });
}

function spawn(spec: WorkerSpec, deno: string, socket: string): {
  readonly child: Deno.ChildProcess;
  readonly stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
} {
  const { permissions } = spec;
  const own = { read: [socket], write: [socket], net: [`unix:${socket}`] };
  const all: Record<string, true | readonly string[]> = { ...permissions };
  const revoked: string[] = [];
  for (const [kind, values] of Object.entries(own)) {
    const declared = permissions[kind as keyof typeof own];
    if (declared === true) continue;
    all[kind] = [...(declared ?? []), ...values];
    // What was declared and holds the socket would go with it.
    const holds = (path: string): boolean => socket.startsWith(`${absolutePath(path)}/`);
    if (kind === "net" || !declared?.some(holds)) revoked.push(kind);
  }
  const main = new URL("./subprocess_main.ts", import.meta.url).href;
  const entry = [
    `import * as module from ${JSON.stringify(spec.module)};`,
    `import { main } from ${JSON.stringify(main)};`,
    `await main(${JSON.stringify(socket)}, ${JSON.stringify(revoked)}, module);`,
  ].join("\n");
  const config = configOf(spec.module);
  const args = [
    "run",
    "--no-prompt",
    "--quiet",
    config === undefined ? "--no-config" : `--config=${config}`,
    ...(spec.memory === undefined
      ? []
      : [`--v8-flags=--max-old-space-size=${Math.max(1, Math.floor(spec.memory / 2 ** 20))}`]),
    ...permissionFlags(all, Deno.cwd()),
    `data:application/typescript,${encodeURIComponent(entry)}`,
  ];
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", SCRIPT, "datatask-worker", deno, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    detached: true,
    ...environmentOf(permissions),
  }).spawn();
  return { child, stdin: child.stdin.getWriter() };
}

function absolutePath(path: string): string {
  const whole = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return whole.replace(/\/+$/, "");
}

/** What Deno itself needs of the environment. */
const NEEDED = [
  "PATH",
  "HOME",
  "LANG",
  "TMPDIR",
  "TZ",
  "XDG_CACHE_HOME",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "SSL_CERT_FILE",
  "NPM_CONFIG_REGISTRY",
  "JSR_URL",
];

/** The environment of a worker: what Deno needs, and what is declared. */
function environmentOf(
  permissions: Permissions,
): { readonly clearEnv: boolean; readonly env: Record<string, string> } {
  const env: Record<string, string> = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  if (permissions.env === true) return { clearEnv: false, env };
  const granted = (variable: string): boolean =>
    Deno.permissions.querySync({ name: "env", variable }).state === "granted";
  const names = new Set([...NEEDED, ...permissions.env ?? []]);
  if (Deno.permissions.querySync({ name: "env" }).state === "granted") {
    for (const name of Object.keys(Deno.env.toObject())) if (name.startsWith("DENO_")) names.add(name);
  }
  for (const name of names) {
    const value = granted(name) ? Deno.env.get(name) : undefined;
    if (value !== undefined) env[name] = value;
  }
  return { clearEnv: true, env };
}

/** A worker that is a process. */
class Subprocess implements WorkerHost {
  readonly where: string;
  readonly wire: ConnWire<FromWorker, ToWorker>;
  readonly gone: Promise<Error>;
  readonly #spec: WorkerSpec;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: OutputLines;
  #connected: Deno.Conn | undefined;
  #over = false;
  #full = false;

  constructor(
    spec: WorkerSpec,
    child: Deno.ChildProcess,
    stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>,
    listener: Deno.Listener<Deno.UnixConn>,
    folder: string,
  ) {
    this.#spec = spec;
    this.#child = child;
    this.#stdin = stdin;
    stdin.closed.catch(() => {});
    this.where = `pid ${child.pid}`;
    this.#output = new OutputLines(child.stdout);
    this.wire = new ConnWire(this.#accept(listener, folder));
    this.gone = this.#end();
  }

  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.gone;
  }

  measure(): () => ResourceUse | undefined {
    const { pid } = this.#child;
    const before = processUse(pid);
    const begun = performance.now();
    const peak = peakMemory(pid);
    const watch = this.#watchMemory();
    return () => {
      clearInterval(watch);
      const after = this.#over ? undefined : processUse(pid);
      if (before === undefined || after === undefined) return undefined;
      const short = performance.now() - begun < SHORT_MS;
      return { cpuSeconds: after - before, ...(!short && { peakMemoryBytes: peak() }) };
    };
  }

  logTo(sink: ((line: string) => void) | undefined): void {
    this.#output.sink = sink;
  }

  marked(mark: string): Promise<void> {
    return this.#output.expect(mark);
  }

  /** The limit of the heap does not count what lies beside it, such as bytes: so what the whole process holds is looked at too. */
  #watchMemory(): ReturnType<typeof setInterval> | undefined {
    const { memory } = this.#spec;
    if (memory === undefined) return undefined;
    return setInterval(() => {
      if ((heldMemory(this.#child.pid) ?? 0) <= memory + OWN_MEMORY) return;
      this.#full = true;
      void this.kill();
    }, LOOK_MS);
  }

  /** The line to the worker, once it has called. */
  async #accept(listener: Deno.Listener<Deno.UnixConn>, folder: string): Promise<Deno.Conn | undefined> {
    const dead = this.#child.status.then(() => undefined);
    const called = listener.accept().catch(() => undefined);
    const conn = await Promise.race([called, dead]);
    listener.close();
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    return this.#connected = conn;
  }

  async #end(): Promise<Error> {
    const { code, signal } = await this.#child.status;
    this.#over = true;
    // The shell beside it ends what is left of the group.
    await this.#stdin.close().catch(() => {});
    // What it has said last is heard before it counts as gone.
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, OUTPUT_MS);
    await Promise.race([Promise.all([this.#output.ended, this.wire.drained]), late]);
    clearTimeout(timer);
    await this.#output.cancel();
    this.wire.close();
    return this.#why(code, signal);
  }

  #why(code: number, signal: Deno.Signal | null): Error {
    const { tail } = this.#output;
    if (!this.#connected) {
      const at = tail.search(/^error: /m);
      return quiet(at === -1 ? `it ended with code ${code}: ${tail.trim()}` : tail.slice(at + 7).trim());
    }
    if (this.#full || (/out of memory|Reached heap limit/i.test(tail) && code !== 0)) {
      const { memory } = this.#spec;
      const limit = memory === undefined ? "" : ` of ${Math.floor(memory / 2 ** 20)} MiB`;
      return quiet(
        `The worker has run out of its memory${limit}; give the task a larger quota: { memory: ... }`,
      );
    }
    if (signal === "SIGKILL") {
      return quiet("The worker was killed (SIGKILL): by somebody, or by a system that ran out of memory");
    }
    if (signal !== null) return quiet(`The worker was ended by ${signal}`);
    return quiet(
      `The worker left with code ${code} before the body had returned; a body returns or throws, and does not call Deno.exit()`,
    );
  }
}

/** An error that needs no stack: it did not come from our code. */
function quiet(message: string): Error {
  const error = new ExecutorError("run-failed", message, { operation: "run", subject: "worker" });
  Object.defineProperty(error, "stack", { value: undefined });
  return error;
}

/**
 * Runs scripts of workers under chosen shells, with chosen clients: a `PATH` that holds a few programs and no others.
 *
 * @module
 */
import { type WorkerJob, workerScript } from "../../tasks/worker_shell.ts";
import type { WorkerServer } from "./worker_server.ts";

/** What a worker needs besides a client. */
const TOOLS =
  "cat chmod cp cut date env find grep head ls mkdir mkfifo mv od rm sed sh sha256sum sleep tail tar touch tr wc";

const path = (Deno.env.get("PATH") ?? "").split(":");

function which(program: string): string | undefined {
  for (const folder of path) {
    try {
      if (Deno.statSync(`${folder}/${program}`).isFile) return `${folder}/${program}`;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** busybox, where it is. */
export const busybox: string | undefined = Deno.env.get("SSH_BUSYBOX") || which("busybox");

/** A shell and a client. */
export interface Machine {
  /** Both, for the names of tests. */
  readonly name: string;
  /** The shell. */
  readonly shell: readonly string[];
  /** What talks HTTP, of the tools of busybox or of the system. */
  readonly client: "curl" | "wget" | "nc" | "none";
}

const ALL: readonly Machine[] = [
  { name: "dash and curl", shell: ["dash"], client: "curl" },
  { name: "dash and wget", shell: ["dash"], client: "wget" },
  { name: "bash and curl", shell: ["bash"], client: "curl" },
  { name: "bash --posix and wget", shell: ["bash", "--posix"], client: "wget" },
  ...(busybox ? [{ name: "busybox and its nc", shell: [busybox, "ash"], client: "nc" } as const] : []),
];

/** All that can be had here. */
export const MACHINES: readonly Machine[] = ALL.filter(({ shell: [program] }) =>
  program!.startsWith("/") || which(program!)
);

/** How a run has ended. */
export interface Ended {
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder with the programs of a machine, and one for the values of a run. */
export class Worker implements AsyncDisposable {
  /** All of it. */
  readonly dir: string = Deno.makeTempDirSync();
  /** The folder of the values. */
  readonly folder: string;
  /** The programs. */
  readonly bin: string;
  readonly machine: Machine;

  /**
   * @param machine Which shell and client.
   * @param folder What the folder of the values is called.
   */
  constructor(machine: Machine, folder = "values") {
    this.machine = machine;
    this.folder = `${this.dir}/${folder}`;
    this.bin = `${this.dir}/bin`;
    Deno.mkdirSync(this.bin);
    Deno.mkdirSync(`${this.dir}/cwd`);
    const { client } = machine;
    for (const tool of [...TOOLS.split(" "), ...(client === "none" ? [] : [client])]) {
      const target = client === "nc" || (client === "none" && busybox) ? busybox! : which(tool);
      if (target) Deno.symlinkSync(target, `${this.bin}/${tool}`);
    }
  }

  /** The script of a worker, with what a test does not say filled in. */
  script(server: WorkerServer | string, job: Partial<WorkerJob>): string {
    return workerScript({
      folder: this.folder,
      address: typeof server === "string" ? server : server.address,
      path: "/4f1d",
      token: "aGVsbG8.d29ybGQ",
      mark: "m4rk",
      authorities: undefined,
      patienceMs: 20_000,
      cache: undefined,
      files: [],
      inputs: [],
      outputs: [],
      streams: { merged: true },
      feeds: [],
      items: [],
      lookups: false,
      script: ":",
      interpreter: undefined,
      ...job,
    });
  }

  /** Starts one, as an executor would: from a file, and with its exit trap. */
  start(
    server: WorkerServer | string,
    job: Partial<WorkerJob>,
    env: Record<string, string> = {},
  ): Deno.ChildProcess {
    const file = `${this.dir}/script-${crypto.randomUUID()}`;
    Deno.writeTextFileSync(file, this.script(server, job));
    const [program, ...args] = this.machine.shell;
    return new Deno.Command(program!.startsWith("/") ? program! : which(program!)!, {
      args: [...args, file],
      cwd: `${this.dir}/cwd`,
      clearEnv: true,
      env: { PATH: this.bin, LANG: "C.UTF-8", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** The pid of the user's script, once it runs, with its values in a folder. */
  async childPid(folder = this.folder): Promise<number> {
    for (;;) {
      const text = await Deno.readTextFile(`${folder}/.worker/child`).catch(() => "");
      if (text.endsWith("\n")) return Number(text);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Processes that have anything to do with this folder. */
  processes(): number[] {
    const found: number[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const words = Deno.readTextFileSync(`/proc/${name}/environ`) +
          Deno.readTextFileSync(`/proc/${name}/cmdline`);
        if (words.includes(this.dir)) found.push(Number(name));
      } catch {
        // It is gone.
      }
    }
    return found;
  }

  /** Runs one to its end. */
  async run(
    server: WorkerServer | string,
    job: Partial<WorkerJob>,
    options: { readonly stdin?: string; readonly env?: Record<string, string> } = {},
  ): Promise<Ended> {
    const child = this.start(server, job, options.env);
    const writer = child.stdin.getWriter();
    if (options.stdin) await writer.write(new TextEncoder().encode(options.stdin)).catch(() => {});
    await writer.close().catch(() => {});
    return await endOf(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of this.processes()) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It is gone.
      }
    }
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** Waits for the end of a run. */
export async function endOf(child: Deno.ChildProcess): Promise<Ended> {
  const { code, signal, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, signal, stdout: text(stdout), stderr: text(stderr) };
}

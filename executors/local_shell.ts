/**
 * A watching shell and the way to talk to it: one run at a time, then the next, as long as nothing of the run is left in its session.
 *
 * A shell is started once in a session of its own, which costs the fork of this whole process, and then runs job after job at the price of
 * its own small fork. Whenever a run leaves a process behind the shell is given up, and ends what was left.
 *
 * @module
 */
import { encodeText } from "../core/bytes.ts";
import { isMachineTrouble } from "../core/errors.ts";
import { WRAPPER } from "./local_wrapper.ts";
import { lookUp } from "./process_identity.ts";

/** How a shell's run ended: the shell is there for another, or it is used up, or it was killed. */
export type ShellAnswer = "clean" | "used" | "gone";

/** What runs find in their environment: that of this process, unless it is cleared, and what is added. */
export interface RunEnvironment {
  /** Whether they find nothing but what is added. */
  readonly clear: boolean;
  /** What is added. */
  readonly add: Record<string, string>;
}

/** One watching shell. */
export class LocalShell {
  /** Its pid, its session and its process group. */
  readonly pid: number;
  /** The name it goes by. */
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #root: string;
  #waiting = 0;

  /**
   * @param root The folder of the runs.
   * @param environment What all its runs find in their environment.
   */
  constructor(root: string, environment: RunEnvironment) {
    this.#root = root;
    this.name = `datatask-${crypto.randomUUID()}`;
    this.#child = new Deno.Command("/bin/sh", {
      args: ["-c", WRAPPER, this.name],
      cwd: root,
      clearEnv: environment.clear,
      env: { ...environment.add, DATATASK_SHELL: this.name },
      detached: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.pid = this.#child.pid;
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
    this.#writer.closed.catch(() => {});
    this.#child.status.catch(() => {});
    // Runs go on when the coordinator leaves: a shell keeps it from leaving only while somebody waits.
    this.#child.unref();
  }

  /** Keeps this process alive until `unref` was called as often. */
  ref(): void {
    if (this.#waiting++ === 0) this.#child.ref();
  }

  /** The opposite of `ref`. */
  unref(): void {
    if (--this.#waiting === 0) this.#child.unref();
  }

  /**
   * Has it run a job. Once this returns it will, whatever becomes of this process.
   *
   * @param name The folder of the run.
   */
  async send(name: string): Promise<void> {
    // When it is gone `answer` says so.
    await this.#writer.write(encodeText(name + "\n")).catch(() => {});
  }

  /**
   * Waits for the end of the job that was sent.
   *
   * @param name The folder of the run.
   * @returns How it ended.
   */
  async answer(name: string): Promise<ShellAnswer> {
    let line = "";
    const decoder = new TextDecoder();
    while (!line.endsWith("\n")) {
      const { value } = await this.#reader.read().catch(() => ({ value: undefined }));
      if (value === undefined) return "gone";
      line += decoder.decode(value, { stream: true });
    }
    const left = line.trim().split(" ").slice(1);
    if (left.includes("?")) return "used";
    try {
      for (const pid of left) {
        const row = await lookUp(Number(pid));
        if (row === undefined || row.zombie) continue;
        if (row.session === this.pid || worksIn(row.pid, `${this.#root}/${name}`)) return "used";
      }
    } catch {
      return "used"; // That cannot be told.
    }
    return "clean";
  }

  /** Ends it, and what is left in its group; returns when it has ended. Only when it runs nothing. */
  async end(): Promise<void> {
    this.ref();
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel().catch(() => {});
    await this.#child.status.catch(() => {});
    this.unref();
  }

  /** Leaves it alone: it sees its run to the end and then goes. */
  async leave(): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel().catch(() => {});
  }
}

/** Whether a process that has left the session still works in the folder of a run. */
function worksIn(pid: number, folder: string): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/cwd`).startsWith(folder + "/");
  } catch (error) {
    if (isMachineTrouble(error)) throw error;
    return false;
  }
}

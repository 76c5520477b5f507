/**
 * Names of what is not finished yet: they lie beside the values, can never be keys, and say who made them.
 *
 * `.tmp-<owner>-<random>-<n>` is written by a live process and is rubbish once that process is dead. `.stage-…` may be filled by a job
 * that outlives us, so only its age tells, as of `..stage-….part`, which is on its way into one. `.old-…` is the tree that a new one takes the place of.
 *
 * @module
 */
import type { Files } from "../core/files.ts";

/** After how long a leftover is rubbish when nobody can tell whether its owner lives, in milliseconds. */
const ABANDONED = 7 * 86_400_000;

/** What names of unfinished things begin with. */
const UNFINISHED = /^\.(?:tmp|\.?stage)-/;

/**
 * Tells whether a name is one of ours and no value.
 *
 * @param name The name of a file.
 * @returns Whether it is.
 */
export function isInternalName(name: string): boolean {
  return name.startsWith(".") && (UNFINISHED.test(name) || name.startsWith(".old-") || name === LOCK_NAME);
}

/** The name of the file that is locked by those who write on a condition. */
export const LOCK_NAME = ".lock";

/** Makes names for unfinished things. */
export class TempNames {
  readonly #files: Files;
  readonly #random: string = crypto.randomUUID().slice(0, 8);
  readonly #free: string[] = [];
  #owner: string | undefined;
  #count = 0;

  /** @param files The file system. */
  constructor(files: Files) {
    this.#files = files;
  }

  /**
   * A name that nothing has.
   *
   * @param kind Written by this process, or handed to a job.
   * @returns The name.
   */
  next(kind: "tmp" | "stage" = "tmp"): string {
    const free = kind === "tmp" ? this.#free.pop() : undefined;
    return free ?? `.${kind}-${this.#owner ??= currentOwner()}-${this.#random}-${this.#count++}`;
  }

  /**
   * Takes back a name of this process that nothing has any more: file systems are quicker with a name that they had before.
   *
   * @param name What `next` has given.
   */
  release(name: string): void {
    this.#free.push(name);
  }

  /**
   * Removes what dead processes left.
   *
   * @param dir In which folder.
   * @param names The names of what is in it.
   * @param known Processes known to be dead: it counts for those of other containers and other lives of the machine, since of its own it can be
   * seen. Default: none.
   */
  async sweep(dir: string, names: Iterable<string>, known?: ReadonlySet<string>): Promise<void> {
    const dead = new Map<string, boolean>();
    for (const owner of known ?? []) if (isElsewhere(owner)) dead.set(owner, true);
    for (const name of names) {
      if (!UNFINISHED.test(name)) continue;
      const [kind, owner, random] = name.slice(1).split("-") as [string, string, string];
      if (random === this.#random) continue;
      let rubbish = false;
      if (kind === "tmp") {
        rubbish = dead.get(owner) ?? await this.#isDead(owner);
        dead.set(owner, rubbish);
      }
      if (rubbish || await this.#isOld(`${dir}/${name}`)) await this.#discard(`${dir}/${name}`);
    }
  }

  async #isDead(owner: string): Promise<boolean> {
    const [host, pid, started] = owner.split(".");
    if (!host || !pid || !started || isElsewhere(owner)) return false;
    try {
      return startOf(await this.#files.readSmall(`/proc/${pid}/stat`)) !== started;
    } catch (error) {
      return error instanceof Deno.errors.NotFound;
    }
  }

  async #isOld(path: string): Promise<boolean> {
    try {
      return Date.now() - ((await this.#files.lstat(path)).mtime?.getTime() ?? Date.now()) > ABANDONED;
    } catch {
      return false;
    }
  }

  async #discard(path: string): Promise<void> {
    try {
      await this.#files.remove(path, { recursive: true });
    } catch (error) {
      // Another process sweeps too.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * Who we are, as names of unfinished files say it: the boot and process namespace, the process id, and when it started; a process id alone is
 * used again, and means another process in another container. Where the platform does not tell, the first part is empty and only age counts.
 *
 * @returns The name of this process.
 */
export function currentOwner(): string {
  try {
    if (Deno.build.os === "linux" && Deno.permissions.querySync({ name: "read" }).state === "granted") {
      const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").slice(0, 8);
      const space = Deno.readLinkSync("/proc/self/ns/pid").replace(/\D/g, "");
      return `${boot}${space}.${Deno.pid}.${startOf(Deno.readFileSync("/proc/self/stat"))}`;
    }
  } catch {
    // No such files: not this kind of Linux.
  }
  return `.${Deno.pid}.`;
}

/** Whether a process is of another container or another life of the machine; not where that cannot be told. */
function isElsewhere(owner: string): boolean {
  const [host, here] = [owner, currentOwner()].map((name) => name.split(".")[0]);
  return host !== "" && host !== here;
}

/** When a process started: the 22nd field of its `stat`, counted after the name in parentheses, which may hold anything. */
function startOf(stat: Uint8Array): string {
  const text = new TextDecoder().decode(stat);
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

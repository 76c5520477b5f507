/**
 * A folder whose members are values: paths, listing, preparation, locks; the same for files and for trees of files.
 *
 * @module
 */
import { advice, classifySystemError, RepositoryError } from "../core/errors.ts";
import { type Files, systemFiles } from "../core/files.ts";
import type { Key } from "../core/key.ts";
import type { OperationOptions, PrepareOptions, WriteOptions } from "./driver.ts";
import { CaseGuard } from "./file_case.ts";
import { FolderLock } from "./file_lock.ts";
import { FolderSync, syncPath } from "./file_sync.ts";
import { isInternalName, TempNames } from "./file_temp.ts";

/** Options of repositories in folders. */
export interface FolderOptions {
  /** What the name of each value ends in: `".txt"`. @default "" */
  readonly extension?: string | undefined;
  /**
   * What a finished write has survived. `"none"`: the end of this process, however sudden. `"fsync"`: also the loss of power; writers
   * that wait at the same time share the syncs of the folder. @default "none"
   */
  readonly durability?: "none" | "fsync" | undefined;
  /** The file system. @default systemFiles */
  readonly files?: Files | undefined;
  /** Whether the file system takes `a` and `A` for one name. Found out by `prepare` when left out. */
  readonly caseInsensitive?: boolean | undefined;
}

/** How many keys a page of a listing has. */
const PAGE = 10_000;

/** A folder whose members are values. */
export class Folder {
  /** The folder, as an absolute path. */
  readonly dir: string;
  /** The folder, as the user wrote it. */
  readonly shown: string;
  /** What errors and graphs call the repository. */
  readonly name: string;
  /** What names of values end in. */
  readonly extension: string;
  /** The file system. */
  readonly files: Files;
  /** Whether finished writes must survive the loss of power. */
  readonly fsync: boolean;
  /** Makes names for unfinished things. */
  readonly temps: TempNames;
  /** Held by those who write on a condition. */
  readonly lock: FolderLock;
  /** Keeps keys apart that differ in case. */
  readonly cases: CaseGuard;
  /** Names of files that somebody else makes and has not closed yet, as far as a watch has told: they are no values before. */
  readonly unfinished: Set<string> = new Set();
  /** Names that this process has linked while it watches, and that the system has yet to tell of. */
  readonly linked: Set<string> = new Set();
  /** How many watches there are. */
  watches = 0;
  readonly #sync: FolderSync;
  readonly #kind: "file" | "directory";

  /**
   * @param kind What the values are.
   * @param dir The folder; a relative one is taken from the current directory as it is now.
   * @param options What names end in, and how lasting a write is.
   */
  constructor(kind: "file" | "directory", dir: string | URL, options: FolderOptions = {}) {
    const given = dir instanceof URL ? decodeURIComponent(dir.pathname) : dir;
    const shown = given === "/" ? given : given.replace(/\/+$/, "");
    this.#kind = kind;
    this.shown = shown;
    this.dir = absolute(shown);
    this.extension = options.extension ?? "";
    if (this.extension.includes("/")) throw new TypeError(`An extension holds no "/": ${this.extension}`);
    this.name = `${kind === "file" ? "files" : "directories"} ${shown}/*${this.extension}`;
    this.files = options.files ?? systemFiles;
    this.fsync = options.durability === "fsync";
    this.temps = new TempNames(this.files);
    this.lock = new FolderLock(this.files, this.dir);
    this.cases = new CaseGuard(this.files, this.dir, options.caseInsensitive);
    this.#sync = new FolderSync(this.files, this.dir);
  }

  /** Says which store this is. */
  get identity(): string {
    return `file:${this.dir}/*${this.extension}${this.#kind === "directory" ? "/" : ""}`;
  }

  /** Where a value lies. */
  path(key: Key): string {
    return `${this.dir}/${key}${this.extension}`;
  }

  /** A new path for something unfinished. */
  temp(kind?: "tmp" | "stage"): string {
    return `${this.dir}/${this.temps.next(kind)}`;
  }

  /** Takes back a path that `temp` gave out, and that nothing lies at any more. */
  release(temp: string): void {
    this.temps.release(temp.slice(this.dir.length + 1));
  }

  /** What is at a path, following links, or nothing. */
  stat(path: string): Promise<Deno.FileInfo | undefined> {
    return this.files.stat(path).catch(absent);
  }

  /** What is at a path, not following links, or nothing. */
  async lookAt(path: string): Promise<Deno.FileInfo | undefined> {
    try {
      return await this.files.lstat(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** What a key's value is, or nothing when there is none of our kind. */
  async find(key: Key, options: OperationOptions | undefined): Promise<Deno.FileInfo | undefined> {
    options?.signal?.throwIfAborted();
    const info = await this.stat(this.path(key));
    if (!info || !(this.#kind === "file" ? info.isFile : info.isDirectory)) return undefined;
    return this.cases.idle || await this.cases.holds(key + this.extension) ? info : undefined;
  }

  /** The members; an absent folder has none. */
  async members(): Promise<Iterable<Deno.DirEntry>> {
    try {
      return await this.files.readDir(this.dir);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** All names of values without the extension, in pages. */
  async *keys(options: OperationOptions | undefined): AsyncGenerator<readonly string[], void, void> {
    options?.signal?.throwIfAborted();
    const { extension } = this;
    const kind = this.#kind === "file" ? "isFile" : "isDirectory";
    let page: string[] = [];
    for (const entry of await this.members()) {
      const { name } = entry;
      if (!name.endsWith(extension) || (name.startsWith(".") && isInternalName(name))) continue;
      if (this.unfinished.size > 0 && this.unfinished.has(name)) continue;
      // An await for each of a million names would take as long as the listing.
      if (!entry[kind] && !(entry.isSymlink && await this.#leadsToFile(name))) continue;
      // A directory that begins with "_" lies beside the values: no key begins so.
      if (kind === "isDirectory" && name.startsWith("_")) continue;
      page.push(extension === "" ? name : name.slice(0, -extension.length));
      if (page.length < PAGE) continue;
      yield page;
      options?.signal?.throwIfAborted();
      page = [];
    }
    if (page.length > 0) yield page;
    options?.signal?.throwIfAborted();
  }

  /** Whether a symbolic link stands for a value; one to a directory does not. */
  async #leadsToFile(name: string): Promise<boolean> {
    return this.#kind === "file" && (await this.stat(`${this.dir}/${name}`))?.isFile === true;
  }

  /** Makes the folder. */
  async make(): Promise<void> {
    await this.files.mkdir(this.dir, { recursive: true });
    if (this.fsync) await syncPath(this.files, this.dir.slice(0, this.dir.lastIndexOf("/")) || "/");
  }

  /**
   * Makes the folder, sees that it can be written, and removes what dead processes left. A folder that may only be read is left as
   * it is, when that is enough.
   *
   * @param options Whether to look for leftovers, and whether values will be written.
   * @returns Whether it can be written.
   */
  async prepare(options: PrepareOptions | undefined): Promise<boolean> {
    options?.signal?.throwIfAborted();
    // Where nobody writes, an absent folder is left absent: a misspelt path must not look like one that is there.
    if (options?.write === false && !await this.stat(this.dir)) return false;
    try {
      await this.#prepareToWrite(options);
      return true;
    } catch (error) {
      if (options?.write !== false || classifySystemError(error) !== "denied") throw error;
      if (!(await this.stat(this.dir))?.isDirectory) throw error;
      return false;
    }
  }

  async #prepareToWrite(options: PrepareOptions | undefined): Promise<void> {
    await this.#explained("make the directory", () => this.make());
    const probe = this.temp();
    await this.#explained("write in the directory", async () => {
      await this.files.writeNew(probe, new Uint8Array());
      try {
        await this.cases.probe(probe);
      } finally {
        await this.files.remove(probe);
      }
    });
    if (options?.sweep === false) return;
    await this.temps.sweep(this.dir, [...await this.members()].map((entry) => entry.name), options?.dead);
  }

  async #explained(action: string, call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      const context = { operation: "prepare", subject: this.name, cause: error };
      const info = await this.stat(this.dir).catch(() => undefined);
      if (info && !info.isDirectory) {
        const state = `${this.dir} is not a directory; move it away, or choose another directory`;
        throw new RepositoryError("io", `Cannot prepare ${this.name}: ${state}`, context);
      }
      const code = classifySystemError(error) ?? "io";
      const reason = error instanceof Error ? error.message : String(error);
      throw new RepositoryError(
        code,
        `Cannot prepare ${this.name}: cannot ${action}: ${reason}${advice(code, reason)}`,
        context,
      );
    }
  }

  /** Does something that needs the folder; makes the folder when it is absent. */
  async within<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      // Somebody else may have made it in the meantime: what is missing is told by the second try.
      await this.make();
      return await call();
    }
  }

  /** When a change of names is to be lasting: waits until it is. */
  async settle(): Promise<void> {
    if (this.fsync) await this.#sync.sync();
  }

  /** Throws when the key's value is not of the version that a write is meant for. */
  async checkVersion(key: Key, options: WriteOptions): Promise<number> {
    const info = await this.find(key, options);
    if (info && versionOf(info) === options.ifVersion) return info.mtime?.getTime() ?? 0;
    throw this.changed(key, options.ifVersion ?? "");
  }

  /** The error for a value that is no longer of the version that a write was meant for. */
  changed(key: Key, version: string): RepositoryError {
    return new RepositoryError(
      "conflict",
      `Cannot write "${key}" of ${this.name}: it is no longer at version ${version}; read it again and repeat the change`,
      { operation: "write", subject: this.name, key },
    );
  }

  /** The error for a key that is taken. */
  taken(key: Key): RepositoryError {
    return new RepositoryError(
      "already-exists",
      `Cannot write "${key}" of ${this.name}: there is a value already; delete it first, or write without ifAbsent`,
      { operation: "write", subject: this.name, key },
    );
  }

  /** Sees that a path is one that `staging` gave out. */
  checkStaged(key: Key, path: string): void {
    if (path.startsWith(`${this.dir}/.stage-`) && !path.slice(this.dir.length + 1).includes("/")) return;
    throw new RepositoryError(
      "invalid-value",
      `Cannot adopt ${JSON.stringify(path)} as "${key}" of ${this.name}: it is no path that staging gave out`,
      { operation: "write", subject: this.name, key },
    );
  }
}

/**
 * Changes whenever a file or folder is replaced.
 *
 * @param info What the file system tells.
 * @returns The version.
 */
export function versionOf(info: Deno.FileInfo): string {
  return `${info.mtime?.getTime() ?? 0}-${info.ino ?? 0}-${info.size}`;
}

/** A link that leads back to itself is no value, as one that leads nowhere. */
function absent(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.FilesystemLoop) return undefined;
  throw error;
}

/** Resolves against the current directory, without `.` and `..`. */
function absolute(path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${Deno.cwd()}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

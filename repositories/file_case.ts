/**
 * Keys that differ in case, on file systems that take them for one name.
 *
 * @module
 */
import { RepositoryError } from "../core/errors.ts";
import type { Files } from "../core/files.ts";

/** Keeps `a` and `A` apart where the file system does not: the second one is refused, and neither answers for the other. */
export class CaseGuard {
  readonly #files: Files;
  readonly #dir: string;
  #insensitive: boolean | undefined;

  /**
   * @param files The file system.
   * @param dir Which folder.
   * @param insensitive Whether the file system takes them for one name, where that is known.
   */
  constructor(files: Files, dir: string, insensitive: boolean | undefined) {
    this.#files = files;
    this.#dir = dir;
    this.#insensitive = insensitive;
  }

  /** Finds out, by a file that was just made: its name holds small letters. */
  async probe(path: string): Promise<void> {
    if (this.#insensitive !== undefined) return;
    const at = path.lastIndexOf("/");
    try {
      await this.#files.lstat(path.slice(0, at) + path.slice(at).toUpperCase());
      this.#insensitive = true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.#insensitive = false;
    }
  }

  /** Whether names are told apart by the file system itself, as far as is known: then there is nothing to guard. */
  get idle(): boolean {
    return !this.#insensitive;
  }

  /** Whether a name that is there is really there, in these letters. */
  async holds(name: string): Promise<boolean> {
    return !this.#insensitive || await this.#actual(name) === name;
  }

  /** Throws when another name stands in the way of this one. */
  async check(name: string, key: string, repository: string): Promise<void> {
    if (!this.#insensitive) return;
    const actual = await this.#actual(name);
    if (actual === undefined || actual === name) return;
    throw new RepositoryError(
      "conflict",
      `Cannot write "${key}" of ${repository}: this file system takes it for ${
        JSON.stringify(actual)
      }, which is there; use keys that differ in more than case`,
      { operation: "write", subject: repository, key },
    );
  }

  async #actual(name: string): Promise<string | undefined> {
    try {
      await this.#files.lstat(`${this.#dir}/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    const wanted = name.toLowerCase();
    let found: string | undefined;
    for (const entry of await this.#files.readDir(this.#dir)) {
      if (entry.name === name) return name;
      if (entry.name.toLowerCase() === wanted) found = entry.name;
    }
    return found;
  }
}

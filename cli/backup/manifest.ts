/**
 * What has been copied, one line of JSON a value: written as it goes, read when somebody goes on.
 *
 * @module
 */
import { DatataskError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";

/** A file of lines, the last word on each key. */
export class Manifest<E extends { readonly key: Key }> implements Disposable {
  readonly #path: string;
  /** How long its whole lines are, in bytes. */
  #whole: number;
  #file: Deno.FsFile | undefined;
  /** What it says, by key. */
  readonly entries: Map<Key, E>;

  private constructor(path: string, whole: number, entries: Map<Key, E>) {
    this.#path = path;
    this.#whole = whole;
    this.entries = entries;
  }

  /**
   * Reads a manifest. One that is not there is empty.
   *
   * @param path Its path.
   * @throws {DatataskError} With code `invalid-value` when a line is damaged. A last one that is cut short is what an interrupted copy leaves: it
   * is passed over, and its value copied again.
   */
  static async open<E extends { readonly key: Key }>(path: string): Promise<Manifest<E>> {
    const entries = new Map<Key, E>();
    const bytes = await Deno.readFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return new Uint8Array();
      throw error;
    });
    const whole = bytes.lastIndexOf(0x0a) + 1;
    for (const [n, line] of new TextDecoder().decode(bytes.subarray(0, whole)).split("\n").entries()) {
      if (line === "") continue;
      const entry = parse<E>(line);
      if (!entry) {
        throw new DatataskError(
          "invalid-value",
          `Cannot use ${path}: line ${
            n + 1
          } is damaged, so that nothing proves what it told of; take it from another copy, or remove that line and copy again`,
          { operation: "read", subject: path },
        );
      }
      entries.set(entry.key, entry);
    }
    return new Manifest(path, whole, entries);
  }

  /** Adds a line. */
  record(entry: E): void {
    this.#file ??= this.#continue();
    const bytes = new TextEncoder().encode(`${JSON.stringify(entry)}\n`);
    try {
      for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    } catch (error) {
      // What follows must not run into half a line.
      this[Symbol.dispose]();
      throw error;
    }
    this.#whole += bytes.length;
    this.entries.set(entry.key, entry);
  }

  #continue(): Deno.FsFile {
    const file = Deno.openSync(this.#path, { write: true, create: true });
    file.truncateSync(this.#whole);
    file.seekSync(0, Deno.SeekMode.End);
    return file;
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

function parse<E extends { readonly key: Key }>(line: string): E | undefined {
  try {
    const entry: E | null = JSON.parse(line);
    return typeof entry?.key === "string" ? entry : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What has been copied, one line of JSON a value: written as it goes, read when somebody goes on.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";

/** A file of lines, the last word on each key. */
export class Manifest<E extends { readonly key: Key }> implements Disposable {
  readonly #path: string;
  #file: Deno.FsFile | undefined;
  /** What it says, by key. */
  readonly entries: Map<Key, E>;

  private constructor(path: string, entries: Map<Key, E>) {
    this.#path = path;
    this.entries = entries;
  }

  /**
   * Reads a manifest. One that is not there is empty.
   *
   * @param path Its path.
   */
  static async open<E extends { readonly key: Key }>(path: string): Promise<Manifest<E>> {
    const entries = new Map<Key, E>();
    const text = await Deno.readTextFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    });
    for (const line of text.split("\n")) {
      if (line === "") continue;
      try {
        const entry: E = JSON.parse(line);
        entries.set(entry.key, entry);
      } catch {
        // The last line of an interrupted copy may be cut short: its value is copied again.
      }
    }
    return new Manifest(path, entries);
  }

  /** Adds a line. */
  record(entry: E): void {
    this.#file ??= Deno.openSync(this.#path, { append: true, create: true });
    // A line that was cut short must not run into this one.
    const start = this.entries.size === 0 ? "" : "\n";
    this.#file.writeSync(new TextEncoder().encode(`${start}${JSON.stringify(entry)}\n`));
    this.entries.set(entry.key, entry);
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

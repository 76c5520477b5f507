/**
 * A value that is kept in a file: the bytes, and after them what they must be.
 *
 * The end of the file says how long that description is, so that a file that was cut short is none of ours. When the value was asked for is
 * the time at which the file was changed; when it was last used, that of its last access.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type Bytes, concat, decodeText, encodeText } from "../../core/bytes.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { ReadOptions } from "../driver.ts";
import { closeFile, fileStream } from "../file_stream.ts";

/** What the file of a value ends in. */
const MARK = "-dtcache";
/** How long the end is: the length of the description in hexadecimal digits, and the mark. */
const END = 8 + MARK.length;
/** How much is read at a time, in bytes. */
const READ_SIZE = 2 ** 18;

/** What the bytes of a kept value must be. */
export interface Description {
  /** Which value of which store: a digest of both. */
  readonly id: string;
  /** How many bytes. */
  readonly size: number;
  /** Their SHA-256, in hexadecimal digits. */
  readonly digest: string;
  /** The version that the store called it, where it was the same before and after it was read. */
  readonly version?: string | undefined;
}

/**
 * What follows the bytes of a value.
 *
 * @param description What they are.
 * @returns The end of the file.
 */
export function endOf(description: Description): Bytes {
  const text = encodeText(JSON.stringify(description));
  return concat([text, encodeText(text.length.toString(16).padStart(8, "0") + MARK)]);
}

/** A value that is kept in a file, open for reading. */
export class CacheEntry {
  readonly #file: Deno.FsFile;
  readonly #length: number;

  private constructor(
    file: Deno.FsFile,
    length: number,
    /** What the bytes must be. */
    readonly description: Description,
    /** When the value was asked for, or last known to be of its version, in milliseconds since 1970. */
    readonly asked: number,
    /** Tells the file from others that had its name. */
    readonly inode: string,
  ) {
    this.#file = file;
    this.#length = length;
  }

  /**
   * Looks whether an open file is the whole of a value, by its end.
   *
   * @param file The file; it stays open.
   * @param id Which value it must be.
   * @returns The value, or nothing.
   */
  static async of(file: Deno.FsFile, id: string): Promise<CacheEntry | undefined> {
    const info = await file.stat();
    if (info.size < END) return undefined;
    const end = decodeText(await readAt(file, info.size - END, END));
    const length = parseInt(end.slice(0, 8), 16);
    if (!end.endsWith(MARK) || !(length <= info.size - END)) return undefined;
    const text = decodeText(await readAt(file, info.size - END - length, length));
    const description = parse(text);
    if (description?.id !== id || description.size !== info.size - END - length) return undefined;
    return new CacheEntry(
      file,
      info.size,
      description,
      info.mtime?.getTime() ?? 0,
      `${info.dev}:${info.ino}`,
    );
  }

  /** Whether the bytes are what the description says. */
  async isWhole(signal: AbortSignal | undefined): Promise<boolean> {
    const { size, digest } = this.description;
    const hash = createHash("sha256");
    await this.rewind();
    for (let at = 0; at < size;) {
      signal?.throwIfAborted();
      const buffer = new Uint8Array(Math.min(READ_SIZE, size - at));
      const count = await this.#file.read(buffer);
      if (count === null) return false;
      hash.update(buffer.subarray(0, count));
      at += count;
    }
    return hash.digest("hex") === digest;
  }

  /** Goes back to the first byte, for `stream`. */
  async rewind(): Promise<void> {
    await this.#file.seek(0, Deno.SeekMode.Start);
  }

  /** The bytes, or some of them; the stream closes the file. It fails when the file is cut short meanwhile. */
  stream(
    key: Key,
    subject: string,
    { signal, start = 0, end = Infinity }: ReadOptions = {},
  ): ReadableStream<Bytes> {
    return fileStream(
      this.#file,
      this.#length,
      { signal, start, end: Math.min(end, this.description.size) },
      () =>
        new RepositoryError(
          "io",
          `Cannot read "${key}" of ${subject}: the file in the cache that keeps it was cut short while it was read; read it again`,
          { operation: "read", subject, key, retry: "later" },
        ),
    );
  }

  /** Notes that it is used now, and since when it has been known. */
  async note(used: number, asked: number): Promise<void> {
    try {
      await this.#file.utime(new Date(used), new Date(asked));
    } catch {
      // The file of somebody else: they note it themselves.
    }
  }

  /** Closes the file. */
  close(): void {
    closeFile(this.#file);
  }
}

async function readAt(file: Deno.FsFile, at: number, length: number): Promise<Bytes> {
  const bytes = new Uint8Array(length);
  await file.seek(at, Deno.SeekMode.Start);
  for (let read = 0; read < length;) {
    const count = await file.read(bytes.subarray(read));
    if (count === null) return bytes.subarray(0, read);
    read += count;
  }
  return bytes;
}

function parse(text: string): Description | undefined {
  try {
    return JSON.parse(text) as Description;
  } catch {
    return undefined;
  }
}

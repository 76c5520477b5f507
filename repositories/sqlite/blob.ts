/**
 * Small blobs in a table of SQLite.
 *
 * @module
 */
import { type Bytes, concat, type Content } from "../../core/bytes.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { BlobRepository } from "../blob.ts";
import type { BlobDriver, ReadOptions } from "../driver.ts";
import { guardedStream } from "../guarded_stream.ts";
import { memoised } from "../memory_store.ts";
import { chunksOf } from "../stream_chunks.ts";
import { SqliteConnection } from "./connection.ts";
import type { Opened, SqliteOptions } from "./metadata.ts";
import { SqliteTable, type TableShape } from "./table.ts";
import { WriteQueue } from "./writes.ts";

/** Options of a repository of blobs in a table of SQLite. */
export interface SqliteBlobOptions extends SqliteOptions {
  /** The largest blob that is taken, in bytes: each is in memory while it is written or read. @default 67_108_864 (64 MiB) */
  readonly largest?: number | undefined;
}

const BLOBS: TableShape = { column: "content", type: "blob" };

/** The largest blob, in bytes, unless told otherwise. */
const LARGEST = 64 * 2 ** 20;

/**
 * A store of small blobs in a table of a file of SQLite, and what closes the file.
 *
 * @param path The file; a relative one is taken from the current directory as it is now. It is made when it is absent.
 * @param options The name of the table, the largest blob, how lasting a write is, and how long to wait for other processes.
 * @returns The driver, and what closes the file.
 */
export function openSqliteBlobs(path: string | URL, options: SqliteBlobOptions = {}): Opened<BlobDriver> {
  const connection = new SqliteConnection(path, options);
  const queue = new WriteQueue(connection);
  const largest = options.largest ?? LARGEST;
  return {
    driver: blobDriver(connection, queue, options.table ?? "blobs", largest),
    close: () => connection.close(),
  };
}

/**
 * A store of small blobs in a table of a file of SQLite: see {@linkcode SqliteBlobRepository}.
 *
 * @param path The file.
 * @param options The name of the table, the largest blob, how lasting a write is, and how long to wait for other processes.
 * @returns The driver.
 */
export function sqliteBlobDriver(path: string | URL, options: SqliteBlobOptions = {}): BlobDriver {
  return openSqliteBlobs(path, options).driver;
}

function blobDriver(
  connection: SqliteConnection,
  queue: WriteQueue,
  name: string,
  largest: number,
): BlobDriver {
  const table = new SqliteTable(connection, queue, name, BLOBS);
  const whole = `select content from ${table.quoted} where key = ?`;
  const part = `select substr(content, ?, ?) as content from ${table.quoted} where key = ?`;
  const readPart = (key: Key, options: ReadOptions): Promise<Bytes | undefined> => {
    const start = options.start ?? 0;
    const length = Math.max(0, (options.end ?? Number.MAX_SAFE_INTEGER) - start);
    return table.read("read", key, options, part, (s) => contentOf(s.get(start + 1, length, key)), undefined);
  };
  const readWhole: BlobDriver["readBytes"] & unknown = (key, options) =>
    table.read("read", key, options, whole, (s) => contentOf(s.get(key)), undefined);
  return {
    ...table.keyDriver(true),
    async read(key, options) {
      const partial = options?.start !== undefined || options?.end !== undefined;
      const bytes = await (partial ? readPart(key, options) : readWhole(key, options));
      return bytes && guardedStream(bytes, options?.signal);
    },
    readBytes: readWhole,
    async write(key, content, options) {
      const bytes = await gather(content, largest, table.name, key, options?.signal);
      await table.write(key, bytes, options);
    },
    beside: memoised((sibling) => blobDriver(connection, queue, `${name}/_${sibling}`, largest)),
  };
}

function contentOf(row: unknown): Bytes | undefined {
  return (row as { content: Bytes } | undefined)?.content;
}

/** Takes the content to its end, unless it is too large. */
async function gather(
  content: Content,
  largest: number,
  subject: string,
  key: Key,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  const refuse = (): never => {
    throw new RepositoryError(
      "invalid-value",
      `Cannot write "${key}" of ${subject}: it is larger than ${largest} bytes; keep it as a file or in a bucket, or raise \`largest\``,
      { operation: "write", subject, key },
    );
  };
  // A copy: the caller may change its bytes before the transaction takes them.
  if (content instanceof Uint8Array) return content.length > largest ? refuse() : content.slice();
  const chunks: Bytes[] = [];
  let size = 0;
  for await (const chunk of chunksOf(content, signal)) {
    size += chunk.length;
    if (size > largest) refuse();
    chunks.push(chunk.slice());
  }
  return concat(chunks);
}

/**
 * A repository of small blobs in a table of a file of SQLite: thumbnails, reports, pickled results. A blob is in memory while it is
 * written or read; keep large ones as files or in a bucket.
 *
 * @example Small blobs in a file
 * ```ts
 * import { SqliteBlobRepository } from "@datatask/datatask/sqlite";
 * import assert from "node:assert/strict";
 *
 * const dir = await Deno.makeTempDir();
 * {
 *   using covers = new SqliteBlobRepository(`${dir}/library.db`, { table: "covers" });
 *   await covers.put("moby-dick", "a whale");
 *   assert.equal(await covers.text("moby-dick"), "a whale");
 * }
 * await Deno.remove(dir, { recursive: true });
 * ```
 */
export class SqliteBlobRepository extends BlobRepository implements Disposable {
  readonly #close: () => void;

  /**
   * Opens nothing yet: the file is opened, and made when it is absent, by the first use.
   *
   * @param path The file; a relative one is taken from the current directory as it is now.
   * @param options The name of the table, the largest blob, how lasting a write is, and how long to wait for other processes.
   */
  constructor(path: string | URL, options: SqliteBlobOptions = {}) {
    const { driver, close } = openSqliteBlobs(path, options);
    super(driver);
    this.#close = close;
  }

  /** Closes the file. The next use opens it again. */
  close(): void {
    this.#close();
  }

  /** Closes the file: see {@linkcode close}. */
  [Symbol.dispose](): void {
    this.#close();
  }
}

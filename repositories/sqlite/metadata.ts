/**
 * Documents in a table of SQLite.
 *
 * @module
 */
import { checkDocument } from "../../core/document.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { MetadataDriver } from "../driver.ts";
import { memoised } from "../memory_store.ts";
import { MetadataRepository } from "../metadata.ts";
import { SqliteConnection, type SqliteFileOptions } from "./connection.ts";
import { SqliteTable, type TableShape } from "./table.ts";
import { WriteQueue } from "./writes.ts";

/** Options of a repository in a table of SQLite. */
export interface SqliteOptions extends SqliteFileOptions {
  /** The name of the table; several repositories may share a file. @default "documents", or "blobs" */
  readonly table?: string | undefined;
}

const DOCUMENTS: TableShape = { column: "document", type: "text" };

/** How many documents one statement reads. */
const BATCH = 2000;

/** A driver, and what closes its file. */
export interface Opened<D> {
  /** The driver. */
  readonly driver: D;
  /** Closes the file; the next use opens it again. */
  close(): void;
}

/**
 * A store of documents in a table of a file of SQLite, as JSON.
 *
 * @param path The file; a relative one is taken from the current directory as it is now. It is made when it is absent.
 * @param options The name of the table, how lasting a write is, and how long to wait for other processes.
 * @returns The driver, and what closes the file.
 */
export function openSqliteMetadata<T = unknown>(
  path: string | URL,
  options: SqliteOptions = {},
): Opened<MetadataDriver<T>> {
  const connection = new SqliteConnection(path, options);
  const queue = new WriteQueue(connection);
  return {
    driver: metadataDriver<T>(connection, queue, options.table ?? "documents"),
    close: () => connection.close(),
  };
}

/**
 * A store of documents in a table of a file of SQLite: see {@linkcode SqliteMetadataRepository}.
 *
 * @param path The file.
 * @param options The name of the table, how lasting a write is, and how long to wait for other processes.
 * @returns The driver.
 */
export function sqliteMetadataDriver<T = unknown>(
  path: string | URL,
  options: SqliteOptions = {},
): MetadataDriver<T> {
  return openSqliteMetadata<T>(path, options).driver;
}

function metadataDriver<T>(
  connection: SqliteConnection,
  queue: WriteQueue,
  name: string,
): MetadataDriver<T> {
  const table = new SqliteTable(connection, queue, name, DOCUMENTS);
  const one = `select document from ${table.quoted} where key = ?`;
  const many = `select key, document from ${table.quoted} where key in (select value from json_each(?))`;
  return {
    ...table.keyDriver(false),
    get: (key, options) =>
      table.read("read", key, options, one, (statement) => {
        const row = statement.get(key) as { document: string } | undefined;
        return row && parse<T>(row.document, table.name, key);
      }, undefined),
    async getMany(keys, options) {
      options?.signal?.throwIfAborted();
      const found = new Map<Key, T>();
      for (let at = 0; at < keys.length; at += BATCH) {
        const batch = JSON.stringify(keys.slice(at, at + BATCH));
        await table.read("read", undefined, options, many, (statement) => {
          for (const row of statement.all(batch) as unknown as { key: string; document: string }[]) {
            found.set(row.key, parse<T>(row.document, table.name, row.key));
          }
        }, undefined);
      }
      return found;
    },
    // Not async: one promise less for each of a hundred thousand writes a second.
    set(key, value, options) {
      try {
        return table.write(key, stringify(value, table.name, key), options);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    async setMany(values, options) {
      options?.signal?.throwIfAborted();
      const texts = [...values].map(([key, value]) => [key, stringify(value, table.name, key)] as const);
      await table.writeMany(texts, options);
    },
    beside: memoised((sibling) => metadataDriver<T>(connection, queue, `${name}/_${sibling}`)),
  };
}

function stringify(value: unknown, subject: string, key: Key): string {
  try {
    checkDocument(value, "JSON");
  } catch (error) {
    throw new RepositoryError(
      "invalid-value",
      `Cannot write "${key}" of ${subject}: ${(error as Error).message}`,
      {
        operation: "write",
        subject,
        key,
        cause: error,
      },
    );
  }
  return JSON.stringify(value);
}

function parse<T>(text: string, subject: string, key: Key): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new RepositoryError(
      "invalid-value",
      `Cannot read "${key}" of ${subject}: it is no valid JSON: ${
        (error as Error).message
      }; correct or delete it`,
      { operation: "read", subject, key, cause: error },
    );
  }
}

/**
 * A repository of documents in a table of a file of SQLite, as JSON, one row a document. Many documents, many processes of one machine.
 *
 * Writes that are made in the same turn share a transaction. Other processes may read and write at the same time: who meets a lock waits,
 * without blocking, for as long as `patience` says. The file must lie on a disk of this machine, not on a network share.
 *
 * @example Documents in a file
 * ```ts
 * import { SqliteMetadataRepository } from "@datatask/datatask/sqlite";
 * import assert from "node:assert/strict";
 *
 * const dir = await Deno.makeTempDir();
 * {
 *   using books = new SqliteMetadataRepository<{ pages: number }>(`${dir}/library.db`);
 *   await books.set("moby-dick", { pages: 635 });
 *   assert.deepEqual(await books.get("moby-dick"), { pages: 635 });
 * }
 * await Deno.remove(dir, { recursive: true });
 * ```
 */
export class SqliteMetadataRepository<T = unknown> extends MetadataRepository<T> implements Disposable {
  readonly #close: () => void;

  /**
   * Opens nothing yet: the file is opened, and made when it is absent, by the first use.
   *
   * @param path The file; a relative one is taken from the current directory as it is now.
   * @param options The name of the table, how lasting a write is, and how long to wait for other processes.
   */
  constructor(path: string | URL, options: SqliteOptions = {}) {
    const { driver, close } = openSqliteMetadata<T>(path, options);
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

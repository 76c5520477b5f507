/**
 * A table of values by key: the half of a driver that is the same for documents and for blobs.
 *
 * Beside each table lies its log: one row a transaction, with the keys that it changed. It gives each write a version of its own, and
 * it is what `watch` reads.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { KeyDriver, OperationOptions, ValueInfo, WriteOptions } from "../driver.ts";
import { explained, type SqliteConnection } from "./connection.ts";
import { classifySqlite, isTableAbsent } from "./errors.ts";
import { watchTable } from "./watch.ts";
import type { TransactionPart, WriteQueue } from "./writes.ts";

/** How many keys a page of a listing has. */
const PAGE = 10_000;
/** From how many keys on a transaction is told as "many". */
const MANY = 1000;
/** How many of many values one transaction takes. */
const GROUP = 1000;
/** How many transactions the log holds, at least. */
const LOGGED = 1000;

/** What a table holds. */
export interface TableShape {
  /** The column of the values, and its type. */
  readonly column: "document" | "content";
  /** The type of the column. */
  readonly type: "text" | "blob";
}

/** A table of values by key. */
export class SqliteTable implements TransactionPart {
  /** What errors and graphs call the repository. */
  readonly name: string;
  /** Which store this is. */
  readonly identity: string;
  /** The name of the table, quoted. */
  readonly quoted: string;
  readonly connection: SqliteConnection;
  readonly #queue: WriteQueue;
  readonly #shape: TableShape;
  readonly #log: string;
  readonly #insert: string;
  readonly #upsert: string;
  #made = false;
  #sequence = 0;
  #base = 0;
  #changed = new Set<Key>();

  constructor(connection: SqliteConnection, queue: WriteQueue, table: string, shape: TableShape) {
    this.connection = connection;
    this.#queue = queue;
    this.#shape = shape;
    this.name = `sqlite ${connection.shown} ${table}`;
    this.identity = `sqlite:${connection.path}#${table}`;
    this.quoted = quote(table);
    this.#log = quote(`${table}/log`);
    const { column } = shape;
    const values = `insert into ${this.quoted} (key, version, modified, ${column}) values (?, ?, ?, ?)`;
    this.#insert = `${values} on conflict (key) do nothing`;
    this.#upsert =
      `${values} on conflict (key) do update set version = excluded.version, modified = excluded.modified, ${column} = excluded.${column}`;
  }

  /** @inheritdoc */
  begin(): void {
    if (!this.#made) this.#make();
    const { last } = this.connection.prepare(`select max(id) as last from ${this.#log}`).get() as {
      last: number | null;
    };
    this.#base = this.#sequence = last ?? 0;
    this.#changed.clear();
  }

  /** @inheritdoc */
  end(): void {
    const changed = this.#changed;
    if (changed.size === 0) return;
    const keys = changed.size > MANY ? null : JSON.stringify([...changed]);
    this.connection.prepare(`insert into ${this.#log} (id, base, keys) values (?, ?, ?)`)
      .run(this.#sequence, this.#base, keys);
    if (Math.random() > 2 / LOGGED) return;
    this.connection.prepare(
      `delete from ${this.#log} where id < (select id from ${this.#log} order by id desc limit 1 offset ${LOGGED})`,
    ).run();
  }

  /** @inheritdoc */
  committed(): void {
    this.#made = true;
  }

  #make(): void {
    const { column, type } = this.#shape;
    this.connection.database.exec(
      `create table if not exists ${this.quoted} (id integer primary key, key text not null unique,
         version integer not null, modified integer not null, ${column} ${type} not null);
       create table if not exists ${this.#log} (id integer primary key, base integer not null, keys text)`,
    );
    // Versions of a table that was removed and made again, or of another one, must not be taken for those of this one.
    const first = crypto.getRandomValues(new Uint32Array(1))[0]! * 1_000;
    this.connection.prepare(
      `insert into ${this.#log} (id, base, keys) select ?, 0, '[]' where not exists (select 1 from ${this.#log})`,
    ).run(first);
    // Says at once when the table was made for something else.
    this.connection.prepare(`select ${column} from ${this.quoted} limit 0`).all();
  }

  /** What a statement gives for some parameters; what it gives for an absent table. */
  read<T>(
    operation: string,
    key: Key | undefined,
    options: OperationOptions | undefined,
    sql: string,
    take: (statement: StatementSync) => T,
    absent: T,
  ): Promise<T> {
    return explained(
      this.connection.patiently(() => {
        try {
          return take(this.connection.prepare(sql));
        } catch (error) {
          if (isTableAbsent(error)) return absent;
          throw error;
        }
      }, options?.signal),
      operation,
      this.name,
      key,
    );
  }

  /** Puts a value, on a condition. */
  write(key: Key, value: string | Uint8Array, options: WriteOptions | undefined): Promise<void> {
    return explained(
      this.#queue.add(this, () => this.#put(key, value, options), options?.signal),
      "write",
      this.name,
      key,
    );
  }

  /** Puts many values, a group of them in each transaction. */
  async writeMany(
    values: readonly (readonly [Key, string | Uint8Array])[],
    options: OperationOptions | undefined,
  ): Promise<void> {
    for (let at = 0; at < values.length; at += GROUP) {
      const group = values.slice(at, at + GROUP);
      const run = (): void => {
        for (const [key, value] of group) this.#put(key, value);
      };
      await explained(this.#queue.add(this, run, options?.signal), "write", this.name);
    }
  }

  #put(key: Key, value: string | Uint8Array, { ifAbsent, ifVersion }: WriteOptions = {}): void {
    const { column } = this.#shape;
    const version = this.#sequence + 1;
    if (ifVersion !== undefined) {
      const { changes } = this.connection.prepare(
        `update ${this.quoted} set version = ?, modified = ?, ${column} = ? where key = ? and version = ?`,
      ).run(version, Date.now(), value, key, /^\d{1,15}$/.test(ifVersion) ? Number(ifVersion) : -1);
      if (changes === 0 || ifAbsent) throw changedMeanwhile(this.name, key, ifVersion);
    } else {
      const statement = this.connection.prepare(ifAbsent ? this.#insert : this.#upsert);
      const { changes } = statement.run(key, version, Date.now(), value);
      if (changes === 0) throw taken(this.name, key);
    }
    this.#sequence = version;
    this.#changed.add(key);
  }

  /** The functions of a driver that know keys only. */
  keyDriver(ranges: boolean): KeyDriver {
    const { quoted, name, identity } = this;
    return {
      name,
      identity,
      supports: {
        writable: true,
        consistentListing: true,
        reach: "machine",
        durable: true,
        conditional: true,
        ranges,
      },
      keys: (options) => this.#keys(options),
      has: (key, options) =>
        this.read(
          "look up",
          key,
          options,
          `select 1 from ${quoted} where key = ?`,
          (s) => s.get(key) !== undefined,
          false,
        ),
      delete: (key, options) =>
        explained(this.#queue.add(this, () => this.#remove(key), options?.signal), "delete", name, key),
      info: (key, options) => this.#info(key, options),
      prepare: (options) => explained(this.#queue.add(this, () => {}, options?.signal), "prepare", name),
      watch: (options) => watchTable(this.connection, quoted, this.#log, options.signal),
      classify: classifySqlite,
    };
  }

  #remove(key: Key): void {
    if (this.connection.prepare(`delete from ${this.quoted} where key = ?`).run(key).changes === 0) return;
    this.#sequence++;
    this.#changed.add(key);
  }

  #info(key: Key, options: OperationOptions | undefined): Promise<ValueInfo | undefined> {
    const { column } = this.#shape;
    return this.read(
      "look up",
      key,
      options,
      `select octet_length(${column}) as size, modified, version from ${this.quoted} where key = ?`,
      (statement) => {
        const row = statement.get(key) as { size: number; modified: number; version: number } | undefined;
        return row && { size: row.size, modified: row.modified, version: String(row.version) };
      },
      undefined,
    );
  }

  async *#keys(options: OperationOptions | undefined): AsyncGenerator<readonly string[], void, void> {
    // One text with all keys of a page is several times quicker to take over than a row for each.
    const sql = `select json_group_array(key) as keys from
      (select key from ${this.quoted} where key > ? order by key limit ${PAGE})`;
    for (let last = "";;) {
      const page = await this.read("list", undefined, options, sql, (statement) => {
        return JSON.parse((statement.get(last) as { keys: string }).keys) as string[];
      }, []);
      if (page.length > 0) yield page;
      options?.signal?.throwIfAborted();
      if (page.length < PAGE) return;
      last = page[page.length - 1]!;
    }
  }
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function taken(subject: string, key: Key): RepositoryError {
  return new RepositoryError(
    "already-exists",
    `Cannot write "${key}" of ${subject}: there is a value already; delete it first, or write without ifAbsent`,
    { operation: "write", subject, key },
  );
}

function changedMeanwhile(subject: string, key: Key, version: string): RepositoryError {
  return new RepositoryError(
    "conflict",
    `Cannot write "${key}" of ${subject}: it is no longer at version ${version}; read it again and repeat the change`,
    { operation: "write", subject, key },
  );
}

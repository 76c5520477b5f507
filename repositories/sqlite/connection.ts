/**
 * A connection to a file of SQLite: opened when it is first used, shared by the repositories in it, patient with other processes.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { sleep, systemClock } from "../../core/clock.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { RepositoryError } from "../../core/errors.ts";
import { explainSqlite, isBusy } from "./errors.ts";

/** Options of a file of SQLite. */
export interface SqliteFileOptions {
  /**
   * What a finished write has survived. `"none"`: the end of this process, however sudden. `"fsync"`: also the loss of power; writers
   * that wait at the same time share one sync. @default "none"
   */
  readonly durability?: "none" | "fsync" | undefined;
  /** How long to wait for another process that writes. @default "30s" */
  readonly patience?: Duration | undefined;
}

/** The first wait for another process, and the longest, in milliseconds. */
const FIRST_WAIT = 1;
const LONGEST_WAIT = 50;

/** A connection to a file of SQLite. */
export class SqliteConnection {
  /** The file, as an absolute path. */
  readonly path: string;
  /** The file, as the user wrote it. */
  readonly shown: string;
  readonly #options: SqliteFileOptions;
  readonly #patience: number;
  readonly #statements = new Map<string, StatementSync>();
  #database: DatabaseSync | undefined;

  /**
   * @param path The file; a relative one is taken from the current directory as it is now.
   * @param options How lasting a write is, and how long to wait for others.
   */
  constructor(path: string | URL, options: SqliteFileOptions) {
    this.shown = path instanceof URL ? decodeURIComponent(path.pathname) : path;
    this.path = absolute(this.shown);
    this.#options = options;
    this.#patience = parseDuration(options.patience ?? "30s", "patience");
  }

  /** Another connection to the same file. */
  twin(): SqliteConnection {
    return new SqliteConnection(this.path, this.#options);
  }

  /** The database, opened. */
  get database(): DatabaseSync {
    return this.#database ??= this.#open();
  }

  /** A statement, prepared once. */
  prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Closes the file; the next use opens it again. */
  close(): void {
    this.#statements.clear();
    this.#database?.close();
    this.#database = undefined;
  }

  /**
   * Calls something that uses the database, again and again while another process has the lock, without blocking this one.
   *
   * @param call What to do, without waiting for anything.
   * @param signal Stops the waiting.
   * @returns What it returns.
   * @throws {RepositoryError} With code `unavailable` when the other process takes too long.
   */
  async patiently<T>(call: () => T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    let until: number | undefined;
    for (let wait = FIRST_WAIT;; wait = Math.min(LONGEST_WAIT, wait * 2)) {
      try {
        return call();
      } catch (error) {
        if (!isBusy(error)) throw error;
        until ??= performance.now() + this.#patience;
        if (performance.now() >= until) throw this.#locked(error);
      }
      await sleep(systemClock, wait * (0.5 + Math.random()), signal);
    }
  }

  #locked(cause: unknown): RepositoryError {
    return new RepositoryError(
      "unavailable",
      `Cannot use ${this.shown}: another process has kept it locked for ${
        Math.round(this.#patience / 100) / 10
      } s; see which one it is (\`fuser ${this.shown}\`), end it, and run again`,
      { subject: this.shown, retry: "later", cause },
    );
  }

  #open(): DatabaseSync {
    let database: DatabaseSync;
    try {
      database = new DatabaseSync(this.path, { timeout: 0 });
    } catch (error) {
      if (!/unable to open database file/.test((error as Error).message)) throw error;
      // The path may name a directory; what is left to try is that its directory is absent.
      Deno.mkdirSync(this.path.slice(0, this.path.lastIndexOf("/")) || "/", { recursive: true });
      database = new DatabaseSync(this.path, { timeout: 0 });
    }
    try {
      // Readers of a database in WAL mode neither wait for a writer nor make it wait.
      const { journal_mode: mode } = database.prepare("pragma journal_mode").get() as {
        journal_mode: string;
      };
      if (mode !== "wal") database.exec("pragma journal_mode = wal");
      database.exec(`pragma synchronous = ${this.#options.durability === "fsync" ? "full" : "normal"}`);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }
}

/** The error of an operation on a key, as a user should see it. */
export function explained<T>(
  promise: Promise<T>,
  operation: string,
  subject: string,
  key?: string,
): Promise<T> {
  return promise.catch((error) => {
    throw explainSqlite(error, operation, subject, key);
  });
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path.replace(/^(\.\/)+/, "")}`;
}

/**
 * The writes of a process to one file of SQLite: those that come in the same turn share a transaction.
 *
 * @module
 */
import type { SqliteConnection } from "./connection.ts";

/** A write that waits for its transaction. */
interface Waiting {
  /** Does it, inside the transaction. What it throws is its own error and spoils no other write. */
  readonly run: () => void;
  /** Called before the transaction ends, once for every table that was written. */
  readonly table: TransactionPart;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A table, as a transaction sees it. */
export interface TransactionPart {
  /** Called when the first write of a transaction to this table is due. */
  begin(): void;
  /** Called when all have been made. */
  end(): void;
  /** Called when they are lasting. */
  committed(): void;
}

/** The most writes of one transaction: what waits longer than this keeps the rest of the program waiting. */
const MOST = 4096;

/** The writes of a process to one file. */
export class WriteQueue {
  readonly #connection: SqliteConnection;
  #waiting: Waiting[] = [];
  #flushing = false;

  /** @param connection To which file. */
  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /**
   * Does a write in the next transaction.
   *
   * @param table Of which table.
   * @param run Does it.
   * @param signal Calls it off while it waits.
   * @returns When it is committed.
   */
  add(table: TransactionPart, run: () => void, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ table, run, signal, resolve, reject });
      if (this.#flushing) return;
      this.#flushing = true;
      queueMicrotask(() => void this.#flush());
    });
  }

  async #flush(): Promise<void> {
    // Writes that are due in this turn of the microtasks have joined the queue once these are done.
    await undefined;
    while (this.#waiting.length > 0) {
      const group = this.#waiting.length <= MOST ? this.#waiting : this.#waiting.slice(0, MOST);
      this.#waiting = group === this.#waiting ? [] : this.#waiting.slice(MOST);
      await this.#commit(group);
      if (this.#waiting.length >= MOST) await new Promise((resolve) => setTimeout(resolve));
    }
    this.#flushing = false;
  }

  async #commit(group: Waiting[]): Promise<void> {
    let failures: ReadonlyMap<Waiting, unknown>;
    let left = group;
    try {
      failures = await this.#connection.patiently(() => {
        left = left.filter((write) => !calledOff(write));
        return left.length === 0 ? new Map() : this.#transact(left);
      });
    } catch (error) {
      for (const write of left) write.reject(error);
      return;
    }
    for (const write of left) {
      if (failures.has(write)) write.reject(failures.get(write));
      else write.resolve();
    }
  }

  #transact(group: readonly Waiting[]): ReadonlyMap<Waiting, unknown> {
    const { database } = this.#connection;
    const failures = new Map<Waiting, unknown>();
    const tables = new Set<TransactionPart>();
    database.exec("begin immediate");
    try {
      for (const write of group) {
        if (!tables.has(write.table)) write.table.begin();
        tables.add(write.table);
        try {
          write.run();
        } catch (error) {
          // Some failures (a full disk) end the whole transaction: then nothing of it was written.
          if (!database.isTransaction) throw error;
          failures.set(write, error);
        }
      }
      for (const table of tables) table.end();
      database.exec("commit");
    } catch (error) {
      if (database.isTransaction) database.exec("rollback");
      throw error;
    }
    for (const table of tables) table.committed();
    return failures;
  }
}

function calledOff({ signal, reject }: Waiting): boolean {
  if (!signal?.aborted) return false;
  reject(signal.reason);
  return true;
}

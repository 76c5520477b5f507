/**
 * Changes of a table, from the log that its writers keep.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";
import { isKey } from "../../core/key.ts";
import type { Change } from "../driver.ts";
import type { SqliteConnection } from "./connection.ts";
import { isBusy, isTableAbsent } from "./errors.ts";

/** How long to wait between two looks while things happen, and at most, in milliseconds. A look costs some 15 µs. */
const SOON = 5;
const LATEST = 200;

/** One transaction, as the log has it. */
interface Logged {
  readonly id: number;
  readonly base: number;
  readonly keys: string | null;
}

/**
 * Changes as they are committed, by whichever process.
 *
 * @param connection Which file.
 * @param table The name of the table, quoted.
 * @param log The name of its log, quoted.
 * @param signal Ends it.
 * @returns The changes.
 */
export async function* watchTable(
  connection: SqliteConnection,
  table: string,
  log: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Change, void, void> {
  if (signal?.aborted) return;
  // A connection of its own: `data_version` tells of the commits of others only, and these are others.
  const own = connection.twin();
  try {
    // Before the first await, so that nothing that follows the first `next()` is missed.
    let position = attempt(() => lastOf(own, log));
    let seen: number | undefined;
    if (position === undefined) yield "rescan";
    for (let wait = SOON; !signal?.aborted; wait = Math.min(LATEST, wait * 1.3)) {
      const version = attempt(() => versionOf(own));
      if (version !== undefined && version !== seen) {
        const news: News | undefined = attempt(() => newsSince(own, table, log, position));
        if (news) {
          seen = version;
          position = news.position;
          if (news.changes.length > 0) wait = SOON;
          yield* news.changes;
        }
      }
      await sleep(systemClock, wait, signal).catch(() => {});
    }
  } finally {
    own.close();
  }
}

/** What happened since a position of the log. */
interface News {
  readonly position: number;
  readonly changes: readonly Change[];
}

/** Calls it; gives nothing while somebody has the lock. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isBusy(error)) return undefined;
    throw error;
  }
}

function versionOf(connection: SqliteConnection): number {
  return (connection.prepare("pragma data_version").get() as { data_version: number }).data_version;
}

function lastOf(connection: SqliteConnection, log: string): number {
  try {
    return (connection.prepare(`select max(id) as last from ${log}`).get() as { last: number | null }).last ??
      0;
  } catch (error) {
    if (isTableAbsent(error)) return 0;
    throw error;
  }
}

function newsSince(connection: SqliteConnection, table: string, log: string, position = 0): News {
  const { database } = connection;
  database.exec("begin");
  try {
    const rows = connection.prepare(`select id, base, keys from ${log} where id > ? order by id`)
      .all(position) as unknown as Logged[];
    if (rows.length === 0) return { position: Math.min(position, lastOf(connection, log)), changes: [] };
    const missed = rows[0]!.base > position || rows.some(({ keys }) => keys === null);
    return {
      position: rows[rows.length - 1]!.id,
      changes: missed ? ["rescan"] : changesOf(connection, table, rows),
    };
  } catch (error) {
    if (isTableAbsent(error)) return { position: 0, changes: [] };
    throw error;
  } finally {
    database.exec("commit");
  }
}

function changesOf(connection: SqliteConnection, table: string, rows: readonly Logged[]): Change[] {
  const keys = new Set(rows.flatMap(({ keys }) => JSON.parse(keys!) as string[]));
  const statement = connection.prepare(`select 1 from ${table} where key = ?`);
  return [...keys].filter((key) => isKey(key)).map((key) => ({
    key,
    present: statement.get(key) !== undefined,
  }));
}

/**
 * What SQLite's errors mean, and what to do about them.
 *
 * @module
 */
import {
  advice,
  classifySystemError,
  type ErrorCode,
  isDatataskError,
  RepositoryError,
} from "../../core/errors.ts";

/** One kind of trouble: how SQLite says it, what it means, and what a person can do. */
interface Trouble {
  readonly says: RegExp;
  readonly code: ErrorCode;
  readonly state: string;
}

const TROUBLES: readonly Trouble[] = [
  {
    says: /file is not a database/,
    code: "io",
    state: "it is not an SQLite database (or is encrypted); move it away, or give another path",
  },
  {
    says: /malformed|database corruption/,
    code: "io",
    state:
      "the database is damaged; restore it, or save what `sqlite3 <file> .recover` finds and move it away",
  },
  {
    says: /readonly database|read-only/,
    code: "denied",
    state: "it can only be read; check the owner and mode of the file and of its directory",
  },
  {
    says: /unable to open database file/,
    code: "denied",
    state:
      "it cannot be opened; see that its directory is there and can be written, and that it is not a directory itself",
  },
  {
    says: /database or disk is full/,
    code: "no-space",
    state: "the disk is full; free some space, and run again",
  },
  {
    says: /string or blob too big/,
    code: "invalid-value",
    state: "the value is larger than SQLite takes (1,000,000,000 bytes); keep it as a file or in a bucket",
  },
  {
    says: /no such column|has no column named/,
    code: "invalid-definition",
    state: "its table was made for something else; give another `table`",
  },
];

/** Whether SQLite says that somebody else has the lock. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error &&
    /database (table )?is locked|database schema is locked/.test(error.message);
}

/** Whether SQLite says that a table is absent. */
export function isTableAbsent(error: unknown): boolean {
  return error instanceof Error && /no such table/.test(error.message);
}

/**
 * What an error of SQLite means.
 *
 * @param error Anything caught.
 * @returns The code that fits, or nothing.
 */
export function classifySqlite(error: unknown): ErrorCode | undefined {
  if (isDatataskError(error)) return error.code;
  if (!(error instanceof Error)) return undefined;
  if (isBusy(error)) return "unavailable";
  const { message } = error;
  return TROUBLES.find(({ says }) => says.test(message))?.code ?? classifySystemError(error);
}

/**
 * The error as a user should see it.
 *
 * @param error What was thrown.
 * @param operation What was being done.
 * @param subject The name of the repository.
 * @param key To which key.
 * @returns An error that says what to do, or the error itself when nothing more is known of it.
 */
export function explainSqlite(error: unknown, operation: string, subject: string, key?: string): unknown {
  if (isDatataskError(error) || !(error instanceof Error)) return error;
  const { message } = error;
  const trouble = TROUBLES.find(({ says }) => says.test(message));
  const code = trouble?.code ?? classifySystemError(error);
  if (code === undefined) return error;
  const what = key === undefined ? subject : `"${key}" of ${subject}`;
  const state = trouble?.state ?? `${message}${advice(code, message)}`;
  return new RepositoryError(code, `Cannot ${operation} ${what}: ${state}`, {
    operation,
    subject,
    ...(key === undefined ? {} : { key }),
    cause: error,
  });
}

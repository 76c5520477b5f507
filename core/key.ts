/**
 * Keys: the names of jobs and of values in repositories.
 *
 * @module
 */
import { RepositoryError } from "./errors.ts";

/** The name of one job, and of its value in every repository: 1 to 128 of `A-Z a-z 0-9 . _ -`, alphanumeric at both ends. */
export type Key = string;

/** The longest a key can be, in characters. */
export const MAX_KEY_LENGTH = 128;

const KEY = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/;

/**
 * Tells whether a text is a valid key.
 *
 * @param text What to look at.
 * @returns Whether it has 1 to 128 characters of `A-Z a-z 0-9 . _ -`, the first and the last alphanumeric.
 * @example
 * ```ts
 * import { isKey } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * assert(isKey("moby-dick"));
 * assert(!isKey("../etc/passwd"));
 * ```
 */
export function isKey(text: string): text is Key {
  return KEY.test(text);
}

/**
 * Returns the key it is given, or throws.
 *
 * @param key The text to check.
 * @param operation What was being done with it, for the error.
 * @param subject Whose key it is (the name of a repository), for the error.
 * @returns The key.
 * @throws {RepositoryError} With code `invalid-key`.
 */
export function checkKey(key: string, operation: string, subject: string): Key {
  if (typeof key === "string" && KEY.test(key)) return key;
  throw new RepositoryError(
    "invalid-key",
    `Cannot ${operation} ${
      JSON.stringify(key)
    } of ${subject}: not a valid key; use 1 to ${MAX_KEY_LENGTH} of A-Z a-z 0-9 . _ - with a letter or digit at both ends`,
    { operation, subject, key: String(key) },
  );
}

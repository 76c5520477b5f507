/**
 * Copies of documents: quick for plain data, faithful for the rest.
 *
 * @module
 */

/** How deep the quick way goes before it leaves the document to `structuredClone`, which knows cycles. */
const DEEPEST = 100;

/** Says that a document is no plain data. */
const NOT_PLAIN: unique symbol = Symbol("not plain data");

/**
 * A copy that shares nothing with the original.
 *
 * @param document Plain data, or whatever else `structuredClone` keeps.
 * @returns The copy.
 * @throws {RepositoryError} With code `invalid-value` when it holds what cannot be copied: functions, symbols.
 */
export function copyDocument<T>(document: T): T {
  const copy = copyPlain(document, 0);
  return (copy === NOT_PLAIN ? structuredClone(document) : copy) as T;
}

function copyPlain(value: unknown, depth: number): unknown {
  if (value === null || value === undefined) return value;
  if (typeof value !== "object") {
    return typeof value === "function" || typeof value === "symbol" ? NOT_PLAIN : value;
  }
  if (depth > DEEPEST) return NOT_PLAIN;
  if (Array.isArray(value)) return copyList(value, depth);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return NOT_PLAIN;
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const item = copyPlain((value as Record<string, unknown>)[name], depth + 1);
    if (item === NOT_PLAIN || name === "__proto__") return NOT_PLAIN;
    copy[name] = item;
  }
  return copy;
}

function copyList(list: readonly unknown[], depth: number): unknown {
  const copy = new Array<unknown>(list.length);
  for (let i = 0; i < list.length; i++) {
    const item = copyPlain(list[i], depth + 1);
    if (item === NOT_PLAIN || (item === undefined && !(i in list))) return NOT_PLAIN;
    copy[i] = item;
  }
  return copy;
}

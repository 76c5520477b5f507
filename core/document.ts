/**
 * What a document may hold so that a format can give it back.
 *
 * @module
 */

/** How deep a document may be nested. */
export const MAX_DOCUMENT_DEPTH = 200;

/** What is done instead of writing a value of some class. */
const INSTEAD: Readonly<Record<string, string>> = {
  Date: "write its toISOString()",
  Map: "write Object.fromEntries() of it",
  Set: "write a list of what is in it",
  Uint8Array: "keep bytes in a repository of blobs, or write their toBase64()",
};

/**
 * Sees that a document is plain data, which a text format gives back as it was: objects, lists, texts, finite numbers, booleans and null.
 *
 * @param document What is to be written.
 * @param format What the format is called, for the error.
 * @param allowNonFinite Whether the format has forms for NaN and the infinities.
 * @throws {TypeError} When it is not; the message names the first field that is wrong, and what to do about it.
 */
export function checkDocument(document: unknown, format: string, allowNonFinite = false): void {
  if (!isPlain(document, allowNonFinite, 0)) refuse(document, format, allowNonFinite);
}

/** Whether all is well, without a thought of what to say when it is not. */
function isPlain(value: unknown, allowNonFinite: boolean, depth: number): boolean {
  switch (typeof value) {
    case "boolean":
      return true;
    case "number":
      return allowNonFinite || Number.isFinite(value);
    case "string":
      return value.isWellFormed();
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= MAX_DOCUMENT_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], allowNonFinite, depth + 1)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  if (Object.getOwnPropertySymbols(value).length > 0) return false;
  for (const name of Object.keys(value)) {
    if (!name.isWellFormed()) return false;
    if (!isPlain((value as Record<string, unknown>)[name], allowNonFinite, depth + 1)) return false;
  }
  return true;
}

/** Says which field is wrong. */
function refuse(document: unknown, format: string, allowNonFinite: boolean): void {
  const above = new Set<object>();
  const wrong = (path: string, what: string, instead: string): never => {
    const field = path === "" ? "the document" : `the field ${path.slice(path.startsWith(".") ? 1 : 0)}`;
    throw new TypeError(`${field} is ${what}, which has no form in ${format}; ${instead}`);
  };
  const visit = (value: unknown, path: string): void => {
    switch (typeof value) {
      case "boolean":
        return;
      case "number":
        if (Number.isFinite(value) || allowNonFinite) return;
        return wrong(path, String(value), "write null, or a text");
      case "string":
        return value.isWellFormed()
          ? undefined
          : wrong(path, "a text with half a character", "use toWellFormed()");
      case "undefined":
        return wrong(path, "undefined", "leave it out, or write null");
      case "object":
        return value === null ? undefined : inside(value, path);
      default:
        return wrong(path, `a ${typeof value}`, "write a text or a number");
    }
  };
  const inside = (value: object, path: string): void => {
    if (above.has(value)) wrong(path, "a part of itself", "write what identifies it");
    if (above.size >= MAX_DOCUMENT_DEPTH) {
      wrong(path, `nested deeper than ${MAX_DOCUMENT_DEPTH}`, "flatten it");
    }
    above.add(value);
    if (Array.isArray(value)) { for (let i = 0; i < value.length; i++) visit(value[i], `${path}[${i}]`); }
    else {
      const prototype = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) {
        const name = value.constructor?.name ?? "object of a class";
        wrong(path, `a ${name}`, INSTEAD[name] ?? "write a plain object");
      }
      if (Object.getOwnPropertySymbols(value).length > 0) {
        wrong(path, "an object with symbols for names", "use texts");
      }
      for (const name of Object.keys(value)) {
        if (!name.isWellFormed()) {
          wrong(path, "an object with half a character in a name", "use toWellFormed()");
        }
        visit((value as Record<string, unknown>)[name], `${path}.${name}`);
      }
    }
    above.delete(value);
  };
  visit(document, "");
}

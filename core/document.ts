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
  const above = new Set<object>();
  const refuse = (path: string, what: string, instead: string): never => {
    const field = path === "" ? "the document" : `the field ${path.slice(path.startsWith(".") ? 1 : 0)}`;
    throw new TypeError(`${field} is ${what}, which has no form in ${format}; ${instead}`);
  };
  const visit = (value: unknown, path: string): void => {
    switch (typeof value) {
      case "boolean":
        return;
      case "number":
        if (Number.isFinite(value) || allowNonFinite) return;
        return refuse(path, String(value), "write null, or a text");
      case "string":
        return value.isWellFormed()
          ? undefined
          : refuse(path, "a text with half a character", "use toWellFormed()");
      case "undefined":
        return refuse(path, "undefined", "leave it out, or write null");
      case "object":
        return value === null ? undefined : inside(value, path);
      default:
        return refuse(path, `a ${typeof value}`, "write a text or a number");
    }
  };
  const inside = (value: object, path: string): void => {
    if (above.has(value)) refuse(path, "a part of itself", "write what identifies it");
    if (above.size >= MAX_DOCUMENT_DEPTH) {
      refuse(path, `nested deeper than ${MAX_DOCUMENT_DEPTH}`, "flatten it");
    }
    above.add(value);
    if (Array.isArray(value)) { for (let i = 0; i < value.length; i++) visit(value[i], `${path}[${i}]`); }
    else {
      const prototype = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) {
        const name = value.constructor?.name ?? "object of a class";
        refuse(path, `a ${name}`, INSTEAD[name] ?? "write a plain object");
      }
      if (Object.getOwnPropertySymbols(value).length > 0) {
        refuse(path, "an object with symbols for names", "use texts");
      }
      for (const name of Object.keys(value)) {
        if (!name.isWellFormed()) {
          refuse(path, "an object with half a character in a name", "use toWellFormed()");
        }
        visit((value as Record<string, unknown>)[name], `${path}.${name}`);
      }
    }
    above.delete(value);
  };
  visit(document, "");
}

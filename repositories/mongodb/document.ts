/**
 * Values as MongoDB's documents and back: faithful, or refused before anything is written.
 *
 * Where the value allows it, its fields are the document's, so that other programs can query them. What else there is decides the form:
 * - `value`: the value lies whole in the field `value`, because it is no object, or has a field that the document needs for itself.
 * - `bson`: the field `value` holds its bytes in BSON, because a name in it has a `.` or begins with `$`, or it lies too deep for a server.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { Binary, BSON, type Document } from "../../deps/mongodb.ts";
import { FIELD, newStamp, stampOf } from "./stamp.ts";

/** The largest document that servers take, in bytes. */
const LARGEST = 16 * 2 ** 20;

/** What else a document may have than what is counted, in bytes. */
const SPARE = 1_024;

/** Servers take no document deeper than 100. */
const DEEPEST = 90;

/** Deeper values are refused: reading them would exhaust the stack. */
const BOTTOM = 1_000;

/** What looking through a value has found. */
interface Findings {
  /** At most so many bytes. */
  bytes: number;
  awkward: boolean;
  rich: boolean;
}

/** A value that cannot be kept. */
class Refusal extends Error {}

/**
 * The document of a value.
 *
 * @param key Of which key.
 * @param value The value.
 * @param subject Of which repository, for the error.
 * @returns The document, without its `_id`. It shares parts with the value.
 * @throws {RepositoryError} With code `invalid-value` when it could not be given back as it is.
 */
export function toDocument(
  key: Key,
  value: unknown,
  subject: string,
): Document {
  const findings: Findings = { bytes: SPARE, awkward: false, rich: false };
  try {
    look(value, [], [], findings);
    const form = findings.awkward
      ? "bson"
      : isRecord(value) && !("_id" in value) && !Object.hasOwn(value, FIELD)
      ? undefined
      : "value";
    const fields = form === undefined
      ? value as Document
      : { value: form === "bson" ? packed(value) : value };
    const document = { ...fields, [FIELD]: newStamp(form, findings.rich) };
    if (findings.bytes > LARGEST) checkSize({ _id: key, ...document });
    return document;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new RepositoryError("invalid-value", `Cannot write "${key}" of ${subject}: ${error.message}`, {
      operation: "write",
      subject,
      key,
    });
  }
}

/**
 * The value of a document, also of one that another program has written.
 *
 * @param document The document, read with large integers as `bigint` and bytes as `Binary`. It is taken apart.
 * @returns The value.
 */
export function fromDocument(document: Document): unknown {
  const stamp = stampOf(document);
  const { [FIELD]: text, _id, ...fields } = document;
  if (!stamp && text !== undefined) fields[FIELD] = text;
  if (stamp?.form === "bson") {
    const bytes = (fields.value as Binary).buffer;
    const { v } = BSON.deserialize(bytes, { useBigInt64: true, promoteBuffers: false });
    return revived(v, false);
  }
  const value = stamp?.form === "value" ? fields.value : fields;
  return stamp && !stamp.rich ? value : revived(value, stamp === undefined);
}

function packed(value: unknown): Binary {
  return new Binary(BSON.serialize({ v: value }, { checkKeys: false }));
}

function checkSize(document: Document): void {
  const size = BSON.calculateObjectSize(document);
  if (size <= LARGEST) return;
  throw new Refusal(
    `it has ${size} bytes, and MongoDB takes documents of at most ${LARGEST}; keep such values elsewhere, with fallback() or in a repository of blobs`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Looks through a value for what cannot be kept, and for what decides the form. */
function look(value: unknown, path: (string | number)[], above: unknown[], findings: Findings): void {
  findings.bytes += 16;
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw refusal(path, "a text with half a surrogate pair");
      findings.bytes += value.length * 3;
      return;
    case "number":
    case "boolean":
      return;
    case "bigint":
      findings.rich = true;
      if (BigInt.asIntN(64, value) !== value) {
        throw refusal(path, "an integer of more than 64 bits; write it as a text");
      }
      return;
    case "object":
      return value === null ? undefined : lookInto(value, path, above, findings);
    case "undefined":
      throw refusal(path, "undefined; leave it out, or write null");
    default:
      throw refusal(path, `a ${typeof value}`);
  }
}

/** Names with which nothing can be wrong. */
const PLAIN_NAME = /^[A-Za-z]\w*$/;

/** Passes over what most values are made of, which needs no further look. */
function isPlain(value: unknown, findings: Findings): boolean {
  if (typeof value === "string") {
    if (!value.isWellFormed()) return false;
    findings.bytes += 16 + value.length * 3;
    return true;
  }
  if (typeof value !== "number" && typeof value !== "boolean") return false;
  findings.bytes += 16;
  return true;
}

function lookInto(value: object, path: (string | number)[], above: unknown[], findings: Findings): void {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw refusal(path, "an invalid date");
    return;
  }
  if (value instanceof Uint8Array && Object.getPrototypeOf(value) === Uint8Array.prototype) {
    findings.bytes += value.length;
    findings.rich = true;
    return;
  }
  const kind = (value as { _bsontype?: unknown })._bsontype;
  if ((kind === "ObjectId" || kind === "Decimal128") && !Object.hasOwn(value, "_bsontype")) return;
  if (above.includes(value)) throw refusal(path, "itself");
  if (above.length > BOTTOM) throw refusal(path.slice(0, 3), `more than ${BOTTOM} objects in each other`);
  if (above.length > DEEPEST) findings.awkward = true;
  above.push(value);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (isPlain(item, findings)) continue;
      path.push(i);
      look(item, path, above, findings);
      path.pop();
    }
  } else if (isRecord(value)) lookAtFields(value, path, above, findings);
  else throw refusal(path, `an instance of ${value.constructor?.name ?? "some class"}; write plain data`);
  above.pop();
}

function lookAtFields(
  value: Record<string, unknown>,
  path: (string | number)[],
  above: unknown[],
  findings: Findings,
): void {
  for (const name of Object.keys(value)) {
    findings.bytes += name.length * 3;
    if (PLAIN_NAME.test(name) && isPlain(value[name], findings)) continue;
    path.push(name);
    if (name.includes("\0") || !name.isWellFormed()) throw refusal(path, "a name that no document can have");
    if (name === "_bsontype") throw refusal(path, "a name that MongoDB's client keeps for itself; rename it");
    if (name.includes(".") || name.startsWith("$")) findings.awkward = true;
    look(value[name], path, above, findings);
    path.pop();
  }
}

function refusal(path: readonly (string | number)[], what: string): Refusal {
  const where = path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return /^[A-Za-z_]\w*$/.test(part) ? `${text}${text && "."}${part}` : `${text}[${JSON.stringify(part)}]`;
  }, "");
  return new Refusal(`${where ? `at ${where} ` : ""}it is ${what}`);
}

/** What the client reads as classes of its own, as plain values. Changes objects and lists in place. */
function revived(value: unknown, foreign: boolean): unknown {
  if (typeof value === "bigint") {
    return foreign && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = revived(value[i], foreign);
    return value;
  }
  const kind = (value as { _bsontype?: string })._bsontype;
  if (kind === "Binary") {
    const binary = value as Binary;
    return binary.sub_type === Binary.SUBTYPE_DEFAULT ? new Uint8Array(binary.value()) : value;
  }
  if (kind === "DBRef") return revived(plainReference(value as never), foreign);
  if (kind !== undefined || value instanceof Date) return value;
  for (const name of Object.keys(value)) {
    const fields = value as Record<string, unknown>;
    const before = fields[name];
    if (typeof before !== "object" && typeof before !== "bigint") continue;
    const after = revived(before, foreign);
    if (after !== before) {
      Object.defineProperty(fields, name, {
        value: after,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
  }
  return value;
}

/** The client takes an object with `$ref` and `$id` for a reference. */
function plainReference(
  reference: {
    readonly collection: string;
    readonly oid: unknown;
    readonly db?: string;
    readonly fields?: Document;
  },
): Document {
  const { collection, oid, db, fields } = reference;
  return { $ref: collection, $id: oid, ...(db !== undefined && { $db: db }), ...fields };
}

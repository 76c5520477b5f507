/**
 * Documents as bytes, so that a backup gives back what it took: dates, bytes and big integers too.
 *
 * @module
 */
import { type Bytes, decodeText, encodeText } from "../../core/bytes.ts";

const TAG = "$datatask";

function tag(value: unknown): unknown {
  if (value instanceof Date) return { [TAG]: "date", value: value.toISOString() };
  if (typeof value === "bigint") return { [TAG]: "bigint", value: String(value) };
  if (value instanceof Uint8Array) return { [TAG]: "bytes", value: value.toBase64() };
  if (typeof value === "number" && !Number.isFinite(value)) return { [TAG]: "number", value: String(value) };
  if (Array.isArray(value)) return value.map(tag);
  if (typeof value !== "object" || value === null) return value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`a ${value.constructor?.name ?? "value"} in the document has no form in a backup`);
  }
  const tagged = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, tag(inner)]));
  return TAG in tagged ? { [TAG]: "object", value: tagged } : tagged;
}

function untag(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== "object" || value === null) return value;
  const { [TAG]: kind, value: inner } = value as Record<string, unknown>;
  if (kind === "date") return new Date(inner as string);
  if (kind === "bigint") return BigInt(inner as string);
  if (kind === "bytes") return Uint8Array.fromBase64(inner as string);
  if (kind === "number") return Number(inner);
  const plain = kind === "object" ? inner as object : value;
  return Object.fromEntries(Object.entries(plain).map(([key, one]) => [key, untag(one)]));
}

/** The bytes of a document. @throws {TypeError} When it holds what could not be given back. */
export function encodeDocument(value: unknown): Bytes {
  return encodeText(JSON.stringify(tag(value), undefined, 2) + "\n");
}

/** The document of bytes. */
export function decodeDocument(bytes: Bytes): unknown {
  return untag(JSON.parse(decodeText(bytes)));
}

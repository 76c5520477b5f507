/**
 * What is kept beside a value in its document: a version, which begins with the time, and how the value lies there.
 *
 * It is one short text, since every write sends it and every read pays for it: `mi7wd2k1.9f86d081884c7d65`, or `mi7wd2k1.9f86d081884c7d65.br`.
 *
 * @module
 */
import type { Document } from "../../deps/mongodb.ts";

/** The field of a document that is not the value's. */
export const FIELD = "_datatask";

/** How a value lies in its document, when not as its fields: whole under `value`, or there as bytes in BSON. */
export type Form = "value" | "bson";

/** What is kept beside a value. */
export interface Stamp {
  /** The whole text: another one for each write. */
  readonly version: string;
  /** When it was written, in milliseconds since 1970. */
  readonly modified: number;
  /** How the value lies in the document, when not as its fields. */
  readonly form: Form | undefined;
  /** The value holds what the client reads as something else: bytes, large integers. */
  readonly rich: boolean;
}

/** The time in base 36, 64 random bits, and letters for what is unlike most: a form, `r` for rich. */
const PATTERN = /^([\da-z]{8,9})\.[\da-f]{16}(?:\.([vb]?)(r?))?$/;

/**
 * A stamp that no other write has.
 *
 * @param form How the value lies in the document, when not as its fields.
 * @param rich Whether the value holds what the client reads as something else.
 * @returns The text for the field.
 */
export function newStamp(form: Form | undefined, rich: boolean): string {
  const id = crypto.randomUUID();
  const plain = `${Date.now().toString(36)}.${id.slice(0, 8)}${id.slice(28)}`;
  return form || rich ? `${plain}.${form?.[0] ?? ""}${rich ? "r" : ""}` : plain;
}

/**
 * Reads the stamp of a document.
 *
 * @param document A document, or the part of it with the stamp.
 * @returns Its stamp, or nothing when another program has written it.
 */
export function stampOf(document: Document): Stamp | undefined {
  const version: unknown = document[FIELD];
  const found = typeof version === "string" ? PATTERN.exec(version) : null;
  if (!found) return undefined;
  const [, time, form, rich] = found;
  return {
    version: version as string,
    modified: parseInt(time!, 36),
    form: form === "v" ? "value" : form === "b" ? "bson" : undefined,
    rich: rich === "r",
  };
}

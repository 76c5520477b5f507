/**
 * Codecs: how a document becomes bytes and back.
 *
 * @module
 */
import { type Bytes, decodeText, encodeText } from "./bytes.ts";
import { checkDocument } from "./document.ts";

/** How a document becomes bytes and back. Either way may give a promise, so that a library can be loaded when it is needed first. */
export interface Codec<T = unknown> {
  /** What it is called, for errors: `"YAML"`. */
  readonly name: string;
  /** What names of files end in: `".yaml"`. */
  readonly extension: string;
  /** The media type of the bytes. */
  readonly mediaType: string;
  /** Makes bytes. @throws When the value cannot be written in this format, before anything is written. */
  encode(value: T): Bytes | Promise<Bytes>;
  /** Reads bytes. @throws When they are not in this format; the message says where. */
  decode(bytes: Bytes): T | Promise<T>;
}

/** JSON, indented, one document a file. What JSON would drop or change (a Date, undefined, NaN) is refused; `-0` becomes `0`. */
export const json: Omit<Codec, "encode"> & { encode(value: unknown): Bytes } = {
  name: "JSON",
  extension: ".json",
  mediaType: "application/json",
  encode(value) {
    checkDocument(value, "JSON");
    return encodeText(JSON.stringify(value, undefined, 2) + "\n");
  },
  decode: (bytes) => JSON.parse(decodeText(bytes)),
};

/**
 * Codecs: how a document becomes bytes and back.
 *
 * @module
 */
import { type Bytes, decodeText, encodeText } from "./bytes.ts";

/** How a document becomes bytes and back. */
export interface Codec<T = unknown> {
  /** What it is called, for errors: `"YAML"`. */
  readonly name: string;
  /** What names of files end in: `".yaml"`. */
  readonly extension: string;
  /** The media type of the bytes. */
  readonly mediaType: string;
  /** @throws When the value cannot be written in this format, before anything is written. */
  encode(value: T): Bytes;
  /** @throws When the bytes are not in this format; the message says where. */
  decode(bytes: Bytes): T;
}

/** JSON, indented, one document a file. */
export const json: Codec = {
  name: "JSON",
  extension: ".json",
  mediaType: "application/json",
  encode(value) {
    const text = JSON.stringify(value, undefined, 2);
    if (text === undefined) throw new TypeError(`${typeof value} has no form in JSON`);
    return encodeText(text + "\n");
  },
  decode: (bytes) => JSON.parse(decodeText(bytes)),
};

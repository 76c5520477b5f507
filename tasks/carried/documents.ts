/**
 * How the documents of a body travel: as between the coordinator and a worker of a pool, with dates, bytes, big integers, maps and sets.
 *
 * @module
 */
import { type Bytes, concat, decodeText, encodeText } from "../../core/bytes.ts";
import type { Codec } from "../../core/codec.ts";
import { decode, encode, type References } from "../../executors/workers/marshal.ts";

/** A document that lies in a file has nobody at its other side. */
const NOBODY: References = {
  give() {
    throw new TypeError("A function, a stream or an iterable cannot be put into a document");
  },
  take() {
    throw new TypeError("A document holds a function");
  },
};

const NEWLINE = 10;

/** A line of JSON with the lengths of the pieces of bytes, and these. */
export const documents: Omit<Codec, "encode" | "decode"> & {
  encode(value: unknown): Bytes;
  decode(bytes: Bytes): unknown;
} = {
  name: "a document",
  extension: ".document",
  mediaType: "application/octet-stream",
  encode(value) {
    const parts: Uint8Array[] = [];
    const tree = encode(value, NOBODY, parts);
    return concat([encodeText(`${JSON.stringify([tree, parts.map(({ length }) => length)])}\n`), ...parts]);
  },
  decode(bytes) {
    let at = bytes.indexOf(NEWLINE);
    const [tree, lengths] = JSON.parse(decodeText(bytes.subarray(0, at++))) as [unknown, readonly number[]];
    const parts = lengths.map((length) => bytes.slice(at, at += length));
    return decode(tree, NOBODY, parts);
  },
};

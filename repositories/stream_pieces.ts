/**
 * Bytes in pieces of one size.
 *
 * @module
 */
import { type Bytes, concat } from "../core/bytes.ts";

/**
 * The same bytes in pieces of one size, but for the last. Holds one piece at a time.
 *
 * @param content Chunks of any size.
 * @param size How much a piece has, in bytes.
 * @returns The pieces; none is empty.
 */
export async function* piecesOf(
  content: AsyncIterable<Bytes>,
  size: number,
): AsyncGenerator<Bytes, void, void> {
  let held: Bytes[] = [];
  let length = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + size - length);
      held.push(part);
      length += part.length;
      at += part.length;
      if (length < size) continue;
      yield concat(held);
      held = [];
      length = 0;
    }
  }
  if (length > 0) yield concat(held);
}

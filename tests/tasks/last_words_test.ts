import assert from "node:assert/strict";
import { readAll, toStream } from "../../core/bytes.ts";
import { LastWords } from "../../tasks/last_words.ts";

async function last(...chunks: (string | Uint8Array<ArrayBuffer>)[]): Promise<string> {
  const words = new LastWords();
  const bytes = chunks.map((chunk) => typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  const all = await readAll(ReadableStream.from(bytes).pipeThrough(words));
  assert.deepEqual(all, await readAll(toStream(new Uint8Array(await new Blob(bytes).arrayBuffer()))));
  return words.line;
}

Deno.test("LastWords keeps the last line that says something, wherever chunks end, and lets all through", async () => {
  assert.equal(await last(), "");
  assert.equal(await last("\n \r\n\n"), "");
  assert.equal(await last("one\ntw", "o\n\n", "  \n"), "two");
  assert.equal(await last("10 %\r50 %\r", "disk full\r\n"), "disk full");
  assert.equal(await last("a\n".repeat(10_000), "é".repeat(3000)), `${"é".repeat(400)}…`);
  assert.equal(await last(new Uint8Array([0xff, 0x0a, 0xc3, 0xa9, 0x0a])), "é");
});

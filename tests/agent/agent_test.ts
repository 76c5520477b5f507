/** Tests of the agent: values in, values out, feeds, items, files. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { MemoryBlobRepository } from "../../repositories/memory.ts";
import { grantOf, Place } from "./kit.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

Deno.test("a worker reads a blob, whole and in parts", async () => {
  await using place = await Place.make();
  const books = new MemoryBlobRepository("books");
  await books.put("emma", "handsome, clever, and rich");
  const worker = await place.admit(
    grantOf("emma", { books: { kind: "value", repository: books, key: "emma" } }),
  );
  const whole = await worker.ask("/in/books");
  assert.deepEqual([whole.status, whole.text], [200, "handsome, clever, and rich"]);
  assert.equal(whole.headers.get("content-length"), "26");
  const part = await worker.ask("/in/books", { headers: { Range: "bytes=10-15" } });
  assert.deepEqual([part.status, part.text, part.headers.get("content-range")], [
    206,
    "clever",
    "bytes 10-15/26",
  ]);
  assert.equal((await worker.ask("/digest/books")).text, `${sha256("handsome, clever, and rich")}\n`);
});

Deno.test("a worker brings an output, whole and in parts", async () => {
  await using place = await Place.make();
  const path = `${place.folder}/out/report`;
  const worker = await place.admit(grantOf("emma", {}, { report: { kind: "file", path, tree: false } }));
  assert.equal(
    (await worker.put("/out/report", "1234", { "X-Datatask-Sha256": sha256("1234") })).status,
    201,
  );
  assert.equal(await Deno.readTextFile(path), "1234");
  assert.equal((await worker.put("/out/report", "56", { "Content-Range": "bytes 0-1/4" })).status, 202);
  assert.equal((await worker.ask("/out/report", { method: "HEAD" })).headers.get("x-datatask-received"), "2");
  assert.equal(await Deno.readTextFile(path), "1234");
  assert.equal((await worker.put("/out/report", "78", { "Content-Range": "bytes 2-3/4" })).status, 201);
  assert.equal(await Deno.readTextFile(path), "5678");
});

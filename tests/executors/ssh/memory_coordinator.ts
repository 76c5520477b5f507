/**
 * A coordinator of its own process that copies a value to a host and back, and says how much memory it had at most, and before the value was large.
 *
 * Its arguments: a folder for what is copied, the options of the executor, and how large the value is, in bytes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { sshExecutor } from "../../../executors/ssh/mod.ts";
import {
  FileRepository,
  input,
  MemoryMetadataRepository,
  output,
  Pipeline,
  processTask,
  sh,
} from "../../../mod.ts";
import { runAll } from "../../pipeline/kit.ts";
import { watched } from "./copied.ts";

const [folder, options, size] = Deno.args as [string, string, string];
const large = Number(size);
const books = new FileRepository(`${folder}/books`);
const copies = new FileRepository(`${folder}/copies`);
await books.put("warm", new Uint8Array(10_000_000));
let most = 0;
const seen = watched(sshExecutor(JSON.parse(options)), () => {
  most = Math.max(most, Deno.memoryUsage().rss);
});
const task = processTask("copy", {
  done: new MemoryMetadataRepository("done"),
  links: { books: input(books), copies: output(copies) },
  executor: seen.executor,
  script: ({ books, copies }) => sh`mv ${books} ${copies}`,
});
const copy = async (): Promise<void> => {
  const { summary, events } = await runAll(new Pipeline({ tasks: [task], state: `${folder}/state` }));
  assert.equal(summary.succeeded, 1, JSON.stringify(events));
};
await copy();
const before = most;
await Deno.truncate(`${folder}/books/warm`, large);
await Deno.rename(`${folder}/books/warm`, `${folder}/books/large`);
await copy();
const copied = seen.copies.filter(({ job }) => job === "large").reduce((sum, { bytes }) => sum + bytes, 0);
assert.equal(copied, 2 * large);
assert.equal((await Deno.stat(`${folder}/copies/large`)).size, large);
console.log(JSON.stringify({ before, most }));

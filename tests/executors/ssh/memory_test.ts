/** The coordinator holds little of a value that travels over SFTP, however large it is. */
import assert from "node:assert/strict";
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
import { Place, sshTest } from "./server.ts";

/** How large the value is, and how much the coordinator may grow meanwhile, in bytes. */
const LARGE = 256_000_000;
const GROWTH = 100_000_000;

sshTest("a value of 256 MB goes over SFTP through a coordinator that stays small", async (stack) => {
  const place = new Place(stack);
  const books = new FileRepository(`${place.state}/books`);
  const copies = new FileRepository(`${place.state}/copies`);
  await books.put("warm", new Uint8Array(10_000_000));
  let most = 0;
  const seen = watched(place.executor(), () => {
    most = Math.max(most, Deno.memoryUsage().rss);
  });
  const task = processTask("copy", {
    done: new MemoryMetadataRepository("done"),
    links: { books: input(books), copies: output(copies) },
    executor: seen.executor,
    script: ({ books, copies }) => sh`mv ${books} ${copies}`,
  });
  const pipeline = () => new Pipeline({ tasks: [task], state: `${place.state}/state` });
  assert.equal((await runAll(pipeline())).summary.succeeded, 1);
  const before = most;
  Deno.truncateSync(`${place.state}/books/warm`, LARGE);
  Deno.renameSync(`${place.state}/books/warm`, `${place.state}/books/large`);
  const { summary, events } = await runAll(pipeline());
  assert.equal(summary.succeeded, 1, JSON.stringify(events));
  const copied = seen.copies.filter(({ job }) => job === "large").reduce((sum, { bytes }) => sum + bytes, 0);
  assert.equal(copied, 2 * LARGE);
  assert.equal(Deno.statSync(`${place.state}/copies/large`).size, LARGE);
  assert(most - before < GROWTH, `it grew from ${before} to ${most} bytes`);
});

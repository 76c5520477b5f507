/**
 * Items that one job publishes and another one streams, through repositories in memory, against a bare loop that puts and reads the same blobs.
 *
 * `deno run -A bench/streams.ts [ITEMS] [READERS]`
 */
import { figure, median, say, timed } from "./figure.ts";
import {
  allocated,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  outputs,
  Pipeline,
  requires,
  stream,
} from "../mod.ts";

const items = Number(Deno.args[0] ?? 50_000);
const readers = Number(Deno.args[1] ?? 50);
const text = new TextEncoder().encode("It was the best of times");

/** Makes a pipeline of writers and readers, runs it, and says how long it took and how many items have come. */
async function streamed(
  jobs: number,
  each: number,
  every: boolean,
): Promise<readonly [ms: number, seen: number]> {
  const [books, pages] = [new MemoryBlobRepository("books"), new MemoryBlobRepository("pages")];
  for (let i = 0; i < jobs; i++) await books.put(`book-${i}`, text);
  let seen = 0;
  const write = functionTask("write", {
    done: new MemoryMetadataRepository("write-done"),
    links: { books: input(books), pages: outputs(pages) },
  }, async ({ pages }) => {
    for (let i = 0; i < each; i++) await pages.write(`${i}`, text);
  });
  const read = functionTask("read", {
    done: new MemoryMetadataRepository("read-done"),
    links: { books: requires(books), pages: stream(pages, every ? {} : { of: allocated() }) },
  }, async ({ pages }) => {
    for await (const page of pages) {
      await page.bytes();
      seen++;
    }
  });
  const pipeline = new Pipeline({ tasks: [write, read], state: null });
  const [ms] = await timed(async () => await pipeline.run().finished);
  return [ms, seen];
}

/** The same blobs put and read, with nothing else. */
async function bare(): Promise<number> {
  const pages = new MemoryBlobRepository("pages");
  const [ms] = await timed(async () => {
    for (let i = 0; i < items; i++) {
      await pages.put(`page-${i}`, text);
      await pages.bytes(`page-${i}`);
    }
  });
  return ms;
}

await streamed(1, 1000, false);
const ratios: number[] = [];
for (let round = 0; round < 3; round++) {
  const [ms, seen] = await streamed(1, items, false);
  if (seen !== items) throw new Error(`${seen} of ${items} items have come`);
  ratios.push(ms / await bare());
  say(
    `${items} items from one job to another`,
    `${Math.round(items / ms * 1000).toLocaleString("en")} a second`,
  );
}
figure("items that are published and streamed, against put and read", median(ratios), "x", { atMost: 8 });

const memory = Deno.memoryUsage().heapUsed;
const [all, seen] = await streamed(readers, Math.ceil(items / readers), true);
if (seen !== readers * readers * Math.ceil(items / readers)) throw new Error(`${seen} items have come`);
say(
  `${items} items of ${readers} jobs, all to each of ${readers} others`,
  `${Math.round(seen / all * 1000).toLocaleString("en")} a second, ${
    Math.round((Deno.memoryUsage().heapUsed - memory) / 1e6)
  } MB`,
);

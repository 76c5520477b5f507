/** Tests of the examples: each is run twice by the command line, as a reader would. */
import assert from "node:assert/strict";
import { example } from "./run_example.ts";

Deno.test("example books counts every book, and has nothing to do the second time", async () => {
  await using books = await example("books");
  const first = await books.command("run");
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout + first.stderr, /12 succeeded, 0 failed/);
  assert.equal(
    await books.read("ranks/time-machine.txt"),
    'The book "time-machine" (The Time Machine, by H. G. Wells (1895)) has 2 paragraphs, 5 lines, 44 words, and 239 characters. It is short.\n',
  );
  const second = await books.command("run");
  assert.equal(second.code, 0);
  assert.match(second.stdout + second.stderr, /Nothing to do: 12 jobs done, 0 failed/);
});

Deno.test("example books makes again what was removed, and nothing else", async () => {
  await using books = await example("books");
  await books.command("run");
  const removed = await books.command("rm", "-r", "--yes", "summary", "emma");
  assert.equal(removed.code, 0, removed.stderr);
  const again = await books.command("run");
  assert.match(again.stdout + again.stderr, /2 succeeded, 0 failed/);
});

Deno.test({
  name: "example thumbnails shrinks and packs every album with scripts",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using thumbnails = await example("thumbnails");
    const first = await thumbnails.command("run");
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout + first.stderr, /4 succeeded, 0 failed/);
    const [header, size] = (await thumbnails.read("thumbnails/sea/dawn.ppm")).split("\n");
    assert.deepEqual([header, size], ["P3", "4 4"]);
    const packed = await Deno.open(`${thumbnails.out}/archives/sea.tar.gz`);
    const bytes = await new Response(packed.readable.pipeThrough(new DecompressionStream("gzip"))).bytes();
    assert(new TextDecoder().decode(bytes).includes("noon.ppm"));
    assert.match((await thumbnails.command("logs", "shrink", "sea")).stdout, /^sea: 2 images$/m);
    const second = await thumbnails.command("run");
    assert.match(second.stdout + second.stderr, /Nothing to do: 4 jobs done, 0 failed/);
  },
});

Deno.test("example flaky retries, blocks what follows a failure, and goes on where it may", async () => {
  await using flaky = await example("flaky");
  const first = await flaky.command("run");
  assert.equal(first.code, 1, "jobs have failed");
  assert.match(first.stdout + first.stderr, /5 succeeded, 2 failed, 2 blocked/);
  assert.equal(
    await flaky.read("credits/moby-dick.txt"),
    "The first page of Moby-Dick; or, The Whale. By Herman Melville, born 1819; not proofread.\n",
  );
  const second = await flaky.command("run");
  assert.equal(second.code, 1);
  assert.match(second.stdout + second.stderr, /Nothing to do: 5 jobs done, 2 failed, 2 blocked/);
  const why = await flaky.command("why", "credit", "lost-book");
  assert.match(why.stdout, /credit\/lost-book is blocked/);
  assert.match(why.stdout, /✗ pages is made by fetch: fetch has failed with "lost-book"/);
  const retried = await flaky.command("retry", "fetch", "lost-book");
  assert.equal(retried.code, 0, retried.stderr);
  const third = await flaky.command("run");
  assert.match(third.stdout + third.stderr, /0 succeeded, 1 failed/);
});

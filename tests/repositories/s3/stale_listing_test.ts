/** A bucket whose listings tell of some time ago: a repository that is told so asks, and a pipeline over it does nothing twice. */
import assert from "node:assert/strict";
import { functionTask, input, JsonMetadataRepository, output, Pipeline } from "../../../mod.ts";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import { FaultyProxy } from "./proxy.ts";
import { BUCKET, client, endpoint, objectsUnder, place, s3Test } from "./server.ts";

/** What a store answers to a listing. All names here are plain. */
function listing(prefix: string, names: readonly string[]): string {
  const contents = names.map((name) =>
    `<Contents><Key>${name}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>` +
    `<ETag>"0"</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>`
  );
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
    `<Name>${BUCKET}</Name><Prefix>${prefix}</Prefix><MaxKeys>1000</MaxKeys><KeyCount>${names.length}</KeyCount>` +
    `<IsTruncated>false</IsTruncated>${contents.join("")}</ListBucketResult>`;
}

/** A place in the bucket, and a proxy before it whose listings tell of the last call of `look`. */
async function behind(stack: AsyncDisposableStack) {
  const direct = client(stack);
  const prefix = await place(stack, direct);
  const proxy = stack.use(new FaultyProxy(endpoint));
  const through = client(stack, { endpoint: proxy.url });
  let seen: readonly string[] = [];
  let listed = 0;
  proxy.fate = ({ method, query }) => {
    const asked = new URLSearchParams(query);
    if (method !== "GET" || asked.get("list-type") !== "2") return "pass";
    listed++;
    const start = asked.get("prefix") ?? "";
    const names = seen.filter((name) => name.startsWith(start) && !name.slice(start.length).includes("/"));
    return { answer: listing(start, names) };
  };
  const at = (name: string, s3 = through): S3BucketRepository =>
    new S3BucketRepository(s3, {
      bucket: BUCKET,
      prefix: `${prefix}${name}/`,
      conditional: true,
      consistentListing: false,
    });
  return {
    at,
    direct: (name: string) => at(name, direct),
    look: async () => void (seen = await objectsUnder(direct, prefix)),
    listings: () => listed,
  };
}

s3Test("S3BucketRepository knows what is there although its listing does not", async (stack) => {
  const { at, direct, look, listings } = await behind(stack);
  const books = at("books");
  await direct("books").put("old", "old");
  await look();
  await books.put("new", "new");
  await books.delete("old");
  assert.deepEqual(await Array.fromAsync(books), ["old"], "the listing is late");
  assert.deepEqual([await books.has("new"), await books.has("old")], [true, false]);
  await assert.rejects(books.text("old"), { code: "not-found" });
  await assert.rejects(books.put("new", "other", { ifAbsent: true }), { code: "already-exists" });
  await look();
  assert.deepEqual(await Array.fromAsync(books), ["new"]);
  assert(listings() >= 2, "the server was asked for a listing");
});

s3Test(
  "a pipeline in a bucket with late listings runs each job once, and again what was deleted",
  async (stack) => {
    const { at, direct, look, listings } = await behind(stack);
    const jobs = ["a", "b", "c"];
    const runs: string[] = [];
    for (const job of jobs) await direct("books").put(job, `text of ${job}`);
    const pipeline = (): Pipeline => {
      const copy = functionTask("copy", {
        done: new JsonMetadataRepository(at("done")),
        links: { books: input(at("books")), copies: output(at("copies"), { once: true }) },
      }, async ({ job, books, copies }) => {
        runs.push(job);
        if (job === "b" && runs.length <= jobs.length) throw new Error("no b");
        await copies.write(await books.text());
      });
      return new Pipeline({ tasks: [copy], state: null });
    };
    await look();
    const first = await pipeline().run().finished;
    assert.deepEqual([first.succeeded, first.failed, first.started], [2, 1, 3]);
    // All listings tell of the time before the first run, to other coordinators as well.
    for (let i = 0; i < 2; i++) {
      const { started, succeeded, failed } = await pipeline().run().finished;
      assert.deepEqual([started, succeeded, failed], [0, 0, 0]);
    }
    assert.deepEqual(runs.toSorted(), jobs);
    for (const job of ["a", "c"]) assert.equal(await direct("copies").text(job), `text of ${job}`);
    assert.equal(await direct("copies").has("b"), false);
    await look();
    await direct("done").delete("a");
    await direct("copies").delete("a");
    await direct("books").put("d", "text of d");
    await pipeline().run().finished;
    await look();
    await pipeline().run().finished;
    assert.deepEqual(runs.toSorted(), ["a", "a", "b", "c", "d"]);
    assert.deepEqual((await Array.fromAsync(direct("copies").driver.keys())).flat().sort(), ["a", "c", "d"]);
    assert(listings() > 0);
  },
);

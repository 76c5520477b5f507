/** A pipeline whose stores are all in a bucket behind a line that breaks: each job is published once, and nothing half is seen. */
import assert from "node:assert/strict";
import { seededRandom } from "../../../core/random.ts";
import { functionTask, input, JsonMetadataRepository, output, Pipeline } from "../../../mod.ts";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import type { S3Retry } from "../../../repositories/s3/client.ts";
import { BUCKET, client, endpoint, objectsUnder, place, s3Test, uploadsUnder } from "./server.ts";
import { type Fate, FaultyProxy } from "./proxy.ts";

const FATES: readonly Fate[] = ["lose-answer", "slow-down", { cutAfter: 40 }];

for (const seed of [1, 2]) {
  s3Test(`a pipeline in a bucket gets through lost answers, 503 and cuts (seed ${seed})`, async (stack) => {
    const direct = client(stack);
    const prefix = await place(stack, direct);
    const proxy = stack.use(new FaultyProxy(endpoint));
    const retries: S3Retry[] = [];
    const through = client(stack, {
      endpoint: proxy.url,
      maxAttempts: 30,
      onRetry: (retry) => retries.push(retry),
    });
    const random = seededRandom(seed);
    const at = (name: string, s3 = through): S3BucketRepository =>
      new S3BucketRepository(s3, { bucket: BUCKET, prefix: `${prefix}${name}/`, conditional: true });
    const jobs = Array.from({ length: 40 }, (_, i) => `job-${i}`);
    const books = at("books", direct);
    await Promise.all(jobs.map((job) => books.put(job, `${job}: ${"text ".repeat(100)}`)));
    const published: string[] = [];
    const pipeline = (): Pipeline => {
      const copy = functionTask("copy", {
        done: new JsonMetadataRepository(at("done")),
        links: { books: input(at("books")), copies: output(at("copies"), { once: true }) },
        concurrency: 8,
      }, async ({ job, books, copies }) => {
        await copies.write(await books.text());
        published.push(job);
      });
      return new Pipeline({ tasks: [copy], state: null });
    };
    proxy.fate = () => random() < 0.25 ? FATES[Math.floor(random() * FATES.length)]! : "pass";
    const { succeeded, failed } = await pipeline().run().finished;
    assert.deepEqual([succeeded, failed], [jobs.length, 0]);
    assert.deepEqual(published.toSorted(), jobs.toSorted(), "each job is published once");
    assert(retries.length > 0, "nothing went wrong");
    const { started } = await pipeline().run().finished;
    assert.equal(started, 0);
    const copies = at("copies", direct);
    for (const job of jobs) assert.equal(await copies.text(job), await books.text(job));
    assert.deepEqual((await Array.fromAsync(at("done", direct))).sort(), jobs.toSorted());
    assert.equal((await objectsUnder(direct, prefix)).length, 3 * jobs.length, "something else was left");
    assert.equal(await uploadsUnder(direct, prefix), 0);
  });
}

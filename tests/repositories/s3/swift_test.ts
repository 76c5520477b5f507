/** The same driver over a store of another dialect: Swift knows no writes on a condition, and wants Content-MD5 with deletions of many. */
import assert from "node:assert/strict";
import { PutObjectCommand, type S3Client } from "../../../deps/aws_s3.ts";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import { JsonMetadataRepository } from "../../../repositories/yaml.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { needs } from "../../../testing/needs.ts";
import { BUCKET, client, inBucket, place, plain, uploadsUnder } from "./server.ts";

const service = needs("swift");
const server = {
  endpoint: service.get("SWIFT_ENDPOINT"),
  credentials: {
    accessKeyId: service.get("SWIFT_ACCESS_KEY"),
    secretAccessKey: service.get("SWIFT_SECRET_KEY"),
  },
};

/** A client of Swift, and a place there with a repository, until a test is over. */
async function opened(stack: AsyncDisposableStack, options: { readonly partSize?: number } = {}) {
  const s3 = client(stack, server);
  const prefix = await place(stack, s3);
  return { s3, prefix, books: new S3BucketRepository(s3, { bucket: BUCKET, prefix, ...options }) };
}

testBlobDriver("s3Driver() over Swift", {
  ...inBucket(plain, {}, 1_100, {
    available: service.available,
    client: (stack) => client(stack, server),
  }),
  huge: 2 ** 30 + 1,
});

Deno.test({
  name: "S3BucketRepository finds out that Swift knows no conditions, and deletes many there",
  ...service.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const { books } = await opened(stack);
    await books.prepare();
    assert.equal(books.driver.supports.conditional, false);
    await assert.rejects(books.put("one", "x", { ifAbsent: true }), {
      code: "unsupported",
      message:
        `Cannot write "one" of ${books.name}: its store knows no writes on a condition; write without ifAbsent and ifVersion, or use another store`,
    });
    const keys = Array.from({ length: 30 }, (_, i) => `key-${i}`);
    for (const key of keys) await books.put(key, key);
    await books.deleteMany(keys);
    for (const key of keys) assert.equal(await books.has(key), false);
  },
});

/** Writes as a server of Swift does whose clock is ahead by so many milliseconds. */
async function writeAhead(s3: S3Client, name: string, ms: number): Promise<void> {
  const command = new PutObjectCommand({ Bucket: BUCKET, Key: name, Body: "from the future" });
  command.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      headers["x-timestamp"] = ((Date.now() + ms) / 1000).toFixed(5);
      return next(args);
    },
    { step: "build" },
  );
  await s3.send(command);
}

Deno.test({
  name:
    "S3BucketRepository loses no write to a value that Swift takes for newer, and says so when it never wins",
  ...service.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const { s3, prefix, books } = await opened(stack);
    await writeAhead(s3, `${prefix}one`, 200);
    await books.put("one", "mine");
    assert.equal(await books.text("one"), "mine");
    await writeAhead(s3, `${prefix}two`, 3_600_000);
    await assert.rejects(books.put("two", "mine"), {
      code: "unavailable",
      message:
        `Cannot write "two" of ${books.name}: the store keeps another value, which it takes for newer; others write it again and again, or the clocks of its servers differ`,
    });
    assert.equal(await books.text("two"), "from the future");
  },
});

Deno.test({
  name: "S3BucketRepository lets many race for a key of Swift, and none of them fails",
  ...service.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const { prefix, books: ours } = await opened(stack);
    const theirs = new S3BucketRepository(client(stack, server), { bucket: BUCKET, prefix });
    for (let round = 0; round < 10; round++) {
      const texts = Array.from({ length: 16 }, (_, i) => `${round} ${i}`);
      await Promise.all(texts.map((text, i) => (i % 2 ? ours : theirs).put("one", text)));
      assert(texts.includes(await ours.text("one")));
    }
  },
});

Deno.test({
  name: "S3BucketRepository writes in parts to Swift, and leaves none when it fails",
  ...service.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const { s3, prefix, books } = await opened(stack, { partSize: 5 * 2 ** 20 });
    const large = new Uint8Array(12 * 2 ** 20).map((_, i) => (i * 31 + (i >> 8)) % 251);
    const stream = (then: (controller: ReadableStreamDefaultController) => void) =>
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        start(controller) {
          controller.enqueue(large);
          then(controller);
        },
      });
    await books.put("one", stream((controller) => controller.close()));
    assert.equal((await books.info("one"))!.size, large.length);
    assert.deepEqual(await books.bytes("one"), large);
    const trouble = new Error("the source broke");
    await assert.rejects(
      books.put("one", stream((controller) => void queueMicrotask(() => controller.error(trouble)))),
    );
    assert.equal(await uploadsUnder(s3, prefix), 0);
    assert.deepEqual(await books.bytes("one"), large);
    await books.put("one", "short");
    assert.equal(await books.text("one"), "short");
    const documents = new JsonMetadataRepository(books);
    await documents.set("two", { pages: 635 });
    assert.deepEqual(await documents.get("two"), { pages: 635 });
  },
});

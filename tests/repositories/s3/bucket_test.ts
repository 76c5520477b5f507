import assert from "node:assert/strict";
import { Session } from "../../../session/session.ts";
import { s3Driver } from "../../../repositories/s3/driver.ts";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import { createS3Client, s3Client } from "../../../repositories/s3/client.ts";
import { PacedRetries } from "../../../repositories/s3/pace.ts";
import { sizeOfPart } from "../../../repositories/s3/parts.ts";
import { removeStaleUploads } from "../../../repositories/s3/prepare.ts";
import { S3Store } from "../../../repositories/s3/store.ts";
import {
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  type RetryErrorInfo,
} from "../../../deps/aws_s3.ts";
import {
  BUCKET,
  client,
  credentials,
  driver,
  endpoint,
  objectsUnder,
  place,
  s3Test,
  uploadsUnder,
} from "./server.ts";

s3Test("S3BucketRepository is defined before its session opens and used while it is open", async (stack) => {
  const prefix = await place(stack, client(stack));
  const session = new Session();
  const bucket = session.resource("bucket", s3Client({ endpoint, credentials }));
  const books = new S3BucketRepository(bucket, { bucket: BUCKET, prefix, suffix: ".txt" });
  const closed = {
    code: "session-closed",
    message:
      'Cannot use resource "bucket": its session is not open; use it between session.open() and session.close()',
  };
  await assert.rejects(books.text("one"), closed);
  await assert.rejects(books.put("one", new ReadableStream()), closed);
  await assert.rejects(Array.fromAsync(books), closed);
  {
    await using _open = await session.open();
    await books.prepare();
    await books.put("one", "text");
    assert.equal(await books.text("one"), "text");
  }
  await assert.rejects(books.has("one"), closed);
});

s3Test("S3BucketRepository lets a session close while somebody still reads", async (stack) => {
  const prefix = await place(stack, client(stack));
  const session = new Session();
  const bucket = session.resource("bucket", s3Client({ endpoint, credentials }));
  const books = new S3BucketRepository(bucket, { bucket: BUCKET, prefix });
  await session.open();
  await books.put("one", new Uint8Array(20 * 2 ** 20));
  const reader = (await books.open("one")).getReader();
  await reader.read();
  await session.close();
  await assert.rejects(async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read());
  }, { code: "session-closed" });
});

s3Test("S3BucketRepository makes its bucket once, whoever else does", async (stack) => {
  const bucket = `datatask-${crypto.randomUUID()}`;
  const s3 = client(stack);
  const makers = Array.from({ length: 4 }, () => new S3BucketRepository(client(stack), { bucket }));
  await Promise.all(makers.map((maker) => maker.prepare()));
  await makers[0]!.put("one", "kept");
  await makers[1]!.prepare();
  assert.equal(await makers[2]!.text("one"), "kept");
  assert.deepEqual(
    await objectsUnder(s3, "").then((names) => names.filter((name) => name.includes("probe"))),
    [],
  );
  await makers[3]!.delete("one");
});

s3Test("S3BucketRepository deletes many at once", async (stack) => {
  const s3 = client(stack);
  const prefix = await place(stack, s3);
  const repository = new S3BucketRepository(s3, { bucket: BUCKET, prefix, suffix: ".txt" });
  const keys = Array.from({ length: 1100 }, (_, i) => `key-${i}`);
  await Promise.all(keys.slice(0, 40).map((key) => repository.put(key, key)));
  await repository.put("kept", "kept");
  await repository.deleteMany(keys);
  assert.deepEqual(await Array.fromAsync(repository), ["kept"]);
  await assert.rejects(repository.deleteMany(["../kept"]), { code: "invalid-key" });
  assert.equal(await repository.has("kept"), true);
});

s3Test("S3BucketRepository lists no names that are no keys of its own", async (stack) => {
  const s3 = client(stack);
  const prefix = await place(stack, s3);
  for (const name of ["one.txt", "deep/two.txt", "_failed/three.txt", "four.bin", ".txt", "é ü+%20&.txt"]) {
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: prefix + name, Body: new Uint8Array(1) }));
  }
  const repository = new S3BucketRepository(s3, { bucket: BUCKET, prefix, suffix: ".txt" });
  const skipped: string[] = [];
  const keys = await Array.fromAsync(repository.keys({ onSkipped: (_, names) => skipped.push(...names) }));
  assert.deepEqual(keys, ["one"]);
  assert.deepEqual(skipped, ["é ü+%20&"]);
});

s3Test("S3BucketRepository gives objects their media type and keeps an empty stream", async (stack) => {
  const s3 = client(stack);
  const prefix = await place(stack, s3);
  const repository = new S3BucketRepository(s3, { bucket: BUCKET, prefix, contentType: "text/plain" });
  await repository.put("empty", new ReadableStream({ start: (controller) => controller.close() }));
  await repository.put(
    "large",
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        controller.enqueue(new Uint8Array(9 * 2 ** 20));
        controller.close();
      },
    }),
  );
  for (const key of ["empty", "large"]) {
    const { ContentType } = await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: prefix + key }));
    assert.equal(ContentType, "text/plain");
  }
  assert.equal((await repository.info("empty"))!.size, 0);
  assert.deepEqual(await repository.bytes("empty"), new Uint8Array());
});

s3Test("S3BucketRepository makes large values on a condition", async (stack) => {
  const repository = await driver(stack, { partSize: 5 * 2 ** 20 });
  const large = (fill: number): ReadableStream<Uint8Array<ArrayBuffer>> =>
    new ReadableStream({
      start(controller) {
        for (let i = 0; i < 6; i++) controller.enqueue(new Uint8Array(2 ** 20).fill(fill));
        controller.close();
      },
    });
  await repository.prepare!();
  await repository.write("one", large(1), { ifAbsent: true });
  await assert.rejects(repository.write("one", large(2), { ifAbsent: true }), { code: "already-exists" });
  const { version } = (await repository.info!("one"))!;
  await repository.write("one", large(3), { ifVersion: version });
  await assert.rejects(repository.write("one", large(4), { ifVersion: version }), { code: "conflict" });
  assert.equal((await repository.readBytes!("one"))![0], 3);
});

s3Test(
  "S3BucketRepository lets one of many large writes on a condition win, and leaves no parts of the others",
  async (stack) => {
    const s3 = client(stack);
    const options = { bucket: BUCKET, prefix: await place(stack, s3), partSize: 5 * 2 ** 20 };
    const writers = Array.from({ length: 5 }, () => new S3BucketRepository(client(stack), options));
    const large = (mark: number): ReadableStream<Uint8Array<ArrayBuffer>> =>
      new Blob([new Uint8Array(6 * 2 ** 20).fill(mark)]).stream();
    // Values of one race are other than those of the one before: a version stands for a value, and the same value would be the same version.
    const race = async (
      condition: { readonly ifAbsent?: true; readonly ifVersion?: string },
      first: number,
    ): Promise<void> => {
      const results = await Promise.allSettled(
        writers.map((writer, i) => writer.put("one", large(first + i), condition)),
      );
      const won = results.flatMap(({ status }, i) => status === "fulfilled" ? [first + i] : []);
      assert.equal(won.length, 1);
      const lost = results.flatMap((result) => result.status === "rejected" ? [result.reason.code] : []);
      assert.deepEqual(new Set(lost), new Set([condition.ifAbsent ? "already-exists" : "conflict"]));
      assert((await writers[0]!.bytes("one")).every((byte) => byte === won[0]));
      assert.equal(await uploadsUnder(s3, options.prefix), 0);
    };
    await race({ ifAbsent: true }, 1);
    await race({ ifVersion: (await writers[0]!.info("one"))!.version! }, 11);
  },
);

s3Test("removeStaleUploads() removes what is older than a day, and of its own keys only", async (stack) => {
  const s3 = client(stack);
  const prefix = await place(stack, s3);
  const begin = (name: string) =>
    s3.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: prefix + name }));
  await begin("one.txt");
  await begin("other.bin");
  await begin("deep/two.txt");
  const store = new S3Store(s3, { bucket: BUCKET, prefix, suffix: ".txt" }, undefined);
  assert.equal(await removeStaleUploads(store, undefined), 0);
  assert.equal(await uploadsUnder(s3, prefix), 3);
  assert.equal(await removeStaleUploads(store, undefined, Date.now() + 25 * 3_600_000), 1);
  const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: BUCKET, Prefix: prefix }));
  assert.deepEqual(Uploads.map(({ Key }) => Key!.slice(prefix.length)).sort(), ["deep/two.txt", "other.bin"]);
});

/** A store that takes writes on a condition and ignores the condition, as some that speak like S3 do. */
function heedlessStore(stack: AsyncDisposableStack): { readonly url: string; readonly written: Set<string> } {
  const written = new Set<string>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    await request.arrayBuffer();
    const { pathname, searchParams } = new URL(request.url);
    if (request.method === "PUT" && pathname.length > 3) written.add(pathname);
    if (request.method === "DELETE") written.delete(pathname);
    if (searchParams.has("uploads")) {
      return new Response("<ListMultipartUploadsResult><Bucket>b</Bucket></ListMultipartUploadsResult>");
    }
    return new Response(null, { headers: { etag: '"1"' } });
  });
  stack.defer(() => server.shutdown());
  return { url: `http://127.0.0.1:${server.addr.port}`, written };
}

Deno.test("S3BucketRepository finds out that a store ignores conditions, and refuses them", async () => {
  await using stack = new AsyncDisposableStack();
  const { url, written } = heedlessStore(stack);
  const s3 = createS3Client({
    endpoint: url,
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    region: "x",
  });
  stack.defer(() => s3.destroy());
  const prepared = s3Driver(s3, { bucket: "b" });
  await prepared.prepare!();
  assert.equal(prepared.supports.conditional, false);
  for (const repository of [new S3BucketRepository(s3, { bucket: "b" }), prepared.beside!("failed")]) {
    const write = "put" in repository ? repository.put.bind(repository) : repository.write;
    await assert.rejects(write("one", new Uint8Array(1), { ifAbsent: true }), {
      code: "unsupported",
      message:
        `Cannot write "one" of ${repository.name}: its store knows no writes on a condition; write without ifAbsent and ifVersion, or use another store`,
    });
  }
  assert.deepEqual([...written], []);
});

Deno.test("s3Driver() refuses options that cannot work", () => {
  const s3 = createS3Client({ endpoint: "http://127.0.0.1:1", region: "x" });
  assert.throws(() => s3Driver(s3, { bucket: "b", partSize: 1000 }), {
    code: "invalid-definition",
    message: "Cannot write in parts of 1000 bytes; give a partSize from 5242880 (5 MiB)",
  });
  assert.throws(() => s3Driver(s3, { bucket: "b", concurrency: 0 }), {
    code: "invalid-definition",
    message: "Cannot write 0 parts at a time; give a concurrency from 1",
  });
  s3.destroy();
});

Deno.test("S3BucketRepository knows stores of other accounts, buckets, prefixes and suffixes apart", () => {
  const s3 = createS3Client({ endpoint: "http://127.0.0.1:1", region: "x" });
  const session = new Session();
  const [one, two] = ["one", "two"].map((name) => session.resource(name, s3Client())) as [never, never];
  const places = [
    new S3BucketRepository(s3, { bucket: "b" }),
    new S3BucketRepository(s3, { bucket: "c" }),
    new S3BucketRepository(s3, { bucket: "b", prefix: "p/" }),
    new S3BucketRepository(s3, { bucket: "b", suffix: ".txt" }),
    new S3BucketRepository(s3, { bucket: "b", account: "other" }),
    new S3BucketRepository(one, { bucket: "b" }),
    new S3BucketRepository(two, { bucket: "b" }),
  ];
  assert.equal(new Set(places.map(({ driver }) => driver.identity)).size, places.length);
  assert.equal(new S3BucketRepository(one, { bucket: "b" }).driver.identity, places[5]!.driver.identity);
  s3.destroy();
});

Deno.test("sizeOfPart() takes an upload of unknown length to the largest object there can be", () => {
  let sum = 0;
  for (let number = 1; number <= 10_000; number++) {
    const size = sizeOfPart(8 * 2 ** 20, number);
    assert(size >= 5 * 2 ** 20 && size <= 5 * 2 ** 30);
    sum += size;
  }
  assert(sum >= 5 * 2 ** 40);
});

Deno.test("PacedRetries keeps a distance after complaints and gives it up by and by", async () => {
  let now = 0;
  const clock = {
    now: () => now,
    monotonic: () => now,
    after(ms: number, callback: () => void): () => void {
      now += ms;
      queueMicrotask(callback);
      return () => {};
    },
  };
  const pace = new PacedRetries({ maxAttempts: 3, adaptive: true, clock, random: () => 1 });
  const first = await pace.acquireInitialRetryToken();
  const error = { name: "SlowDown", message: "slow down", $fault: "client" } as
    & RetryErrorInfo["error"]
    & Error;
  const second = await pace.refreshRetryTokenForRetry(first, { error, errorType: "THROTTLING" });
  assert.equal(second.getRetryDelay(), 100);
  const third = await pace.refreshRetryTokenForRetry(second, { error, errorType: "THROTTLING" });
  assert.equal(third.getRetryDelay(), 200);
  await assert.rejects(
    pace.refreshRetryTokenForRetry(third, { error, errorType: "TRANSIENT" }),
    (e) => e === error,
  );
  assert.equal(pace.distance, 10);
  const before = now;
  for (let i = 0; i < 5; i++) await pace.acquireInitialRetryToken();
  assert(now - before >= 40);
  for (let i = 0; i < 100; i++) pace.recordSuccess();
  assert.equal(pace.distance, 0);
  await assert.rejects(
    pace.refreshRetryTokenForRetry(first, { error, errorType: "CLIENT_ERROR" }),
    (e) => e === error,
  );
});

Deno.test("PacedRetries counts complaints about requests that were under way at once as one", async () => {
  let now = 0;
  const clock = { now: () => now, monotonic: () => now, after: () => () => {} };
  const pace = new PacedRetries({ maxAttempts: 9, adaptive: true, clock, random: () => 1 });
  const error = { name: "SlowDown", message: "slow down", $fault: "client" } as
    & RetryErrorInfo["error"]
    & Error;
  const complain = (token: Awaited<ReturnType<PacedRetries["acquireInitialRetryToken"]>>) =>
    pace.refreshRetryTokenForRetry(token, { error, errorType: "THROTTLING" });
  const tokens = await Promise.all(Array.from({ length: 100 }, () => pace.acquireInitialRetryToken()));
  now = 10;
  const again = await Promise.all(tokens.map(complain));
  assert.equal(pace.distance, 5);
  // These were sent afterwards, so they say something new; but again they say it together.
  now = 2_000;
  await Promise.all(again.map(complain));
  assert.equal(pace.distance, 10);
});

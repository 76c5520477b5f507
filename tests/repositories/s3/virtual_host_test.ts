/** The same driver where the bucket is in the host of the address: `http://datatask-tests.localhost:…/<key>`. */
import assert from "node:assert/strict";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import type { S3Client } from "../../../deps/aws_s3.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { needs } from "../../../testing/needs.ts";
import { BUCKET, client, endpoint, inBucket, place, plain, s3Test } from "./server.ts";

const service = needs("s3-domain");

/** A client that writes the bucket into the host; `hosts` gets those that it asked for. */
function byHost(stack: AsyncDisposableStack, hosts = new Set<string>()): S3Client {
  const { hostname, port, protocol } = new URL(endpoint);
  const s3 = client(stack, {
    endpoint: `${protocol}//${service.get("S3_DOMAIN")}:${port}`,
    pathStyle: false,
  });
  // Not every machine finds an address for a name below localhost: the request is signed for that name and sent to the server.
  s3.middlewareStack.add((next) => (args) => {
    const request = args.request as { hostname: string; headers: Record<string, string> };
    hosts.add(request.headers.host!);
    request.hostname = hostname;
    return next(args);
  }, { step: "finalizeRequest", priority: "low", name: "sentToServer" });
  return s3;
}

testBlobDriver(
  "s3Driver() with the bucket as a host",
  inBucket(plain, {}, 1_100, { available: service.available, client: (stack) => byHost(stack) }),
);

Deno.test({
  name: "S3BucketRepository asks the host of its bucket for everything, also in parts and for many",
  ...service.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const hosts = new Set<string>();
    const s3 = byHost(stack, hosts);
    const prefix = await place(stack, client(stack));
    const books = new S3BucketRepository(s3, { bucket: BUCKET, prefix, partSize: 5 * 2 ** 20 });
    await books.prepare();
    const large = new Uint8Array(11 * 2 ** 20).map((_, i) => i % 251);
    await books.put("large", new Blob([large]).stream());
    await books.put("small", "text", { ifAbsent: true });
    assert.deepEqual(await books.bytes("large"), large);
    assert.deepEqual((await Array.fromAsync(books)).sort(), ["large", "small"]);
    await books.deleteMany(["large", "small"]);
    assert.deepEqual([...hosts], [`${BUCKET}.${service.get("S3_DOMAIN")}:${new URL(endpoint).port}`]);
  },
});

s3Test("S3BucketRepository says which host has no address when buckets are no hosts there", async (stack) => {
  const { port } = new URL(endpoint);
  const s3 = client(stack, { endpoint: `http://s3.invalid:${port}`, pathStyle: false, maxAttempts: 1 });
  const books = new S3BucketRepository(s3, { bucket: BUCKET });
  await assert.rejects(books.has("one"), {
    code: "unavailable",
    message:
      `Cannot look up "one" of s3 ${BUCKET}/*: the host ${BUCKET}.s3.invalid has no address; check the endpoint, or say pathStyle: true to s3Client() when its buckets are no hosts`,
  });
});

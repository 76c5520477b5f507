/** The same driver over a third server: MinIO, at a version that takes writes on a condition and does not heed it. */
import assert from "node:assert/strict";
import type { FilesystemDriver, MetadataDriver } from "../../../repositories/driver.ts";
import { encoded } from "../../../repositories/encoded.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import { yaml } from "../../../repositories/yaml.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import { needs } from "../../../testing/needs.ts";
import { BUCKET, client, inBucket, place, plain } from "./server.ts";

const service = needs("minio");
const settings = {
  endpoint: service.get("MINIO_ENDPOINT"),
  credentials: {
    accessKeyId: service.get("MINIO_ACCESS_KEY"),
    secretAccessKey: service.get("MINIO_SECRET_KEY"),
  },
};
const server = {
  available: service.available,
  client: (stack: AsyncDisposableStack) => client(stack, settings),
};

testBlobDriver("s3Driver() over MinIO", { ...inBucket(plain, {}, 2_500, server), huge: 2 ** 30 + 1 });
testMetadataDriver(
  "YAML over s3Driver() over MinIO",
  inBucket<MetadataDriver>((blobs) => encoded(blobs, yaml), {}, 100, server),
);
testFilesystemDriver(
  "packed() over s3Driver() over MinIO",
  inBucket<FilesystemDriver>(packed(), {}, 60, server),
);

Deno.test({
  name: "S3BucketRepository finds out that this MinIO heeds no conditions, and deletes many there",
  ...service.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const s3 = server.client(stack);
    const books = new S3BucketRepository(s3, { bucket: BUCKET, prefix: await place(stack, s3) });
    await books.prepare();
    assert.equal(books.driver.supports.conditional, false);
    await books.put("one", "x");
    await assert.rejects(books.put("one", "y", { ifAbsent: true }), { code: "unsupported" });
    assert.equal(await books.text("one"), "x");
    const keys = Array.from({ length: 30 }, (_, i) => `key-${i}`);
    for (const key of keys) await books.put(key, key);
    await books.deleteMany(keys);
    assert.deepEqual(await Array.fromAsync(books), ["one"]);
  },
});

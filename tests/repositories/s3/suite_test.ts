import { json } from "../../../core/codec.ts";
import type {
  BlobDriver,
  FilesystemDriver,
  KeyDriver,
  MetadataDriver,
} from "../../../repositories/driver.ts";
import { encoded } from "../../../repositories/encoded.ts";
import { compressed } from "../../../repositories/layers/compressed.ts";
import { encrypted } from "../../../repositories/layers/encrypted.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { type S3BucketOptions, s3Driver } from "../../../repositories/s3/driver.ts";
import { yaml } from "../../../repositories/yaml.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import type { Harness } from "../../../testing/suite.ts";
import { available, BUCKET, client, place } from "./server.ts";

/** A store in a place of its own, under some layer, and a second client over it. */
function inBucket<D extends KeyDriver>(
  over: (blobs: BlobDriver) => D,
  options: Partial<S3BucketOptions> = {},
  many = 2_500,
): Harness<D> {
  const prefixes = new WeakMap<D, string>();
  return {
    many,
    async make(stack) {
      const s3 = client(stack);
      const prefix = await place(stack, s3) + (options.prefix ?? "");
      const made = over(s3Driver(s3, { bucket: BUCKET, ...options, prefix }));
      prefixes.set(made, prefix);
      return made;
    },
    reopen: (driver, stack) =>
      over(s3Driver(client(stack), { bucket: BUCKET, ...options, prefix: prefixes.get(driver)! })),
    // The SDK watches its connections by timers of its own, which outlive a request that was called off by up to a second.
    test: (name, fn, ignored) =>
      Deno.test({
        name,
        fn,
        ignore: !available || ignored !== undefined,
        sanitizeOps: false,
        sanitizeResources: false,
      }),
  };
}

const plain = (blobs: BlobDriver): BlobDriver => blobs;

testBlobDriver("s3Driver()", { ...inBucket(plain, {}, 5_001), huge: 2 ** 30 + 1 });
testBlobDriver(
  "s3Driver() with a prefix, a suffix and splits",
  inBucket(plain, { prefix: "books-", suffix: ".txt", splits: ["key-001000", "key-002000", "m"] }),
);
testBlobDriver(
  "s3Driver() with values in folders",
  inBucket(plain, { suffix: "/data.bin", concurrency: 1 }, 100),
);
testBlobDriver("s3Driver() under compressed()", inBucket<BlobDriver>(compressed("gzip"), {}, 100));
const sealed = encrypted({ current: "main", keys: { main: new Uint8Array(32).fill(7) } });
testBlobDriver("s3Driver() under encrypted()", inBucket<BlobDriver>(sealed, {}, 100));
testFilesystemDriver(
  "packed() over encrypted() over s3Driver()",
  inBucket<FilesystemDriver>((blobs) => packed()(sealed(blobs)), {}, 60),
);
testMetadataDriver(
  "YAML over encrypted() over s3Driver()",
  inBucket<MetadataDriver>((blobs) => encoded(sealed(blobs), yaml), {}, 60),
);
testMetadataDriver(
  "YAML over s3Driver()",
  inBucket<MetadataDriver>((blobs) => encoded(blobs, yaml), {}, 100),
);
testMetadataDriver(
  "JSON over s3Driver()",
  inBucket<MetadataDriver>((blobs) => encoded(blobs, json), {}, 100),
);
testFilesystemDriver("packed() over s3Driver()", inBucket<FilesystemDriver>(packed(), {}, 100));

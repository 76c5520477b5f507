import { json } from "../../../core/codec.ts";
import { BlobRepository } from "../../../repositories/blob.ts";
import { fallback } from "../../../repositories/combine/fallback.ts";
import type { BlobDriver, FilesystemDriver, MetadataDriver } from "../../../repositories/driver.ts";
import { encoded } from "../../../repositories/encoded.ts";
import { compressed } from "../../../repositories/layers/compressed.ts";
import { encrypted } from "../../../repositories/layers/encrypted.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { MemoryBlobRepository } from "../../../repositories/memory.ts";
import { memoised } from "../../../repositories/memory_store.ts";
import { yaml } from "../../../repositories/yaml.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import { inBucket, plain } from "./server.ts";

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

/** The small ones of a bucket, for every client of it the same. */
const small = memoised((identity) => new MemoryBlobRepository(`small ones of ${identity}`));
testBlobDriver(
  "fallback() of memory and s3Driver()",
  inBucket<BlobDriver>(
    (blobs) => fallback(small(blobs.identity), new BlobRepository(blobs), { maxBytes: 100_000 }).driver,
    {},
    100,
  ),
);

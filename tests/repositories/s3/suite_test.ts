import { BlobRepository } from "../../../repositories/blob.ts";
import { fallback } from "../../../repositories/combine/fallback.ts";
import type { BlobDriver } from "../../../repositories/driver.ts";
import { MemoryBlobRepository } from "../../../repositories/memory.ts";
import { memoised } from "../../../repositories/memory_store.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
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

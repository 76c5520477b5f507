/**
 * Repositories in buckets of S3, and of stores that speak like it.
 *
 * @module
 */
export { S3BucketRepository } from "./bucket.ts";
export {
  createS3Client,
  s3Client,
  type S3ClientOptions,
  type S3Connection,
  type S3Keys,
  type S3Retry,
} from "./client.ts";
export { type S3BucketOptions, s3Driver } from "./driver.ts";
export type { S3Place } from "./store.ts";

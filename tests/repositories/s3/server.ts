/**
 * The server of S3 that the tests use, and buckets in it that go away when a test is over.
 *
 * @module
 */
import { type S3BucketOptions, s3Driver } from "../../../repositories/s3/driver.ts";
import { makeClient, type S3ClientOptions } from "../../../repositories/s3/client.ts";
import type { BlobDriver, KeyDriver } from "../../../repositories/driver.ts";
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from "../../../deps/aws_s3.ts";
import { needs } from "../../../testing/needs.ts";
import type { Harness } from "../../../testing/suite.ts";

const service = needs("s3");

/** Whether there is a server. */
export const { available } = service;

/** Where it is. */
export const endpoint: string = service.get("S3_ENDPOINT");

/** The keys of its user. */
export const credentials = {
  accessKeyId: service.get("S3_ACCESS_KEY"),
  secretAccessKey: service.get("S3_SECRET_KEY"),
};

/** The bucket of all tests; each test has a folder of its own in it. */
export const BUCKET = "datatask-tests";

/** A client. */
export function client(stack: AsyncDisposableStack, options: S3ClientOptions = {}): S3Client {
  const made = makeClient({ endpoint, credentials, ...options });
  stack.defer(() => made.destroy());
  return made;
}

/** A place in the bucket that is emptied when the test is over. */
export async function place(stack: AsyncDisposableStack, s3: S3Client): Promise<string> {
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET })).catch((error) => {
    if (error.name !== "BucketAlreadyOwnedByYou") throw error;
  });
  const prefix = `${crypto.randomUUID()}/`;
  stack.defer(() => empty(s3, prefix));
  return prefix;
}

/** A driver over a place of its own. */
export async function driver(
  stack: AsyncDisposableStack,
  options: Partial<S3BucketOptions> = {},
): Promise<BlobDriver> {
  const s3 = client(stack);
  return s3Driver(s3, { bucket: BUCKET, prefix: await place(stack, s3), ...options });
}

/** A server, and how a client gets at it. */
export interface Server {
  /** Whether it is there. */
  readonly available: boolean;
  /** Makes a client. */
  client(stack: AsyncDisposableStack): S3Client;
}

/** No layer. */
export const plain = (blobs: BlobDriver): BlobDriver => blobs;

/** How a suite gets at a store in a place of its own, under some layer, and at a second client over it. */
export function inBucket<D extends KeyDriver>(
  over: (blobs: BlobDriver) => D,
  options: Partial<S3BucketOptions> = {},
  many = 2_500,
  server: Server = { available, client },
): Harness<D> {
  const prefixes = new WeakMap<D, string>();
  const driverOf = (s3: S3Client, prefix: string): D =>
    over(s3Driver(s3, { bucket: BUCKET, ...options, prefix }));
  return {
    many,
    async make(stack) {
      const s3 = server.client(stack);
      const prefix = await place(stack, s3) + (options.prefix ?? "");
      const made = driverOf(s3, prefix);
      prefixes.set(made, prefix);
      return made;
    },
    reopen: (driver, stack) => driverOf(server.client(stack), prefixes.get(driver)!),
    // The SDK watches its connections by timers of its own, which outlive a request that was called off by up to a second.
    test: (name, fn, ignored) =>
      Deno.test({
        name,
        fn,
        ignore: !server.available || ignored !== undefined,
        sanitizeOps: false,
        sanitizeResources: false,
      }),
  };
}

/** Uploads that were begun and not ended. */
export async function uploadsUnder(s3: S3Client, prefix: string): Promise<number> {
  const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: BUCKET, Prefix: prefix }));
  return Uploads.length;
}

/** All names of objects under a prefix. */
export async function objectsUnder(s3: S3Client, prefix: string): Promise<string[]> {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const page = await s3.send(
      new ListObjectsV2Command({
        Bucket: BUCKET,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
    );
    names.push(...(page.Contents ?? []).map(({ Key }) => Key!));
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
  return names;
}

async function empty(s3: S3Client, prefix: string): Promise<void> {
  const names = await objectsUnder(s3, prefix).catch(() => []);
  for (let at = 0; at < names.length; at += 1000) {
    const Objects = names.slice(at, at + 1000).map((Key) => ({ Key }));
    await s3.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Quiet: true, Objects } }));
  }
  const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: BUCKET, Prefix: prefix }))
    .catch(() => ({ Uploads: [] }));
  for (const { Key, UploadId } of Uploads) {
    await s3.send(new AbortMultipartUploadCommand({ Bucket: BUCKET, Key, UploadId }));
  }
}

/** Runs a test when there is a server. */
export function s3Test(name: string, body: (stack: AsyncDisposableStack) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !available,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await body(stack);
    },
  });
}

/**
 * The server of S3 that the tests use, and buckets in it that go away when a test is over.
 *
 * @module
 */
import { type S3BucketOptions, s3Driver } from "../../../repositories/s3/driver.ts";
import { makeClient, type S3ClientOptions } from "../../../repositories/s3/client.ts";
import type { BlobDriver } from "../../../repositories/driver.ts";
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from "../../../deps/aws_s3.ts";
import { needs } from "../../../testing/needs.ts";

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

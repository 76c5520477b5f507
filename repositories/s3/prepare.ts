/**
 * Making a bucket ready: it is there, and what dead processes left in it is removed.
 *
 * @module
 */
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  HeadBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from "../../deps/aws_s3.ts";
import { checkSpoken } from "./answers.ts";
import { classifyS3, nameOf, statusOf } from "./errors.ts";
import type { S3Store } from "./store.ts";

/** How old an unfinished upload is when nobody can be at it any more, in milliseconds. */
const STALE = 24 * 60 * 60 * 1000;

/**
 * Sees that the bucket is there and can be listed.
 *
 * @param store Which.
 * @param create Whether to make it when it is absent.
 * @param signal Stops it.
 */
export async function prepareBucket(
  store: S3Store,
  create: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const Bucket = store.bucket;
  try {
    await store.send(signal, (client, options) => client.send(new HeadBucketCommand({ Bucket }), options));
    return;
  } catch (error) {
    if (signal?.aborted) throw error;
    if (statusOf(error) !== 404) throw store.explain(await reason(store, error, signal), "prepare");
    // Some stores say so of unknown users, too: only a listing tells.
    const told = await reason(store, error, signal);
    if (!create || !["NoSuchBucket", "NotFound"].includes(nameOf(told))) throw store.explain(told, "prepare");
  }
  try {
    await store.send(signal, (client, options) => client.send(new CreateBucketCommand({ Bucket }), options));
  } catch (error) {
    // Another process was quicker.
    if (nameOf(error) === "BucketAlreadyOwnedByYou") return;
    if (signal?.aborted) throw error;
    throw store.explain(error, "prepare");
  }
}

/** An answer to HEAD does not say why; that to a listing does. */
async function reason(store: S3Store, error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  try {
    await store.send(
      signal,
      (client, options) =>
        client.send(new ListObjectsV2Command({ Bucket: store.bucket, MaxKeys: 1 }), options),
    );
    return error;
  } catch (told) {
    if (signal?.aborted) throw told;
    return told;
  }
}

/**
 * Removes what uploads of ours left that were begun more than a day ago and never finished.
 *
 * @param store Which.
 * @param signal Stops it.
 * @param now The time, in milliseconds since 1970.
 * @returns How many were removed.
 */
export async function removeStaleUploads(
  store: S3Store,
  signal: AbortSignal | undefined,
  now: number = Date.now(),
): Promise<number> {
  const object = { Bucket: store.bucket, Prefix: store.prefix };
  let removed = 0;
  let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  try {
    while (marker) {
      const answer = await store.send(
        signal,
        (client, options) => client.send(new ListMultipartUploadsCommand({ ...object, ...marker }), options),
      );
      checkSpoken(answer, answer.Bucket !== undefined);
      for (const { Key = "", UploadId, Initiated } of answer.Uploads ?? []) {
        if (!store.owns(Key) || !Initiated || now - Initiated.getTime() < STALE) continue;
        await store.send(
          signal,
          (client, options) =>
            client.send(new AbortMultipartUploadCommand({ Bucket: store.bucket, Key, UploadId }), options),
        );
        removed++;
      }
      const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = answer;
      marker = IsTruncated && NextKeyMarker
        ? { KeyMarker: NextKeyMarker, ...(NextUploadIdMarker ? { UploadIdMarker: NextUploadIdMarker } : {}) }
        : undefined;
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    // Who may only read, or whose store does not list uploads, has none to remove.
    const code = classifyS3(error);
    if (code !== "denied" && code !== "unsupported" && code !== "not-found") {
      throw store.explain(error, "prepare");
    }
  }
  return removed;
}

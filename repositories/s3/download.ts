/**
 * Reading an object: as a stream that goes on where the connection broke.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { GetObjectCommand, type GetObjectCommandOutput, HeadObjectCommand } from "../../deps/aws_s3.ts";
import type { ReadOptions } from "../driver.ts";
import { BodyReader, type NodeBody } from "./body.ts";
import { classifyS3, nameOf, statusOf } from "./errors.ts";
import type { S3Store } from "./store.ts";

/** How many times in a row a connection may break before anything more has come. */
const BREAKS = 4;

/** An object that is being read. */
export interface Download {
  readonly stream: ReadableStream<Bytes>;
  /** How much will come, in bytes. */
  readonly size: number | undefined;
}

/**
 * Opens an object.
 *
 * @param store Where.
 * @param key Whose value.
 * @param options Which part of it, and when to stop.
 * @param patience How long to wait for more bytes while somebody wants them, in milliseconds.
 * @returns The stream, or nothing when there is no such object.
 */
export async function download(
  store: S3Store,
  key: Key,
  options: ReadOptions | undefined,
  patience: number,
): Promise<Download | undefined> {
  const start = options?.start ?? 0;
  const end = options?.end ?? Infinity;
  if (end <= start) return await isThere(store, key, options) ? empty() : undefined;
  const first = await open(store, key, start, end, undefined, options?.signal).catch((error) => {
    if (isAbsent(error)) return undefined;
    // Past the end of what is there.
    if (statusOf(error) === 416) return "nothing" as const;
    throw options?.signal?.aborted ? error : store.explain(error, "read", key);
  });
  if (first === "nothing") return empty();
  return first &&
    { stream: resuming(store, key, first, start, end, options?.signal, patience), size: first.ContentLength };
}

/** Whether an error says that there is no such object. */
function isAbsent(error: unknown): boolean {
  const name = nameOf(error);
  return statusOf(error) === 404 && (name === "NoSuchKey" || name === "NotFound");
}

function empty(): Download {
  return { stream: new ReadableStream({ start: (controller) => controller.close() }), size: 0 };
}

async function isThere(store: S3Store, key: Key, options: ReadOptions | undefined): Promise<boolean> {
  try {
    const object = { Bucket: store.bucket, Key: store.objectOf(key) };
    await store.send(options?.signal, (client, send) => client.send(new HeadObjectCommand(object), send));
    return true;
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    if (statusOf(error) === 404) {
      await store.confirmBucket("read", key, options?.signal);
      return false;
    }
    throw store.explain(await store.reasonOfDenial(error, key, options?.signal), "read", key);
  }
}

function open(
  store: S3Store,
  key: Key,
  start: number,
  end: number,
  version: string | undefined,
  signal: AbortSignal | undefined,
): Promise<GetObjectCommandOutput> {
  const range = start === 0 && end === Infinity
    ? undefined
    : `bytes=${start}-${end === Infinity ? "" : end - 1}`;
  return store.send(signal, (client, options) =>
    client.send(
      new GetObjectCommand({
        Bucket: store.bucket,
        Key: store.objectOf(key),
        ...(range === undefined ? {} : { Range: range }),
        ...(version === undefined ? {} : { IfMatch: version }),
      }),
      options,
    ));
}

function resuming(
  store: S3Store,
  key: Key,
  first: GetObjectCommandOutput,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
  patience: number,
): ReadableStream<Bytes> {
  const version = first.ETag;
  let body = readerOf(first);
  let at = start;
  let breaks = 0;
  const leave = (): void => body.leave();
  signal?.addEventListener("abort", leave, { once: true });
  const finish = (): void => signal?.removeEventListener("abort", leave);

  const reopen = async (cause: unknown): Promise<void> => {
    body.leave();
    signal?.throwIfAborted();
    if (version === undefined || ++breaks > BREAKS || !isBreak(cause)) {
      throw store.explain(cause, "read", key);
    }
    const again = await open(store, key, at, end, version, signal).catch((error) => {
      if (signal?.aborted) throw error;
      throw isAbsent(error) || statusOf(error) === 412
        ? replaced(store, key, error)
        : store.explain(error, "read", key);
    });
    body = readerOf(again);
  };

  return new ReadableStream<Bytes>({
    async pull(controller) {
      for (;;) {
        try {
          signal?.throwIfAborted();
          const chunk = await body.next(patience);
          signal?.throwIfAborted();
          if (chunk !== undefined) {
            at += chunk.length;
            breaks = 0;
            return controller.enqueue(chunk);
          }
          finish();
          return controller.close();
        } catch (error) {
          try {
            await reopen(error);
          } catch (last) {
            finish();
            return controller.error(last);
          }
        }
      }
    },
    cancel() {
      finish();
      body.leave();
    },
  }, { highWaterMark: 0 });
}

function readerOf({ Body, ContentLength }: GetObjectCommandOutput): BodyReader {
  return new BodyReader(Body as unknown as NodeBody, ContentLength);
}

function isBreak(error: unknown): boolean {
  return classifyS3(error) === "unavailable" || (error as Error | null)?.message === "aborted";
}

function replaced(store: S3Store, key: Key, cause: unknown): RepositoryError {
  return new RepositoryError(
    "conflict",
    `Cannot read "${key}" of ${store.name}: it was replaced or deleted while it was read; read it again`,
    { operation: "read", subject: store.name, key, retry: "later", cause },
  );
}

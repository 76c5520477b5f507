/**
 * A place in a bucket of S3 as a driver of blobs.
 *
 * @module
 */
import { type Duration, parseDuration } from "../../core/duration.ts";
import { DefinitionError } from "../../core/errors.ts";
import { DeleteObjectCommand, HeadObjectCommand } from "../../deps/aws_s3.ts";
import type { Key } from "../../core/key.ts";
import type { Resource } from "../../session/resource.ts";
import type { BlobDriver, OperationOptions, ValueInfo } from "../driver.ts";
import { memoised } from "../memory_store.ts";
import { checkSpoken, versionOf } from "./answers.ts";
import type { S3Connection } from "./client.ts";
import { Conditions } from "./conditions.ts";
import { download, downloadBytes } from "./download.ts";
import { classifyS3, statusOf } from "./errors.ts";
import { listKeys } from "./listing.ts";
import { SMALLEST_PART } from "./parts.ts";
import { prepareBucket, removeStaleUploads } from "./prepare.ts";
import { type S3Place, S3Store } from "./store.ts";
import { Uploader, type UploadOptions } from "./upload.ts";

/** Options of a repository in a bucket. */
export interface S3BucketOptions extends S3Place {
  /** The media type that objects get. @default "application/octet-stream" */
  readonly contentType?: string | undefined;
  /** The size of the parts in which large values are written, in bytes; at least 5 MiB. @default 8_388_608 (8 MiB) */
  readonly partSize?: number | undefined;
  /** How many parts of a value are under way at the same time. A write holds this many parts and one more in memory. @default 4 */
  readonly concurrency?: number | undefined;
  /** Make the bucket when it is absent. @default true */
  readonly create?: boolean | undefined;
  /** Whether the store honors `If-Match` and `If-None-Match` of all writes. @default Found out, by writes under a name that is no key. */
  readonly conditional?: boolean | undefined;
  /** Whether a listing tells at once of what was written and deleted: so on S3, on some stores that speak like it a moment late. @default true */
  readonly consistentListing?: boolean | undefined;
  /** Keys at which to cut the listing into parts that are fetched at the same time: `["4", "8", "c"]` for names in hex. @default [] */
  readonly splits?: readonly Key[] | undefined;
  /** How long a read waits for more bytes before it asks for them anew. @default "60s" */
  readonly patience?: Duration | undefined;
  /** Tells stores apart that have buckets of the same name. @default The name of the resource. */
  readonly account?: string | undefined;
}

/** Options that do not say where. */
interface Settings {
  readonly upload: UploadOptions;
  readonly create: boolean;
  readonly consistentListing: boolean;
  readonly splits: readonly Key[];
  readonly patience: number;
}

/**
 * A store of byte streams in a bucket: the value of `moby-dick` is the object `<prefix>moby-dick<suffix>`.
 *
 * @param client The client, or the resource that gives it while its session is open.
 * @param options Which bucket, which names, and how values are written.
 * @returns The driver.
 * @throws {DefinitionError} When a part is too small, or the number of parts under way is no whole number from 1.
 */
export function s3Driver(
  client: Resource<S3Connection> | S3Connection,
  options: S3BucketOptions,
): BlobDriver {
  const { partSize = 8 * 2 ** 20, concurrency = 4 } = options;
  if (!(partSize >= SMALLEST_PART && Number.isInteger(partSize))) {
    throw new DefinitionError(
      `Cannot write in parts of ${partSize} bytes; give a partSize from ${SMALLEST_PART} (5 MiB)`,
    );
  }
  if (!(concurrency >= 1 && Number.isInteger(concurrency))) {
    throw new DefinitionError(`Cannot write ${concurrency} parts at a time; give a concurrency from 1`);
  }
  return driverOf(new S3Store(client, options, options.account), new Conditions(options.conditional), {
    upload: { contentType: options.contentType ?? "application/octet-stream", partSize, concurrency },
    create: options.create ?? true,
    consistentListing: options.consistentListing ?? true,
    splits: options.splits ?? [],
    patience: parseDuration(options.patience ?? "60s", "patience"),
  });
}

function driverOf(store: S3Store, conditions: Conditions, settings: Settings): BlobDriver {
  const uploader = new Uploader(store, conditions, settings.upload);
  const { patience } = settings;
  return {
    name: store.name,
    identity: store.identity,
    supports: {
      writable: true,
      consistentListing: settings.consistentListing,
      reach: "network",
      durable: true,
      get conditional() {
        return conditions.honored;
      },
      ranges: true,
    },
    keys: (options) => listKeys(store, settings.splits, options?.signal),
    has: async (key, options) => await head(store, key, options) !== undefined,
    async delete(key, options) {
      await store.request(
        "delete",
        key,
        options?.signal,
        async (client, send) => {
          const command = new DeleteObjectCommand({ Bucket: store.bucket, Key: store.objectOf(key) });
          const answer = await client.send(command, send);
          checkSpoken(answer, answer.$metadata.httpStatusCode === 204);
        },
      );
    },
    info: (key, options) => head(store, key, options),
    async prepare(options) {
      await prepareBucket(store, settings.create, options?.signal);
      await removeStaleUploads(store, options?.signal);
      try {
        await conditions.find(store, "put", options?.signal);
      } catch (error) {
        // Who may only read writes on no condition either.
        if (options?.signal?.aborted || classifyS3(error) !== "denied") throw error;
      }
    },
    read: (key, options) => download(store, key, options, patience),
    readBytes: (key, options) => downloadBytes(store, key, options, patience),
    write: (key, content, options) => uploader.write(key, content, options),
    beside: memoised((name) => driverOf(store.beside(name), conditions, settings)),
    classify: classifyS3,
  };
}

/** What is known of an object. Only 404 means that there is none. */
async function head(
  store: S3Store,
  key: Key,
  options: OperationOptions | undefined,
): Promise<ValueInfo | undefined> {
  const signal = options?.signal;
  try {
    const answer = await store.send(
      signal,
      (client, send) =>
        client.send(new HeadObjectCommand({ Bucket: store.bucket, Key: store.objectOf(key) }), send),
    );
    const version = versionOf(answer);
    return { size: answer.ContentLength, modified: answer.LastModified?.getTime(), version };
  } catch (error) {
    if (signal?.aborted) throw error;
    if (statusOf(error) === 404) return void await store.confirmBucket("look up", key, signal);
    throw store.explain(await store.reasonOfDenial(error, key, signal), "look up", key);
  }
}

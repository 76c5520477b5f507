/**
 * The client of S3 as a resource of a session.
 *
 * @module
 */
import { type Duration, parseDuration } from "../../core/duration.ts";
import { DefinitionError } from "../../core/errors.ts";
import { S3Client } from "../../deps/aws_s3.ts";
import type { OpenResource } from "../../session/resource.ts";
import { PacedRetries } from "./pace.ts";
import { bodyTimeouts, contentMd5, retryReports } from "./middleware.ts";

/** A request that failed and is going to be tried again. */
export interface S3Retry {
  /** The request: `"PutObject"`. */
  readonly request: string;
  /** Which try it was, from 1. */
  readonly attempt: number;
  /** Why it failed. */
  readonly error: unknown;
}

/** A client of S3: what {@linkcode createS3Client} gives, or an `S3Client` of the AWS SDK that you made yourself. */
export interface S3Connection {
  /** How it was made. */
  readonly config: object;
  /** What a request goes through. */
  readonly middlewareStack: object;
  /** Closes its connections. */
  destroy(): void;
}

/** Who asks. */
export interface S3Keys {
  /** The access key, which says who. */
  readonly accessKeyId: string;
  /** The secret key, which proves it. */
  readonly secretAccessKey: string;
  /** The token of a session that ends. */
  readonly sessionToken?: string;
  /** When the session ends; a function that gave the keys is then asked anew. */
  readonly expiration?: Date;
}

/** Options of a client of S3. What is left out is taken from the environment and the files of AWS, as their own tools do. */
export interface S3ClientOptions {
  /** The address of a store that is not AWS: `"https://s3.example.org"`. */
  readonly endpoint?: string | undefined;
  /** The region. @default What the environment says; `"us-east-1"` when there is an endpoint. */
  readonly region?: string | undefined;
  /** The keys, or a function that gives them. @default The usual chain: environment, profile, role of the machine. */
  readonly credentials?: S3Keys | (() => Promise<S3Keys>) | undefined;
  /** Write the bucket into the path of the address rather than into its host. @default true when there is an endpoint that is not AWS */
  readonly pathStyle?: boolean | undefined;
  /** Certificates of authorities to trust, in PEM: for a store with a certificate of your own. */
  readonly ca?: string | undefined;
  /** How long the store may take to answer a request; requests with a large body get longer. @default "60s" */
  readonly timeout?: Duration | undefined;
  /** How long connecting may take. @default "10s" */
  readonly connectTimeout?: Duration | undefined;
  /** How many times to try a request in all, after waits that double up to 5 s. @default 6 */
  readonly maxAttempts?: number | undefined;
  /** Slow down when the store says that it is too much, and speed up again by and by. @default true */
  readonly adaptive?: boolean | undefined;
  /** How many connections to hold at most. @default 64 */
  readonly connections?: number | undefined;
  /** Told of each request that is tried again. */
  readonly onRetry?: ((retry: S3Retry) => void) | undefined;
}

/**
 * A client of S3, for `session.resource`. It opens no connection by itself: the first request does.
 *
 * @param options Where the store is, who asks, and how patient to be.
 * @returns What opens the client.
 * @throws {DefinitionError} When opened, if the endpoint is no address of HTTP, or a key is empty.
 * @example A bucket as a resource
 * ```ts
 * import { Session } from "@datatask/datatask";
 * import { S3BucketRepository, s3Client } from "@datatask/datatask/s3";
 * import assert from "node:assert/strict";
 *
 * const session = new Session();
 * const bucket = session.resource("bucket", s3Client({ endpoint: "http://127.0.0.1:9000" }));
 * const books = new S3BucketRepository(bucket, { bucket: "library", prefix: "books/", suffix: ".txt" });
 * assert.equal(books.name, "s3 library/books/*.txt");
 * ```
 */
export function s3Client(options: S3ClientOptions = {}): OpenResource<S3Connection> {
  return (stack) => {
    const client = createS3Client(options);
    stack.defer(() => client.destroy());
    return client;
  };
}

/**
 * A client of S3 outside a session. Call its `destroy()` when it is no longer needed.
 *
 * @param options Where the store is, who asks, and how patient to be.
 * @returns The client.
 * @throws {DefinitionError} When the endpoint is no address of HTTP, or a key is empty.
 */
export function createS3Client(options: S3ClientOptions = {}): S3Connection {
  return makeClient(options);
}

/** A client, as the SDK knows it. */
export function makeClient(options: S3ClientOptions): S3Client {
  const { endpoint, credentials, ca } = options;
  checkEndpoint(endpoint);
  if (typeof credentials === "object") checkKeys(credentials);
  const region = options.region ?? environmentRegion() ?? (endpoint === undefined ? undefined : "us-east-1");
  const timeout = parseDuration(options.timeout ?? "60s", "timeout");
  const agent = { maxSockets: options.connections ?? 64, keepAlive: true };
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: options.pathStyle ?? (endpoint !== undefined && !isAws(endpoint)),
    retryStrategy: new PacedRetries({
      maxAttempts: options.maxAttempts ?? 6,
      adaptive: options.adaptive ?? true,
    }),
    // Checksums beside the signature, which covers the body: many stores that speak like S3 refuse them.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      requestTimeout: timeout,
      throwOnRequestTimeout: true,
      connectionTimeout: parseDuration(options.connectTimeout ?? "10s", "timeout of connecting"),
      httpAgent: agent,
      httpsAgent: ca === undefined ? agent : { ...agent, ca },
    },
  });
  contentMd5(client);
  bodyTimeouts(client, timeout);
  if (options.onRetry) retryReports(client, options.onRetry);
  return client;
}

function checkEndpoint(endpoint: string | undefined): void {
  if (endpoint === undefined) return;
  const url = URL.parse(endpoint);
  if (url !== null && /^https?:$/.test(url.protocol) && url.hostname !== "") return;
  const meant = /^[\w.-]+(:\d+)?(\/|$)/.test(endpoint) ? `https://${endpoint}` : "https://s3.example.org";
  throw new DefinitionError(
    endpoint === ""
      ? `Cannot use an empty text as the endpoint of s3Client(); give an address like ${meant}, or leave it out for AWS`
      : `Cannot use ${
        JSON.stringify(endpoint)
      } as the endpoint of s3Client(); give a whole address, like ${meant}`,
  );
}

/** Whether an address is one of AWS. */
export function isAws(endpoint: string): boolean {
  return /(^|\.)amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
}

function environmentRegion(): string | undefined {
  for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION"]) {
    if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") continue;
    const region = Deno.env.get(name);
    if (region) return region;
  }
  return undefined;
}

/** Keys come from variables that may not be set. */
function checkKeys(keys: Partial<S3Keys>): void {
  for (const name of ["accessKeyId", "secretAccessKey"] as const) {
    if (keys[name]) continue;
    throw new DefinitionError(
      `Cannot use the credentials of s3Client(): ${name} is empty; see that the variable it comes from is set, or leave credentials out to have them looked up`,
    );
  }
}

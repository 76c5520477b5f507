/**
 * A place in a bucket: whose client, which names, and how its errors are told.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import { isKey, type Key } from "../../core/key.ts";
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from "../../deps/aws_s3.ts";
import type { Resource } from "../../session/resource.ts";
import type { S3Connection } from "./client.ts";
import { explainS3, nameOf, statusOf } from "./errors.ts";

/** Where values lie in a bucket. */
export interface S3Place {
  /** The bucket. */
  readonly bucket: string;
  /** What the names of objects begin with; one that is meant as a folder ends in `/`. @default "" */
  readonly prefix?: string | undefined;
  /** What the names of objects end in: `".txt"`. @default "" */
  readonly suffix?: string | undefined;
}

/** How a request is sent. */
export interface SendOptions {
  /** Called off with it. */
  readonly abortSignal?: AbortSignal;
}

/** A place in a bucket. */
export class S3Store {
  /** What errors and graphs call the repository. */
  readonly name: string;
  /** Which store this is. */
  readonly identity: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly suffix: string;
  readonly #client: Resource<S3Connection> | S3Connection;
  readonly #account: string;
  #confirmed = false;

  /**
   * @param client The client, or the resource that gives it.
   * @param place Where values lie.
   * @param account Tells stores apart that have buckets of the same name.
   */
  constructor(client: Resource<S3Connection> | S3Connection, place: S3Place, account: string | undefined) {
    this.#client = client;
    this.bucket = place.bucket;
    this.prefix = place.prefix ?? "";
    this.suffix = place.suffix ?? "";
    this.#account = account ?? (typeof client === "function" ? client.resourceName : "s3");
    this.name = `s3 ${this.bucket}/${this.prefix}*${this.suffix}`;
    this.identity = `s3:${this.#account}/${this.bucket}/${this.prefix}*${this.suffix}`;
  }

  /** The place beside this one. */
  beside(name: string): S3Store {
    const { bucket, suffix } = this;
    return new S3Store(this.#client, { bucket, prefix: `${this.prefix}_${name}/`, suffix }, this.#account);
  }

  /**
   * The client.
   *
   * @throws {SessionError} When its session is not open.
   */
  get client(): S3Client {
    return (typeof this.#client === "function" ? this.#client() : this.#client) as S3Client;
  }

  /** The name of a key's object. */
  objectOf(key: Key): string {
    return `${this.prefix}${key}${this.suffix}`;
  }

  /** The key of an object, when its name has the form of one. */
  nameOf(object: string): string | undefined {
    const { prefix, suffix } = this;
    if (object.length <= prefix.length + suffix.length) return undefined;
    if (!object.startsWith(prefix) || !object.endsWith(suffix)) return undefined;
    return object.slice(prefix.length, object.length - suffix.length);
  }

  /** Whether an object is the value of a key of ours. */
  owns(object: string): boolean {
    const name = this.nameOf(object);
    return name !== undefined && isKey(name);
  }

  /**
   * Sends a request.
   *
   * @param signal Calls it off; its reason is then thrown.
   * @param call Sends it.
   * @returns The answer.
   */
  async send<T>(
    signal: AbortSignal | undefined,
    call: (client: S3Client, options: SendOptions) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await call(this.client, signal ? { abortSignal: signal } : {});
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error;
    }
  }

  /** The error of an operation, as a user should see it. */
  explain(error: unknown, operation: string, key?: Key): unknown {
    return explainS3(error, { operation, key, subject: this.name, bucket: this.bucket });
  }

  /** Sends a request, and says what was being done when it fails. */
  async request<T>(
    operation: string,
    key: Key | undefined,
    signal: AbortSignal | undefined,
    call: (client: S3Client, options: SendOptions) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.send(signal, call);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw this.explain(error, operation, key);
    }
  }

  /** An answer to HEAD has no body, so it does not say why something is denied: asks in a way that does. */
  async reasonOfDenial(error: unknown, key: Key, signal: AbortSignal | undefined): Promise<unknown> {
    const status = statusOf(error);
    if (nameOf(error) !== "Unknown" && status !== 403 && status !== 400) return error;
    try {
      const { Body } = await this.send(signal, (client, options) =>
        client.send(
          new GetObjectCommand({ Bucket: this.bucket, Key: this.objectOf(key), Range: "bytes=0-0" }),
          options,
        ));
      (Body as { destroy?: () => void } | undefined)?.destroy?.();
      return error;
    } catch (reason) {
      return statusOf(reason) === status ? reason : error;
    }
  }

  /**
   * Sees, once, that the bucket is there: an answer to HEAD says 404 of an absent bucket as it does of an absent key, and some stores say
   * so of an unknown user.
   *
   * @param operation What is being done.
   * @param key To which key.
   * @param signal Stops it.
   * @throws {RepositoryError} When it is not there.
   */
  async confirmBucket(operation: string, key: Key, signal: AbortSignal | undefined): Promise<void> {
    if (this.#confirmed) return;
    try {
      await this.send(
        signal,
        (client, options) =>
          client.send(new ListObjectsV2Command({ Bucket: this.bucket, MaxKeys: 1 }), options),
      );
    } catch (error) {
      if (signal?.aborted) throw error;
      // Who may not list may still read: then the 404 is all there is to know.
      if (statusOf(error) !== 403) throw this.explain(error, operation, key);
    }
    this.#confirmed = true;
  }

  /** The error for a key that is taken. */
  taken(key: Key): RepositoryError {
    return new RepositoryError(
      "already-exists",
      `Cannot write "${key}" of ${this.name}: there is a value already; delete it first, or write without ifAbsent`,
      { operation: "write", subject: this.name, key },
    );
  }

  /** The error for a value that is no longer of the version that a write was meant for. */
  changed(key: Key, version: string): RepositoryError {
    return new RepositoryError(
      "conflict",
      `Cannot write "${key}" of ${this.name}: it is no longer at version ${version}; read it again and repeat the change`,
      { operation: "write", subject: this.name, key },
    );
  }
}

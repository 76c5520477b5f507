/**
 * Repositories of byte streams in buckets.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import { checkKey, type Key } from "../../core/key.ts";
import { DeleteObjectsCommand } from "../../deps/aws_s3.ts";
import type { Resource } from "../../session/resource.ts";
import { BlobRepository } from "../blob.ts";
import type { OperationOptions } from "../driver.ts";
import type { S3Connection } from "./client.ts";
import { type S3BucketOptions, s3Driver } from "./driver.ts";
import { S3Store } from "./store.ts";

/** How many objects one request deletes. */
const BATCH = 1000;

/** An object that the store would not delete. */
interface Refusal {
  readonly key: Key;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

/**
 * A repository of byte streams in a bucket of S3, or of a store that speaks like it: the value of `moby-dick` is the object
 * `<prefix>moby-dick<suffix>`.
 *
 * It can be defined before its session opens; using it outside of the session is an error. Large values are written in parts, which are
 * shown together when all are there; a write that fails or is called off leaves nothing. A read goes on where its connection broke.
 *
 * @example Defined now, used while the session is open
 * ```ts
 * import { Session } from "@datatask/datatask";
 * import { S3BucketRepository, s3Client } from "@datatask/datatask/s3";
 * import assert from "node:assert/strict";
 *
 * const session = new Session();
 * const bucket = session.resource("bucket", s3Client({ endpoint: "http://127.0.0.1:9000" }));
 * const books = new S3BucketRepository(bucket, { bucket: "library", prefix: "books/", suffix: ".txt" });
 * await assert.rejects(books.text("moby-dick"), { code: "session-closed" });
 * ```
 */
export class S3BucketRepository extends BlobRepository {
  readonly #store: S3Store;

  /**
   * Asks nothing of the store yet.
   *
   * @param client The client, or the resource that gives it while its session is open.
   * @param options Which bucket, which names, and how values are written.
   * @throws {DefinitionError} When a part is too small, or the number of parts under way is no whole number from 1.
   */
  constructor(client: Resource<S3Connection> | S3Connection, options: S3BucketOptions) {
    super(s3Driver(client, options));
    this.#store = new S3Store(client, options, options.account);
  }

  /**
   * Removes many values, a thousand with each request. Those that are not there are passed over.
   *
   * @param keys Of which keys.
   * @param options When to stop.
   * @throws {RepositoryError} When some were refused; the others are removed. When a request fails as a whole, those after it are not tried.
   */
  async deleteMany(keys: Iterable<Key> | AsyncIterable<Key>, options?: OperationOptions): Promise<void> {
    const refused: Refusal[] = [];
    let asked = 0;
    let batch: Key[] = [];
    const flush = async (): Promise<void> => {
      asked += batch.length;
      refused.push(...await this.#deleteBatch(batch, options));
      batch = [];
    };
    for await (const key of keys) {
      batch.push(checkKey(key, "delete", this.name));
      if (batch.length === BATCH) await flush();
    }
    if (batch.length > 0) await flush();
    if (refused.length > 0) throw this.#explain(refused, asked);
  }

  async #deleteBatch(keys: readonly Key[], options: OperationOptions | undefined): Promise<Refusal[]> {
    const store = this.#store;
    const { Errors = [] } = await store.request(
      "delete",
      undefined,
      options?.signal,
      (client, send) =>
        client.send(
          new DeleteObjectsCommand({
            Bucket: store.bucket,
            Delete: { Quiet: true, Objects: keys.map((key) => ({ Key: store.objectOf(key) })) },
          }),
          send,
        ),
    );
    return Errors.map(({ Key = "", Code, Message }) => ({
      key: store.nameOf(Key) ?? keys[0]!,
      code: Code,
      message: Message,
    }));
  }

  #explain([first, ...others]: readonly Refusal[], asked: number): unknown {
    const { key, code, message } = first!;
    const cause = Object.assign(new Error(message ?? code ?? "refused"), {
      name: code ?? "Refused",
      $metadata: { httpStatusCode: code === "AccessDenied" ? 403 : 500 },
    });
    const explained = this.#store.explain(cause, "delete", key) as RepositoryError;
    if (others.length === 0) return explained;
    const rest = `${others.length} more of these ${asked} keys ${
      others.length === 1 ? "was" : "were"
    } refused`;
    return new RepositoryError(explained.code, `${explained.message}; ${rest}, the others are removed`, {
      ...explained.context,
      cause,
    });
  }
}

/**
 * Writing an object: in one request, or in parts that are shown together at the end.
 *
 * @module
 */
import type { Bytes, Content } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import { PutObjectCommand } from "../../deps/aws_s3.ts";
import type { WriteOptions } from "../driver.ts";
import { chunksOf } from "../stream_chunks.ts";
import { checkKept } from "./answers.ts";
import { commit, conditionOf, markedWith } from "./commit.ts";
import type { Conditions } from "./conditions.ts";
import { PartedWrite } from "./parted_write.ts";
import { PartBuffers, PartFiller } from "./parts.ts";
import type { S3Store } from "./store.ts";

/** How values are written. */
export interface UploadOptions {
  /** The media type that objects get. */
  readonly contentType: string;
  /** The size of the parts of a large value, in bytes. */
  readonly partSize: number;
  /** How many parts are under way at the same time. */
  readonly concurrency: number;
}

/** Writes values into a place in a bucket. */
export class Uploader {
  readonly #store: S3Store;
  readonly #conditions: Conditions;
  readonly #options: UploadOptions;

  constructor(store: S3Store, conditions: Conditions, options: UploadOptions) {
    this.#store = store;
    this.#conditions = conditions;
    this.#options = options;
  }

  /** Writes a value. */
  async write(key: Key, content: Content, options: WriteOptions = {}): Promise<void> {
    const { signal } = options;
    const conditional = isConditional(options);
    const { partSize } = this.#options;
    const small = content instanceof Uint8Array && content.length <= 2 * partSize;
    const filler = small ? undefined : new PartFiller(chunksOfContent(content, partSize, signal));
    try {
      signal?.throwIfAborted();
      // Says at once that the session is not open, before anything of the source is taken.
      void this.#store.client;
      if (conditional) await this.#conditions.check(this.#store, key, "put", signal);
      if (small) return await this.#put(key, content, options);
      const buffers = new PartBuffers();
      const first = await filler!.fill(partSize, buffers);
      if (first.part.length < partSize) return await this.#put(key, first.part, options);
      if (conditional) await this.#conditions.check(this.#store, key, "multipart", signal);
      await new PartedWrite(this.#store, key, options, this.#options, filler!, buffers).run(first);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw this.#store.explain(error, "write", key);
    } finally {
      await filler?.leave();
      // A source that was never begun is not cancelled by leaving it.
      if (content instanceof ReadableStream && !content.locked) await content.cancel().catch(() => {});
    }
  }

  async #put(key: Key, body: Bytes, options: WriteOptions): Promise<void> {
    const store = this.#store;
    const mark = isConditional(options) ? crypto.randomUUID() : undefined;
    await commit(store, key, options, mark, async (client, send) => {
      const answer = await client.send(
        new PutObjectCommand({
          Bucket: store.bucket,
          Key: store.objectOf(key),
          Body: body,
          ContentType: this.#options.contentType,
          ...(mark === undefined ? {} : markedWith(mark)),
          ...conditionOf(options),
        }),
        send,
      );
      checkKept(answer);
    });
  }
}

function isConditional({ ifAbsent, ifVersion }: WriteOptions): boolean {
  return ifAbsent === true || ifVersion !== undefined;
}

/** The content as chunks; bytes are cut, not copied. */
async function* chunksOfContent(
  content: Content,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes, void, void> {
  if (!(content instanceof Uint8Array)) return yield* chunksOf(content, signal);
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

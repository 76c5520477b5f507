/**
 * Writing an object in parts, which are shown together when all are there.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from "../../deps/aws_s3.ts";
import type { WriteOptions } from "../driver.ts";
import { checkSpoken, unlikeS3, versionOf } from "./answers.ts";
import { commit, conditionOf, markedWith } from "./commit.ts";
import { type PartBuffers, type PartFiller, sizeOfPart } from "./parts.ts";
import type { S3Store } from "./store.ts";
import type { UploadOptions } from "./upload.ts";

/** How long to try to clean up after a failed upload, in milliseconds. */
const CLEANING = 15_000;

/** A part with its memory. */
interface Filled {
  readonly part: Bytes;
  readonly buffer: Bytes;
}

/** A write in parts: a few of them under way while the next is filled; nothing is seen before all are there. */
export class PartedWrite {
  readonly #store: S3Store;
  readonly #key: Key;
  readonly #options: WriteOptions;
  readonly #how: UploadOptions;
  readonly #filler: PartFiller;
  readonly #buffers: PartBuffers;
  readonly #trouble = new AbortController();
  readonly #signal: AbortSignal;
  readonly #mark: string = crypto.randomUUID();
  readonly #parts: CompletedPart[] = [];
  #id = "";

  constructor(
    store: S3Store,
    key: Key,
    options: WriteOptions,
    how: UploadOptions,
    filler: PartFiller,
    buffers: PartBuffers,
  ) {
    this.#store = store;
    this.#key = key;
    this.#options = options;
    this.#how = how;
    this.#filler = filler;
    this.#buffers = buffers;
    const { signal } = options;
    this.#signal = signal ? AbortSignal.any([signal, this.#trouble.signal]) : this.#trouble.signal;
  }

  async run(first: Filled): Promise<void> {
    const { bucket } = this.#store;
    const object = { Bucket: bucket, Key: this.#store.objectOf(this.#key) };
    const begun = await this.#store.send(this.#options.signal, (client, send) =>
      client.send(
        new CreateMultipartUploadCommand({
          ...object,
          ContentType: this.#how.contentType,
          ...markedWith(this.#mark),
        }),
        send,
      ));
    if (begun.UploadId === undefined) throw unlikeS3(begun);
    this.#id = begun.UploadId;
    try {
      await this.#sendAll(first);
      const parts = this.#parts.sort((a, b) => a.PartNumber! - b.PartNumber!);
      await commit(this.#store, this.#key, this.#options, this.#mark, async (client, send) => {
        const answer = await client.send(
          new CompleteMultipartUploadCommand({
            ...object,
            UploadId: this.#id,
            MultipartUpload: { Parts: parts },
            ...conditionOf(this.#options),
          }),
          send,
        );
        checkSpoken(answer, answer.ETag !== undefined);
      });
    } catch (error) {
      await this.#abandon();
      throw error;
    }
  }

  /** Sends the parts as they are filled; the number of those under way is what bounds the memory. */
  async #sendAll(first: Filled): Promise<void> {
    const { partSize, concurrency } = this.#how;
    const underWay = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    let next = first;
    try {
      for (let number = 1; next.part.length > 0; number++) {
        const sending: Promise<void> = this.#send(number, next).catch((error) => {
          failure ??= { error };
          this.#trouble.abort(error);
        }).finally(() => underWay.delete(sending));
        underWay.add(sending);
        if (next.part.length < sizeOfPart(partSize, number)) break;
        while (underWay.size >= concurrency) await Promise.race(underWay);
        if (failure) break;
        next = await this.#filler.fill(sizeOfPart(partSize, number + 1), this.#buffers);
      }
    } catch (error) {
      // The source failed: what is under way is of no use any more.
      this.#trouble.abort(error);
      throw error;
    } finally {
      await Promise.all(underWay);
    }
    if (failure) throw failure.error;
  }

  async #send(number: number, { part, buffer }: Filled): Promise<void> {
    const { bucket } = this.#store;
    const answer = await this.#store.send(this.#signal, (client, send) =>
      client.send(
        new UploadPartCommand({
          Bucket: bucket,
          Key: this.#store.objectOf(this.#key),
          UploadId: this.#id,
          PartNumber: number,
          Body: part,
        }),
        send,
      ));
    const ETag = versionOf(answer);
    this.#buffers.give(buffer);
    this.#parts.push({ PartNumber: number, ETag });
  }

  /** Removes the parts. What this cannot remove is removed a day later, when somebody prepares the repository. */
  async #abandon(): Promise<void> {
    const { bucket, client } = this.#store;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), CLEANING);
    try {
      await client.send(
        new AbortMultipartUploadCommand({
          Bucket: bucket,
          Key: this.#store.objectOf(this.#key),
          UploadId: this.#id,
        }),
        { abortSignal: controller.signal },
      );
    } catch {
      // The failure of the write is what the caller must hear of.
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Reading an object: what goes on where its connection broke, as a stream or at once.
 *
 * @module
 */
import { type Bytes, concat } from "../../core/bytes.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { GetObjectCommand, type GetObjectCommandOutput, HeadObjectCommand } from "../../deps/aws_s3.ts";
import type { OperationOptions, ReadOptions } from "../driver.ts";
import { versionOf } from "./answers.ts";
import { BodyReader, type NodeBody } from "./body.ts";
import { classifyS3, nameOf, statusOf } from "./errors.ts";
import type { S3Store } from "./store.ts";

/** How many times in a row a connection may break before anything more has come. */
const BREAKS = 4;

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
): Promise<ReadableStream<Bytes> | undefined> {
  const start = options?.start ?? 0;
  const end = options?.end ?? Infinity;
  if (end <= start) return await isThere(store, key, options) ? empty() : undefined;
  const signal = options?.signal;
  const first = await begin(store, key, start, end, signal);
  if (first === "past the end") return empty();
  return first && streamOf(new Reading(store, key, first, { start, end, signal, patience }));
}

/**
 * A whole object, in memory: without the stream, which small values would spend more on than on their bytes.
 *
 * @param store Where.
 * @param key Whose value.
 * @param options When to stop.
 * @param patience How long to wait for more bytes, in milliseconds.
 * @returns Its bytes, or nothing when there is no such object.
 */
export async function downloadBytes(
  store: S3Store,
  key: Key,
  options: OperationOptions | undefined,
  patience: number,
): Promise<Bytes | undefined> {
  const signal = options?.signal;
  const first = await begin(store, key, 0, Infinity, signal);
  if (first === "past the end") return new Uint8Array();
  if (first === undefined) return undefined;
  const reading = new Reading(store, key, first, { start: 0, end: Infinity, signal, patience });
  const chunks: Bytes[] = [];
  let chunk: Bytes | undefined;
  while ((chunk = await reading.next()) !== undefined) chunks.push(chunk);
  // A chunk may be a part of a buffer that others share.
  return chunks.length === 1 ? chunks[0]!.slice() : concat(chunks);
}

/** The answer with which a read begins; nothing when there is no such object. */
async function begin(
  store: S3Store,
  key: Key,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<GetObjectCommandOutput | "past the end" | undefined> {
  try {
    return await open(store, key, start, end, undefined, signal);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    if (statusOf(error) === 416) return "past the end";
    throw signal?.aborted ? error : store.explain(error, "read", key);
  }
}

/** Whether an error says that there is no such object. */
function isAbsent(error: unknown): boolean {
  const name = nameOf(error);
  return statusOf(error) === 404 && (name === "NoSuchKey" || name === "NotFound");
}

function empty(): ReadableStream<Bytes> {
  return new ReadableStream({ start: (controller) => controller.close() });
}

async function isThere(store: S3Store, key: Key, options: ReadOptions | undefined): Promise<boolean> {
  try {
    const object = { Bucket: store.bucket, Key: store.objectOf(key) };
    versionOf(
      await store.send(options?.signal, (client, send) => client.send(new HeadObjectCommand(object), send)),
    );
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

/** Asks for an object, or for a part of one. What is given without a version is a page, not a value. */
async function open(
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
  const answer = await store.send(signal, (client, options) =>
    client.send(
      new GetObjectCommand({
        Bucket: store.bucket,
        Key: store.objectOf(key),
        ...(range === undefined ? {} : { Range: range }),
        ...(version === undefined ? {} : { IfMatch: version }),
      }),
      options,
    ));
  if (answer.ETag === undefined) bodyOf(answer).destroy();
  versionOf(answer);
  return answer;
}

/** Which part of an object is read, and how. */
interface Wanted {
  readonly start: number;
  readonly end: number;
  readonly signal: AbortSignal | undefined;
  readonly patience: number;
}

/** An object that is being read. */
class Reading {
  readonly #store: S3Store;
  readonly #key: Key;
  readonly #wanted: Wanted;
  readonly #version: string;
  #body: BodyReader;
  #at: number;
  #breaks = 0;

  constructor(store: S3Store, key: Key, first: GetObjectCommandOutput, wanted: Wanted) {
    this.#store = store;
    this.#key = key;
    this.#wanted = wanted;
    this.#version = versionOf(first);
    this.#body = readerOf(first);
    this.#at = wanted.start;
    wanted.signal?.addEventListener("abort", this.#leave, { once: true });
  }

  /**
   * More of it.
   *
   * @returns What has come; nothing at the end.
   * @throws {RepositoryError} When it cannot be read on.
   */
  async next(): Promise<Bytes | undefined> {
    const { signal, patience } = this.#wanted;
    for (;;) {
      try {
        signal?.throwIfAborted();
        const chunk = await this.#body.next(patience);
        signal?.throwIfAborted();
        if (chunk === undefined) this.#finish();
        else {
          this.#at += chunk.length;
          this.#breaks = 0;
        }
        return chunk;
      } catch (error) {
        try {
          await this.#reopen(error);
        } catch (last) {
          this.#finish();
          throw last;
        }
      }
    }
  }

  /** Leaves the rest. */
  cancel(): void {
    this.#finish();
    this.#body.leave();
  }

  readonly #leave = (): void => this.#body.leave();

  #finish(): void {
    this.#wanted.signal?.removeEventListener("abort", this.#leave);
  }

  async #reopen(cause: unknown): Promise<void> {
    const { end, signal } = this.#wanted;
    this.#body.leave();
    signal?.throwIfAborted();
    if (++this.#breaks > BREAKS || !isBreak(cause)) throw this.#store.explain(cause, "read", this.#key);
    const again = await open(this.#store, this.#key, this.#at, end, this.#version, signal).catch((error) => {
      if (signal?.aborted) throw error;
      throw isAbsent(error) || statusOf(error) === 412
        ? replaced(this.#store, this.#key, error)
        : this.#store.explain(error, "read", this.#key);
    });
    this.#body = readerOf(again);
  }
}

function streamOf(reading: Reading): ReadableStream<Bytes> {
  return new ReadableStream<Bytes>({
    async pull(controller) {
      const chunk = await reading.next();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: () => reading.cancel(),
  }, { highWaterMark: 0 });
}

function bodyOf({ Body }: GetObjectCommandOutput): NodeBody {
  return Body as unknown as NodeBody;
}

function readerOf(answer: GetObjectCommandOutput): BodyReader {
  return new BodyReader(bodyOf(answer), answer.ContentLength);
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

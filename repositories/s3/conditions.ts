/**
 * Whether a store honors conditions: some that speak like S3 take a write on a condition and ignore the condition.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "../../deps/aws_s3.ts";
import { isAws } from "./client.ts";
import { statusOf } from "./errors.ts";
import type { S3Store } from "./store.ts";

/** Writes in one request, or in parts. */
export type WriteKind = "put" | "multipart";

/** What is known of a store's conditions. Shared by the repositories beside each other. */
export class Conditions {
  readonly #known = new Map<WriteKind, boolean>();
  readonly #asked = new Map<WriteKind, Promise<boolean>>();

  /** @param known What the user says; found out when left out. */
  constructor(known: boolean | undefined) {
    if (known === undefined) return;
    this.#known.set("put", known);
    this.#known.set("multipart", known);
  }

  /** Whether conditions are honored, as far as it is known: true until the store has shown that they are not. */
  get honored(): boolean {
    return this.#known.get("put") ?? true;
  }

  /**
   * Finds out, once, whether a store honors conditions on a kind of write: by writes under a name that is no key.
   *
   * @param store Where.
   * @param kind Which kind.
   * @param signal Stops it.
   * @returns Whether it does.
   */
  async find(store: S3Store, kind: WriteKind, signal: AbortSignal | undefined): Promise<boolean> {
    const known = this.#known.get(kind);
    if (known !== undefined) return known;
    const asking = this.#asked.get(kind) ?? this.#ask(store, kind, signal);
    this.#asked.set(kind, asking);
    try {
      const honored = await asking;
      this.#known.set(kind, honored);
      return honored;
    } finally {
      this.#asked.delete(kind);
    }
  }

  /** Throws when the store does not honor conditions: to ignore one would be to lose data. */
  async check(store: S3Store, key: Key, kind: WriteKind, signal: AbortSignal | undefined): Promise<void> {
    if (await this.find(store, kind, signal)) return;
    const what = kind === "put" ? "writes on a condition" : "writes of large values on a condition";
    throw new RepositoryError(
      "unsupported",
      `Cannot write "${key}" of ${store.name}: its store knows no ${what}; write without ifAbsent and ifVersion, or use another store`,
      { operation: "write", subject: store.name, key },
    );
  }

  async #ask(store: S3Store, kind: WriteKind, signal: AbortSignal | undefined): Promise<boolean> {
    const { client } = store;
    const { endpoint } = client.config;
    if (endpoint === undefined) return true;
    const { protocol, hostname } = await endpoint();
    if (isAws(`${protocol}//${hostname}`)) return true;
    const object = { Bucket: store.bucket, Key: `${store.prefix}_datatask-probe-${crypto.randomUUID()}` };
    const send = signal ? { abortSignal: signal } : {};
    try {
      return kind === "put"
        ? await probePut(client, object, send)
        : await probeMultipart(client, object, send);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error;
    } finally {
      // Not called off with the rest: the probe must not stay.
      await client.send(new DeleteObjectCommand(object)).catch(() => {});
    }
  }
}

interface ObjectName {
  readonly Bucket: string;
  readonly Key: string;
}

type Send = { readonly abortSignal?: AbortSignal };

/** Whether a request is refused because of its condition; false also when the store does not know such requests. */
async function isRefused(request: Promise<unknown>): Promise<boolean> {
  try {
    await request;
    return false;
  } catch (error) {
    const status = statusOf(error);
    if (status === 412 || status === 409) return true;
    if (status === 501 || status === 400) return false;
    throw error;
  }
}

async function probePut(client: S3Client, object: ObjectName, send: Send): Promise<boolean> {
  const put = (text: string, condition: { IfNoneMatch?: string; IfMatch?: string }) =>
    client.send(
      new PutObjectCommand({ ...object, Body: new TextEncoder().encode(text), ...condition }),
      send,
    );
  const { ETag } = await put("1", {});
  if (ETag === undefined || !await isRefused(put("2", { IfNoneMatch: "*" }))) return false;
  if (await isRefused(put("3", { IfMatch: ETag }))) return false;
  return await isRefused(put("4", { IfMatch: ETag }));
}

async function probeMultipart(client: S3Client, object: ObjectName, send: Send): Promise<boolean> {
  const body = new TextEncoder().encode("1");
  await client.send(new PutObjectCommand({ ...object, Body: body }), send);
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(object), send);
  const upload = { ...object, UploadId };
  const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: body }), send);
  const complete = new CompleteMultipartUploadCommand({
    ...upload,
    MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
    IfNoneMatch: "*",
  });
  const refused = await isRefused(client.send(complete, send));
  if (refused) await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
  return refused;
}

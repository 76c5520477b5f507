/**
 * The digest of a value, as the key under which it is published.
 *
 * @module
 */
import { type Bytes, type Content, encodeText } from "../core/bytes.ts";
import type { Key } from "../core/key.ts";
import type { Repository } from "../repositories/repository.ts";

/** Up to so many bytes of a stream are kept in memory while its digest is made; beyond that they go to a file. */
const IN_MEMORY = 1 << 20;

/** A value with its digest. */
export interface Digested {
  /** The SHA-256 in hex. */
  readonly digest: Key;
  /** The value: a stream was read to its end, and this gives it again. */
  readonly value: unknown;
  /** Gives back what keeps the value. */
  readonly release?: () => Promise<void>;
}

/**
 * The digest of a value: of the bytes of a blob; of a document's JSON with the fields of each record in the order of their names.
 *
 * @param repository What kind of value it is.
 * @param value The value.
 * @param signal When to stop.
 * @returns The digest, and the value.
 */
export async function digestOf(
  repository: Repository,
  value: unknown,
  signal: AbortSignal,
): Promise<Digested> {
  if (repository.kind === "metadata") return { digest: await hash(encodeText(canonical(value))), value };
  if (typeof value === "function") {
    return { digest: await hashed(await (value as () => Promise<ReadableStream<Bytes>>)(), signal), value };
  }
  if (typeof value === "string") return { digest: await hash(encodeText(value)), value };
  if (value instanceof Uint8Array) return { digest: await hash(value as Bytes), value };
  return await spooled(value as ReadableStream<Bytes>, signal);
}

async function hash(bytes: Bytes): Promise<Key> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** JSON in which equal documents are equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, part) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1));
  }) ?? "";
}

/** The digest of a stream that can be had again. */
async function hashed(stream: ReadableStream<Bytes>, signal: AbortSignal): Promise<Key> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  for await (const chunk of stream) {
    signal.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest("hex");
}

/** Reads a stream to its end, and keeps it: small ones in memory, others in a file. */
async function spooled(stream: ReadableStream<Bytes>, signal: AbortSignal): Promise<Digested> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  let chunks: Bytes[] = [];
  let size = 0;
  let path: string | undefined;
  let file: Deno.FsFile | undefined;
  try {
    for await (const chunk of stream) {
      signal.throwIfAborted();
      hash.update(chunk);
      chunks.push(chunk);
      size += chunk.length;
      if (size <= IN_MEMORY) continue;
      path ??= await Deno.makeTempFile({ prefix: "datatask-" });
      file ??= await Deno.open(path, { write: true });
      for (const part of chunks) await writeAll(file, part);
      chunks = [];
    }
    file?.close();
  } catch (error) {
    file?.close();
    if (path !== undefined) await Deno.remove(path);
    throw error;
  }
  const digest = hash.digest("hex");
  if (path === undefined) return { digest, value: await new Blob(chunks).bytes() };
  const kept: Content = (await Deno.open(path)).readable;
  return {
    digest,
    value: kept,
    release: async () => {
      await kept.cancel().catch(() => {});
      await Deno.remove(path);
    },
  };
}

async function writeAll(file: Deno.FsFile, bytes: Bytes): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

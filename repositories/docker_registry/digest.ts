/**
 * Digests: what content is called by, and how one sees that it is the content.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { RegistryFault } from "./fault.ts";

/** Takes bytes and tells their digest. */
export interface Hasher {
  /** Adds bytes. */
  update(bytes: Bytes): void;
  /** @returns `sha256:…` of all bytes added. */
  digest(): string;
}

/**
 * A hasher that takes its bytes piece by piece.
 *
 * @param algorithm `sha256` or `sha512`.
 * @returns The hasher.
 */
export async function hasher(algorithm = "sha256"): Promise<Hasher> {
  const { createHash } = await import("node:crypto");
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => `${algorithm}:${hash.digest("hex")}` };
}

/**
 * The digest of bytes at hand.
 *
 * @param bytes The bytes.
 * @param algorithm `sha256` or `sha512`.
 * @returns `sha256:…`.
 */
export async function digestOf(bytes: Bytes, algorithm = "sha256"): Promise<string> {
  const hash = await crypto.subtle.digest(algorithm === "sha512" ? "SHA-512" : "SHA-256", bytes);
  return `${algorithm}:${new Uint8Array(hash).toHex()}`;
}

/**
 * Passes content on and sees that it is what its digest says.
 *
 * @param stream The content.
 * @param expected Its digest and its size in bytes.
 * @param explain Turns a fault into what the reader should see.
 * @param signal Ends it, also when all has come already that is still to be read.
 * @returns The same content. Its end fails with code `io` when it was cut short or differs.
 */
export function verified(
  stream: ReadableStream<Bytes>,
  expected: { readonly digest: string; readonly size: number },
  explain: (error: unknown) => unknown,
  signal?: AbortSignal,
): ReadableStream<Bytes> {
  const reader = stream.getReader();
  let hash: Hasher | undefined;
  let length = 0;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        hash ??= await hasher(expected.digest.split(":")[0]);
        const { done, value } = await reader.read();
        signal?.throwIfAborted();
        if (!done) {
          hash.update(value);
          length += value.length;
          return controller.enqueue(value);
        }
        const digest = hash.digest();
        if (length !== expected.size) {
          throw new RegistryFault(
            "io",
            `${expected.digest} has ${expected.size} bytes, and ${length} came; read it again`,
          );
        }
        if (digest !== expected.digest) {
          throw new RegistryFault(
            "io",
            `what came as ${expected.digest} is ${digest}; it is damaged in the registry or on the way: push the image again`,
          );
        }
        controller.close();
      } catch (error) {
        reader.cancel(error).catch(() => {});
        throw explain(error);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

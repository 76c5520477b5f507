/**
 * Contents under their digests: each is kept once, whoever refers to it.
 *
 * @module
 */
import { type Bytes, concat } from "../../core/bytes.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { BlobRepository } from "../blob.ts";
import type { OperationOptions } from "../driver.ts";

/** Contents up to this size, in bytes, are held in memory until their digest is known; larger ones wait in the store. */
const SMALL = 2 ** 20;
/** What keys of contents begin with whose digest is not known yet. */
const WAITING = "incoming-";

/** How old a content may be, in milliseconds, to be taken as it is. */
const FRESH = 12 * 3_600_000;

/** Removes what nothing refers to. */
export interface Sweep extends Disposable {
  /** Removes garbage, as far as no write has touched it since the sweep began. */
  remove(
    isGarbage: (digest: string, modified: number | undefined) => boolean,
    options: OperationOptions | undefined,
  ): Promise<{ readonly removed: number; readonly bytes: number }>;
}

type Hash = { update(bytes: Uint8Array): Hash; digest(encoding: "hex"): string };

async function newHash(): Promise<Hash> {
  const { createHash } = await import("node:crypto");
  return createHash("sha256") as unknown as Hash;
}

/** Contents under their SHA-256, in a repository of blobs that holds nothing else. */
export class BlobPool {
  readonly #blobs: BlobRepository;
  /** How many writes that are not done yet refer to a blob, or wait in it: those are not garbage. */
  readonly #pins = new Map<string, number>();
  /** What each collection under way must leave: what was pinned when it began, or since. */
  readonly #sweeps = new Set<Set<string>>();

  /** @param blobs Where they lie. */
  constructor(blobs: BlobRepository) {
    this.#blobs = blobs;
  }

  /**
   * Keeps a content, unless it is there already.
   *
   * @param chunks The content.
   * @param options When to stop.
   * @returns Its digest, pinned: {@linkcode unpin} it when something refers to it.
   */
  async add(chunks: AsyncIterable<Bytes>, options: OperationOptions | undefined): Promise<string> {
    const hash = await newHash();
    const iterator = chunks[Symbol.asyncIterator]();
    const held: Bytes[] = [];
    let size = 0;
    let next = await iterator.next();
    for (; !next.done && size + next.value.length <= SMALL; next = await iterator.next()) {
      hash.update(next.value);
      held.push(next.value);
      size += next.value.length;
    }
    if (!next.done) return await this.#addLarge(hash, held, next.value, iterator, options);
    const digest = hash.digest("hex");
    await this.#keep(digest, options, () => this.#blobs.put(digest, concat(held), options));
    return digest;
  }

  /** Lets a content go that {@linkcode add} pinned. */
  unpin(digest: string): void {
    const left = (this.#pins.get(digest) ?? 0) - 1;
    if (left > 0) this.#pins.set(digest, left);
    else this.#pins.delete(digest);
  }

  /** A content; an error at its end when it is not what its digest says. */
  async open(digest: string, size: number, what: string): Promise<ReadableStream<Bytes>> {
    const reader = (await this.#blobs.open(digest)).getReader();
    const hash = await newHash();
    let length = 0;
    return new ReadableStream<Bytes>({
      pull: async (controller) => {
        const { done, value } = await reader.read();
        if (!done) {
          hash.update(value);
          length += value.length;
          return controller.enqueue(value);
        }
        if (length !== size || hash.digest("hex") !== digest) throw damaged(what, digest);
        controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }

  /** Begins to remove what nothing refers to: from now on, nothing that is being written is forgotten. */
  beginSweep(): Sweep {
    const kept = new Set<string>(this.#pins.keys());
    this.#sweeps.add(kept);
    return {
      remove: (isGarbage, options) => this.#remove(kept, isGarbage, options),
      [Symbol.dispose]: () => void this.#sweeps.delete(kept),
    };
  }

  async #remove(
    kept: ReadonlySet<string>,
    isGarbage: (digest: string, modified: number | undefined) => boolean,
    options: OperationOptions | undefined,
  ): Promise<{ readonly removed: number; readonly bytes: number }> {
    let [removed, bytes] = [0, 0];
    for await (const page of this.#blobs.pages(options)) {
      for (const key of page) {
        const info = await this.#blobs.info(key, options);
        if (!info || kept.has(key) || !isGarbage(key, info.modified)) continue;
        await this.#blobs.delete(key, options);
        removed++;
        bytes += info.size ?? 0;
      }
    }
    return { removed, bytes };
  }

  /** Keeps a content that is too large for memory: it waits under another key until its digest is known. */
  async #addLarge(
    hash: Hash,
    held: Bytes[],
    first: Bytes,
    rest: AsyncIterator<Bytes>,
    options: OperationOptions | undefined,
  ): Promise<string> {
    const waiting = `${WAITING}${crypto.randomUUID()}`;
    let chunk: Bytes | undefined = first;
    const source = new ReadableStream<Bytes>({
      async pull(controller) {
        const early = held.shift();
        if (early) return controller.enqueue(early);
        if (chunk === undefined) return controller.close();
        hash.update(chunk);
        controller.enqueue(chunk);
        const next = await rest.next();
        chunk = next.done ? undefined : next.value;
      },
      cancel: async () => void await rest.return?.(),
    }, { highWaterMark: 0 });
    this.#pin(waiting);
    try {
      await this.#blobs.put(waiting, source, options);
      const digest = hash.digest("hex");
      await this.#keep(digest, options, async () => {
        await this.#blobs.put(digest, await this.#blobs.open(waiting, options), options);
      });
      return digest;
    } finally {
      await this.#blobs.delete(waiting).catch(() => {}); // Else the next collection takes it.
      this.unpin(waiting);
    }
  }

  async #keep(
    digest: string,
    options: OperationOptions | undefined,
    write: () => Promise<void>,
  ): Promise<void> {
    this.#pin(digest);
    try {
      const info = await this.#blobs.info(digest, options);
      const age = Date.now() - (info?.modified ?? Infinity);
      // An old one is written again, so that a collection elsewhere does not take it for garbage meanwhile.
      if (!info || age > FRESH) await write();
    } catch (error) {
      this.unpin(digest);
      throw error;
    }
  }

  #pin(key: string): void {
    for (const kept of this.#sweeps) kept.add(key);
    this.#pins.set(key, (this.#pins.get(key) ?? 0) + 1);
  }
}

function damaged(what: string, digest: string): RepositoryError {
  return new RepositoryError(
    "invalid-value",
    `Cannot read ${what}: its content is not what its digest ${digest.slice(0, 12)}… says; write it again`,
    { operation: "read" },
  );
}

/**
 * The layer that keeps blobs encrypted.
 *
 * @module
 */
import { type Bytes, concat, type Content, encodeText } from "../../core/bytes.ts";
import { DefinitionError, type ErrorCode, RepositoryError } from "../../core/errors.ts";
import { isKey, type Key } from "../../core/key.ts";
import { capabilitiesOver } from "../capabilities.ts";
import type { BlobDriver, Layer, OperationOptions, ReadOptions, WriteOptions } from "../driver.ts";
import type { Flaw } from "./sealing.ts";
import { unsupported, wrapDriver } from "./wrap.ts";

/** How long the name of a key may be, in bytes. */
const LONGEST_NAME = 32;

/** A key for values: 32 bytes that nobody can guess, or a `CryptoKey` for `AES-GCM` of 256 bits. */
export type EncryptionKey = Bytes | CryptoKey;

/** With which keys {@linkcode encrypted} does it. */
export interface EncryptedOptions {
  /** The keys by their names, which lie in the clear beside each value: up to 32 of `A-Z a-z 0-9 . _ -`. */
  readonly keys: Readonly<Record<string, EncryptionKey>>;
  /** The name of the key with which values are written. The others are for reading what was written before. */
  readonly current: string;
  /** What tells these values from those of other repositories with the same keys: a value that was moved between two contexts is refused. @default "" */
  readonly context?: string | undefined;
}

/**
 * Keeps values encrypted and sealed beneath, by AES-256-GCM in chunks, each value with a key of its own that is sealed by one of yours; they
 * go in and come out as they are. A value that was changed, cut short, or moved to another key beneath is an error, never other data. Keys of
 * the repository, sizes and times stay in the clear, and an old value that is put back beneath is not noticed.
 *
 * A stream gives each chunk once that is known to be as it was written; that none is missing is known when it ends without an error.
 * Deletes, conditions and `watch` are those beneath, and what is beside is encrypted too. Ranges cannot be read, and there is no path.
 *
 * @param options With which keys.
 * @returns The layer, for blobs; documents and trees go over it by `encoded()` and `packed()`.
 * @throws {DefinitionError} When a key cannot be used.
 * @example Encrypted documents
 * ```ts
 * import { encrypted, JsonMetadataRepository, MemoryBlobRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const key = crypto.getRandomValues(new Uint8Array(32)); // keep it in a safe place, in base64
 * const beneath = new MemoryBlobRepository();
 * const people = new JsonMetadataRepository(
 *   beneath.with(encrypted({ current: "2026", keys: { "2026": key } })),
 * );
 * await people.set("ada", { born: 1815 });
 * assert.deepEqual(await people.get("ada"), { born: 1815 });
 * assert(!(await beneath.text("ada")).includes("born"));
 * ```
 */
export function encrypted(options: EncryptedOptions): Layer<BlobDriver> {
  const { current, context = "" } = options;
  const keys = keysOf(options);
  const keyOf = (name: string): Promise<CryptoKey> | undefined => keys.get(name)?.();
  // Loaded when it is used: not everybody encrypts.
  const sealing = (): Promise<typeof import("./sealing.ts")> => import("./sealing.ts");

  function encryptAt(path: string, inner: BlobDriver): BlobDriver {
    const name = `${inner.name} (encrypted)`;
    const placeOf = (key: Key): Bytes => encodeText([context, path, key].join("\0"));
    const seal = async function* (chunks: AsyncIterable<Bytes>, key: Key): AsyncGenerator<Bytes, void, void> {
      const { sealed } = await sealing();
      yield* sealed(chunks, current, await keyOf(current)!, placeOf(key));
    };
    const open = async function* (
      chunks: AsyncGenerator<Bytes, void, void>,
      key: Key,
    ): AsyncGenerator<Bytes, void, void> {
      const { opened, SealError } = await sealing();
      try {
        yield* opened(chunks, keyOf, placeOf(key));
      } catch (error) {
        throw error instanceof SealError ? refusal(name, key, error.flaw) : error;
      }
    };
    return wrapDriver(inner, undefined, {
      name,
      identity: `encrypted(${inner.identity}${context === "" ? "" : `, ${JSON.stringify(context)}`})`,
      supports: capabilitiesOver(inner, { ranges: false }),
      derived: { by: "same", parts: [inner], over: ([part]) => encryptAt(path, part as BlobDriver) },
      async read(key: Key, opts?: ReadOptions) {
        if (opts?.start !== undefined || opts?.end !== undefined) {
          const why = "encrypted values are read whole; leave out start and end";
          throw unsupported("read a part of", key, name, why);
        }
        const stream = await inner.read(key, opts);
        return stream && through(stream, opts?.signal, (chunks) => open(chunks, key));
      },
      readBytes: inner.readBytes && (async (key: Key, opts?: OperationOptions) => {
        const bytes = await inner.readBytes!(key, opts);
        return bytes && concat(await Array.fromAsync(open(once(bytes), key)));
      }),
      async write(key: Key, content: Content, opts?: WriteOptions) {
        opts?.signal?.throwIfAborted();
        if (content instanceof Uint8Array) {
          await inner.write(key, concat(await Array.fromAsync(seal(once(content), key))), opts);
        } else await inner.write(key, through(content, opts?.signal, (chunks) => seal(chunks, key)), opts);
      },
      info: inner.info && (async (key: Key, opts?: OperationOptions) => {
        const info = await inner.info!(key, opts);
        const { sizeOpened } = await sealing();
        return info && { ...info, size: info.size === undefined ? undefined : sizeOpened(info.size) };
      }),
      path: undefined,
      staging: undefined,
      adopt: undefined,
      beside: inner.beside && ((other: string) => encryptAt(`${path}/${other}`, inner.beside!(other))),
    });
  }
  return (inner) => encryptAt("", inner);
}

/** The keys, each made ready when it is first used. */
function keysOf({ keys, current }: EncryptedOptions): ReadonlyMap<string, () => Promise<CryptoKey>> {
  const faults: string[] = [];
  if (!Object.hasOwn(keys, current)) {
    faults.push(`Cannot encrypt with the key ${JSON.stringify(current)}: it is not among the keys`);
  }
  const ready = new Map<string, () => Promise<CryptoKey>>();
  for (const [name, key] of Object.entries(keys)) {
    const fault = faultOf(name, key, name === current);
    if (fault !== undefined) faults.push(`Cannot encrypt with the key ${JSON.stringify(name)}: ${fault}`);
    let made: Promise<CryptoKey> | undefined;
    const own = key instanceof Uint8Array ? key.slice() : key;
    ready.set(
      name,
      () =>
        made ??= own instanceof Uint8Array
          ? crypto.subtle.importKey("raw", own, "AES-GCM", false, ["encrypt", "decrypt"])
          : Promise.resolve(own),
    );
  }
  if (faults.length > 0) throw new DefinitionError(faults);
  return ready;
}

function faultOf(name: string, key: EncryptionKey, current: boolean): string | undefined {
  if (!isKey(name) || name.length > LONGEST_NAME) {
    return `its name is not valid; use 1 to ${LONGEST_NAME} of A-Z a-z 0-9 . _ - with a letter or digit at both ends`;
  }
  if (key instanceof Uint8Array) {
    return key.length === 32
      ? undefined
      : `it has ${key.length} bytes; make one of 32 bytes, with crypto.getRandomValues(new Uint8Array(32))`;
  }
  const { name: algorithm, length } = key.algorithm as AesKeyAlgorithm;
  if (algorithm !== "AES-GCM" || length !== 256) return "it is not for AES-GCM with 256 bits";
  const needed = current ? ["encrypt", "decrypt"] as const : ["decrypt"] as const;
  const lacking = needed.filter((usage) => !key.usages.includes(usage));
  return lacking.length === 0 ? undefined : `it is not allowed to ${lacking.join(" and ")}`;
}

function refusal(subject: string, key: Key, flaw: Flaw): RepositoryError {
  const [code, state] = stateOf(flaw);
  return new RepositoryError(code, `Cannot read "${key}" of ${subject}: ${state}`, {
    operation: "read",
    subject,
    key,
  });
}

function stateOf(flaw: Flaw): readonly [code: ErrorCode, state: string] {
  switch (flaw.kind) {
    case "not-sealed":
      return ["invalid-value", "it is not encrypted, or its beginning was changed; write it again"];
    case "unknown-key":
      return [
        "denied",
        `it was encrypted with the key ${JSON.stringify(flaw.name)}, which is not among the keys; add it`,
      ];
    case "wrong-key":
      return [
        "denied",
        `the key "${flaw.name}" does not open it: give the key of that name with which it was encrypted; if this is the one, the value was changed: write it again`,
      ];
    case "cut-short":
      return ["invalid-value", "it was cut short after it was encrypted; write it again"];
    case "changed":
      return [
        "invalid-value",
        "it was changed after it was encrypted, or belongs to another key or repository; write it again",
      ];
  }
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes, void, void> {
  yield bytes;
}

/** A stream on its way through a generator. Who leaves the result cancels the source, also in the middle of a chunk. */
function through(
  source: ReadableStream<Bytes>,
  signal: AbortSignal | undefined,
  work: (chunks: AsyncGenerator<Bytes, void, void>) => AsyncGenerator<Bytes, void, void>,
): ReadableStream<Bytes> {
  const reader = source.getReader();
  const made = work(async function* () {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  }());
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        signal?.throwIfAborted();
        const { done, value } = await made.next();
        signal?.throwIfAborted();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        await reader.cancel(error).catch(() => {});
        // Chunks that are under way are waited for: nothing goes on when the stream has ended.
        await made.return().catch(() => {});
        throw signal?.aborted ? signal.reason : error;
      }
    },
    async cancel(reason) {
      await reader.cancel(reason);
      await made.return();
    },
  }, { highWaterMark: 0 });
}

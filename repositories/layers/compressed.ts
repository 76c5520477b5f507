/**
 * The layer that keeps blobs compressed.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { DefinitionError, RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { capabilitiesOver } from "../capabilities.ts";
import type { BlobDriver, Layer, OperationOptions, ReadOptions } from "../driver.ts";
import { type Compression, openCompressor } from "./compression.ts";
import type { Compressor } from "./compressor.ts";
import { besideUnder, wrapDriver } from "./wrap.ts";

/** How {@linkcode compressed} does it. */
export interface CompressedOptions {
  /** How hard to try: 1 to 9 for gzip, 1 to 22 for zstd. Default: the format's own. */
  readonly level?: number | undefined;
}

/** The highest level of each format. */
const HIGHEST: Readonly<Record<Compression, number>> = { gzip: 9, zstd: 22 };

/**
 * Keeps values compressed beneath, as files that other programs read; they go in and come out as they are. Keys, deletes, conditions and
 * `watch` are those beneath, and what is beside is compressed too. Ranges cannot be read, sizes are not known without reading, and
 * there is no path, since what lies there is compressed. Data that is damaged or cut short is an error that names the key.
 *
 * @param format Which format.
 * @param options How hard to try.
 * @returns The layer, for blobs.
 * @throws {DefinitionError} When the format has no such level.
 * @example Compressed blobs
 * ```ts
 * import { compressed, MemoryBlobRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const beneath = new MemoryBlobRepository();
 * const logs = beneath.with(compressed("gzip"));
 * await logs.put("run-1", "line\n".repeat(1000));
 * assert.equal((await logs.text("run-1")).length, 5000);
 * assert((await beneath.bytes("run-1")).length < 100);
 * ```
 */
export function compressed(format: Compression, options: CompressedOptions = {}): Layer<BlobDriver> {
  checkLevel(format, options.level);
  let opened: Promise<Compressor> | undefined;
  const compressor = (): Promise<Compressor> => opened ??= openCompressor(format, options.level);
  return function compress(inner: BlobDriver): BlobDriver {
    const name = `${inner.name} (${format})`;
    const damaged = (key: Key) => (error: unknown): RepositoryError => damagedBlob(name, key, format, error);
    return wrapDriver(inner, undefined, {
      name,
      identity: `${format}(${inner.identity})`,
      supports: capabilitiesOver(inner, { ranges: false }),
      derived: { by: "same", parts: [inner], over: ([part]) => compress(part as BlobDriver) },
      async read(key: Key, opts?: ReadOptions) {
        refuseRange(name, key, opts);
        const stream = await inner.read(key, opts);
        return stream && (await compressor()).decompressStream(stream, opts?.signal, damaged(key));
      },
      readBytes: inner.readBytes && (async (key: Key, opts?: OperationOptions) => {
        const bytes = await inner.readBytes!(key, opts);
        if (bytes === undefined) return undefined;
        return await (await compressor()).decompress(bytes).catch((error) => {
          throw damaged(key)(error);
        });
      }),
      async write(key: Key, content: Bytes | ReadableStream<Bytes>, opts?: OperationOptions) {
        const coder = await compressor();
        if (content instanceof Uint8Array) return await inner.write(key, await coder.compress(content), opts);
        await inner.write(key, coder.compressStream(content, opts?.signal), opts);
      },
      info: inner.info && (async (key: Key, opts?: OperationOptions) => {
        const info = await inner.info!(key, opts);
        return info && { ...info, size: undefined };
      }),
      path: undefined,
      staging: undefined,
      adopt: undefined,
      beside: besideUnder(inner, compress),
    });
  };
}

/**
 * Checks the level of a format.
 *
 * @param format Which format.
 * @param level The level, or nothing for the default.
 * @throws {DefinitionError} When the format has no such level.
 */
export function checkLevel(format: Compression, level: number | undefined): void {
  if (!(format in HIGHEST)) {
    throw new DefinitionError(`Cannot compress by ${JSON.stringify(format)}; use "gzip" or "zstd"`);
  }
  if (level === undefined || (Number.isInteger(level) && level >= 1 && level <= HIGHEST[format])) return;
  throw new DefinitionError(
    `Cannot use level ${level} of ${format}; write a whole number from 1 to ${HIGHEST[format]}`,
  );
}

/**
 * The error for compressed data that cannot be read.
 *
 * @param subject Of which repository.
 * @param key Of which key.
 * @param format In which format it should be.
 * @param error What the decoder said.
 * @returns The error.
 */
export function damagedBlob(subject: string, key: Key, format: string, error: unknown): RepositoryError {
  const reason = error instanceof Error ? error.message : String(error);
  return new RepositoryError(
    "invalid-value",
    `Cannot read "${key}" of ${subject}: its ${format} data is damaged or cut short (${reason}); write it again`,
    { operation: "read", subject, key, cause: error },
  );
}

/** Refuses to read a part. */
function refuseRange(subject: string, key: Key, options: ReadOptions | undefined): void {
  if (options?.start === undefined && options?.end === undefined) return;
  throw new RepositoryError(
    "unsupported",
    `Cannot read a part of "${key}" of ${subject}: compressed values are read whole; leave out start and end`,
    { operation: "read", subject, key },
  );
}

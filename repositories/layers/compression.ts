/**
 * The formats of compression.
 *
 * @module
 */
import type { Compressor } from "./compressor.ts";

/** The formats of compression. */
export type Compression = "gzip" | "zstd";

/**
 * A compressor. Loads what knows the format, and the platform's own, on the first call.
 *
 * @param format Which format.
 * @param level How hard to try: 1 to 9 for gzip, 1 to 22 for zstd. Default: the format's own.
 * @returns The compressor.
 */
export async function openCompressor(format: Compression, level?: number): Promise<Compressor> {
  if (format === "gzip") return await (await import("./gzip.ts")).openGzip(level);
  return await (await import("./zstd.ts")).openZstd(level);
}

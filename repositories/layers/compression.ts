/**
 * The formats of compression.
 *
 * @module
 */
import type { Compressor } from "./compressor.ts";
import { openGzip } from "./gzip.ts";
import { openZstd } from "./zstd.ts";

/** The formats of compression. */
export type Compression = "gzip" | "zstd";

/**
 * A compressor. Loads the platform's own on the first call.
 *
 * @param format Which format.
 * @param level How hard to try: 1 to 9 for gzip, 1 to 22 for zstd. Default: the format's own.
 * @returns The compressor.
 */
export function openCompressor(format: Compression, level?: number): Promise<Compressor> {
  return format === "gzip" ? openGzip(level) : openZstd(level);
}

/**
 * The document that stands for a tree of files whose contents lie elsewhere, under their digests.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";

/** One entry of a manifest. */
export type ManifestEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | {
    readonly kind: "file";
    readonly path: string;
    readonly mode: number;
    /** In bytes. */
    readonly size: number;
    /** The SHA-256 of the content, in hexadecimal: the key of its blob. */
    readonly sha256: string;
  };

/** The document that stands for a tree. */
export interface Manifest {
  /** Which form of document this is. */
  readonly version: 1;
  /** The entries, parents before what is in them. */
  readonly entries: readonly ManifestEntry[];
}

/**
 * Sees that a document is a manifest.
 *
 * @param document What was read.
 * @param subject Of which repository.
 * @param key Of which key.
 * @returns The manifest.
 * @throws {RepositoryError} With code `invalid-value` when it is none.
 */
export function checkManifest(document: unknown, subject: string, key: Key): Manifest {
  const { version, entries } = (document ?? {}) as Partial<Manifest>;
  const sound = version === 1 && Array.isArray(entries) &&
    entries.every((entry) =>
      typeof entry?.path === "string" && (
        (entry.kind === "directory") || (entry.kind === "symlink" && typeof entry.target === "string") ||
        (entry.kind === "file" && /^[0-9a-f]{64}$/.test(entry.sha256) && Number.isSafeInteger(entry.size))
      )
    );
  if (sound) return document as Manifest;
  throw new RepositoryError(
    "invalid-value",
    `Cannot read "${key}" of ${subject}: its document is no manifest of a tree; write it again`,
    { operation: "read", subject, key },
  );
}

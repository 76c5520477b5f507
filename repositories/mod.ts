/**
 * Repositories: keys with values.
 *
 * @module
 */
export { BlobRepository } from "./blob.ts";
export type {
  BlobDriver,
  Capabilities,
  Change,
  Derivation,
  FilesystemDriver,
  KeyDriver,
  KeyLayer,
  Layer,
  ListingOptions,
  MetadataDriver,
  OperationOptions,
  PrepareOptions,
  ReadOptions,
  TreeEntry,
  ValueInfo,
  WriteOptions,
} from "./driver.ts";
export { FilesystemRepository } from "./filesystem.ts";
export { MetadataRepository } from "./metadata.ts";
export { isRepository, Repository, type RepositoryKind, type SkippedNames } from "./repository.ts";
export { directoryDriver, type DirectoryOptions, DirectoryRepository } from "./directory.ts";
export { fileDriver, type FileOptions, FileRepository } from "./files.ts";
export type { FolderOptions } from "./file_folder.ts";
export {
  memoryBlobDriver,
  MemoryBlobRepository,
  memoryMetadataDriver,
  MemoryMetadataRepository,
} from "./memory.ts";
export { memoryFilesystemDriver, MemoryFilesystemRepository } from "./memory_tree.ts";
export {
  cached,
  type CachedFolderOptions,
  type CachedOptions,
  type CacheLayer,
  type CacheOptions,
  type FolderCacheLayer,
  type Invalidation,
} from "./layers/cached.ts";
export { cachedKeys, type CachedKeysOptions, type KeyCacheLayer } from "./layers/cached_keys.ts";
export { compressed, type CompressedOptions } from "./layers/compressed.ts";
export type { Compression } from "./layers/compression.ts";
export { encrypted, type EncryptedOptions, type EncryptionKey } from "./layers/encrypted.ts";
export { keeping, type ViewOptions } from "./layers/keeping.ts";
export { keepingWhere, type KeepingWhereOptions } from "./layers/keeping_where.ts";
export { observed, type ObservedOptions, type RepositoryOperation } from "./layers/observed.ts";
export { packed, type PackedOptions } from "./layers/packed.ts";
export type { KeyTest } from "./layers/wrap.ts";
export { readOnly } from "./layers/read_only.ts";
export { type KeyTranslation, prefixed, rekeyed } from "./layers/rekeyed.ts";
export { retrying, type RetryingOptions } from "./layers/retrying.ts";
export {
  type DocumentFileOptions,
  type DocumentOptions,
  JsonMetadataRepository,
  yaml,
  YamlMetadataRepository,
} from "./yaml.ts";
export { encoded } from "./encoded.ts";
export {
  type JsonSchema,
  type SchemaOptions,
  type StandardResult,
  type StandardSchema,
  validated,
  type Validator,
} from "./schema.ts";
export { and } from "./combine/and.ts";
export {
  ContentAddressedRepository,
  type DamagedFile,
  type GarbageReport,
} from "./combine/content_addressed.ts";
export { except } from "./combine/except.ts";
export { fallback, type FallbackOptions, type FallbackSizeOptions } from "./combine/fallback.ts";
export { filter } from "./combine/filter.ts";
export { type BlobItem, type FilesystemItem, fixed, type Item, type MetadataItem } from "./combine/fixed.ts";
export type { Manifest, ManifestEntry } from "./combine/manifest.ts";
export { map } from "./combine/map.ts";
export { or } from "./combine/or.ts";
export { overlay } from "./combine/overlay.ts";
export { type KeyFunction, related, type RelatedOptions } from "./combine/related.ts";
export type { AnyRepository, ViewOf } from "./combine/view.ts";

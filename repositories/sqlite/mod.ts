/**
 * Repositories in files of SQLite: many small values, many processes of one machine.
 *
 * @module
 */
export { sqliteBlobDriver, type SqliteBlobOptions, SqliteBlobRepository } from "./blob.ts";
export type { SqliteFileOptions } from "./connection.ts";
export { sqliteMetadataDriver, SqliteMetadataRepository, type SqliteOptions } from "./metadata.ts";

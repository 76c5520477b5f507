/**
 * Documents and blobs in MongoDB as repositories.
 *
 * @module
 */
export { mongoBlobDriver, type MongoBlobOptions, MongoBlobRepository } from "./blobs.ts";
export { mongoClient } from "./client.ts";
export { mongoMetadataDriver, MongoMetadataRepository } from "./metadata.ts";
export type { MongoOptions, MongoRetry, MongoSource } from "./place.ts";
export type { Db, MongoClient, MongoClientOptions } from "../../deps/mongodb.ts";

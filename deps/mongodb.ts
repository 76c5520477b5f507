/** The client of MongoDB, from mongodb: the one place that names it. */
export { Binary, BSON, GridFSBucket, Long, MongoClient, ObjectId } from "npm:mongodb@^7.0.0";
export type { AnyBulkWriteOperation, Collection, Db, Document, MongoClientOptions } from "npm:mongodb@^7.0.0";

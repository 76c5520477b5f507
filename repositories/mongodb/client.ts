/**
 * The client of MongoDB as a resource of a session.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import { MongoClient, type MongoClientOptions } from "../../deps/mongodb.ts";
import type { OpenResource } from "../../session/resource.ts";
import { explainMongo, refusedByDeno } from "./errors.ts";
import { abortable } from "./place.ts";

/** How long to look for a server, in milliseconds, unless the options or the URL say otherwise. */
const PATIENCE = 10_000;

/**
 * A client of MongoDB, for `session.resource`. It connects when the session opens and closes with it.
 *
 * @param url Where the servers are and who asks: `mongodb://user:password@host/database` or `mongodb+srv://…`.
 * @param options What the client takes besides; they go before what the URL says.
 * @returns What opens the client.
 * @throws {RepositoryError} When opened: with code `denied` when the password is wrong, `unavailable` when no server is found.
 * @example Documents in a database
 * ```ts
 * import { Session } from "@datatask/datatask";
 * import { mongoClient, MongoMetadataRepository } from "@datatask/datatask/mongodb";
 * import assert from "node:assert/strict";
 *
 * const session = new Session();
 * const mongo = session.resource("mongo", mongoClient("mongodb://127.0.0.1:27017/library"));
 * const books = new MongoMetadataRepository<{ pages: number }>(mongo, { collection: "books" });
 * assert.equal(books.name, "mongodb mongo/books");
 * ```
 */
export function mongoClient(url: string, options: MongoClientOptions = {}): OpenResource<MongoClient> {
  return async (stack, signal) => {
    let client: MongoClient;
    const patience = /[?&]serverSelectionTimeoutMS=/i.test(url) ? {} : { serverSelectionTimeoutMS: PATIENCE };
    try {
      client = new MongoClient(url, { appName: "datatask", ...patience, ...options });
    } catch (error) {
      const refused = refusedByDeno(error);
      throw new RepositoryError(
        refused === undefined ? "io" : "denied",
        `Cannot use the URL of MongoDB (${hidden(url)}): ${refused ?? (error as Error).message}`,
        { cause: error },
      );
    }
    stack.defer(() => client.close());
    const hosts = client.options.hosts.map(String).join(",") || hidden(url);
    try {
      await abortable(signal, client.connect());
    } catch (error) {
      throw explainMongo("connect to", `mongodb ${hosts}`, undefined, error);
    }
    return client;
  };
}

/** A URL without its password. */
function hidden(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//…@");
}

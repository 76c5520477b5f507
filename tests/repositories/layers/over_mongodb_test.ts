import { mongoBlobDriver, mongoMetadataDriver, type MongoSource } from "../../../repositories/mongodb/mod.ts";
import type { KeyDriver } from "../../../repositories/driver.ts";
import { connected, freshDatabase, mongodb } from "../mongodb/servers.ts";
import { type Backend, testLayersOfBlobs, testLayersOfDocuments } from "./matrix.ts";

/** A database for each test; each store but the first has a client of its own. */
function inDatabase<D extends KeyDriver>(
  name: string,
  make: (source: MongoSource, options: { database: string; collection: string }) => D,
): Backend<D> {
  return {
    name,
    async place(stack) {
      const client = await connected(stack);
      const database = freshDatabase(client, stack);
      let opened = 0;
      return async (collection, stack) =>
        make(opened++ === 0 ? client : await connected(stack), { database, collection });
    },
    test: (name, fn, ignored) => Deno.test({ name, fn, ignore: ignored !== undefined || !mongodb.available }),
  };
}

testLayersOfDocuments(inDatabase("mongoMetadataDriver()", mongoMetadataDriver));
testLayersOfBlobs(inDatabase("mongoBlobDriver()", mongoBlobDriver));

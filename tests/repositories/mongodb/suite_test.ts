import type { KeyDriver } from "../../../repositories/driver.ts";
import { mongoBlobDriver, mongoMetadataDriver, type MongoSource } from "../../../repositories/mongodb/mod.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import type { Harness } from "../../../testing/suite.ts";
import { connected, freshDatabase, mongodb } from "./servers.ts";

/** Each case has a database of its own; the second driver has a client of its own. */
function harness<D extends KeyDriver>(make: (source: MongoSource, database: string) => D): Harness<D> {
  const databases = new WeakMap<KeyDriver, string>();
  return {
    async make(stack) {
      const client = await connected(stack);
      const database = freshDatabase(client, stack);
      const driver = make(client, database);
      databases.set(driver, database);
      return driver;
    },
    reopen: async (driver, stack) => make(await connected(stack), databases.get(driver)!),
    many: 1_000,
    test: (name, fn, ignored) => Deno.test({ name, fn, ignore: ignored !== undefined || !mongodb.available }),
  };
}

testMetadataDriver(
  "mongoMetadataDriver()",
  harness((source, database) => mongoMetadataDriver(source, { database, collection: "values" })),
);
testBlobDriver("mongoBlobDriver()", {
  ...harness((source, database) => mongoBlobDriver(source, { database, collection: "values" })),
  many: 150,
  huge: 2 ** 30 + 1,
});

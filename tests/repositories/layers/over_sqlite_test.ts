import type { KeyDriver } from "../../../repositories/driver.ts";
import { openSqliteBlobs } from "../../../repositories/sqlite/blob.ts";
import {
  type Opened,
  openSqliteMetadata,
  type SqliteOptions,
} from "../../../repositories/sqlite/metadata.ts";
import { type Backend, testLayersOfBlobs, testLayersOfDocuments } from "./matrix.ts";

/** A file for each test, a table and a connection for each store. */
function inFile<D extends KeyDriver>(
  name: string,
  open: (path: string, options: SqliteOptions) => Opened<D>,
): Backend<D> {
  return {
    name,
    async place(stack) {
      const dir = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(dir, { recursive: true }));
      return (table, stack) => {
        const { driver, close } = open(`${dir}/values.db`, { table });
        stack.defer(close);
        return driver;
      };
    },
    whole: "changing",
  };
}

testLayersOfDocuments(inFile("sqliteMetadataDriver()", openSqliteMetadata));
testLayersOfBlobs(inFile("sqliteBlobDriver()", openSqliteBlobs));

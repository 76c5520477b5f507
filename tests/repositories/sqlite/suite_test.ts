import type { KeyDriver } from "../../../repositories/driver.ts";
import { openSqliteBlobs } from "../../../repositories/sqlite/blob.ts";
import {
  type Opened,
  openSqliteMetadata,
  type SqliteOptions,
} from "../../../repositories/sqlite/metadata.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import type { Harness } from "../../../testing/suite.ts";

/** A store in a file of its own, and a second connection to it. */
function inFile<D extends KeyDriver>(
  open: (path: string, options: SqliteOptions) => Opened<D>,
  options: SqliteOptions,
): Harness<D> {
  const paths = new WeakMap<D, string>();
  return {
    async make(stack) {
      const dir = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(dir, { recursive: true }));
      const path = `${dir}/sub/values.db`;
      const { driver, close } = open(path, options);
      stack.defer(close);
      paths.set(driver, path);
      return driver;
    },
    reopen(driver, stack) {
      const { driver: other, close } = open(paths.get(driver)!, options);
      stack.defer(close);
      return other;
    },
    many: 25_000,
  };
}

testMetadataDriver("sqliteMetadataDriver()", inFile(openSqliteMetadata, {}));
testMetadataDriver(
  "sqliteMetadataDriver() with fsync",
  inFile(openSqliteMetadata, { durability: "fsync", table: 'an "odd" name' }),
);
testBlobDriver("sqliteBlobDriver()", inFile(openSqliteBlobs, {}));

/** The conformance suites on `cached` of blobs and of trees, in memory and in a folder. */
import type { BlobDriver, FilesystemDriver, KeyDriver } from "../../../repositories/driver.ts";
import { directoryDriver } from "../../../repositories/directory.ts";
import { fileDriver } from "../../../repositories/files.ts";
import { cached, type CachedFolderOptions } from "../../../repositories/layers/cached.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { memoryBlobDriver } from "../../../repositories/memory.ts";
import { memoryFilesystemDriver } from "../../../repositories/memory_tree.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import type { Harness } from "../../../testing/suite.ts";

const many = 300;

testBlobDriver("cached() blobs in memory", {
  make: () => cached({ maxAge: "1h" })(memoryBlobDriver()),
  many,
});
testBlobDriver("cached() blobs in little memory", {
  make: () => cached({ maxAge: "1h", maxEntries: 2, maxBytes: 100, maxSize: 20 })(memoryBlobDriver()),
  many,
});
testBlobDriver("cached() blobs in memory over files", {
  async make(stack) {
    const dir = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    return cached({ maxAge: "1h" })(fileDriver(dir));
  },
  huge: 2 ** 28,
  many,
});

/** A store under a cache in a folder, and the same as another process would have it. */
function inFolder<D extends KeyDriver>(
  beneath: (dir: string) => D,
  over: (options: CachedFolderOptions) => (inner: D) => D,
  options: Partial<CachedFolderOptions> = {},
): Harness<D> {
  const dirs = new WeakMap<D, string>();
  const made = (dir: string): D => {
    const driver = over({ maxAge: "1h", folder: `${dir}/cache`, ...options })(beneath(`${dir}/values`));
    dirs.set(driver, dir);
    return driver;
  };
  return {
    async make(stack) {
      const dir = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(dir, { recursive: true }));
      return made(dir);
    },
    // What others write is seen at once only when every read looks at the version.
    ...(options.maxAge === 0 && {
      async reopen(driver: D) {
        const other = made(dirs.get(driver)!);
        await other.prepare?.();
        return other;
      },
    }),
    many,
  };
}

const blobs = (options: CachedFolderOptions) => (inner: BlobDriver): BlobDriver => cached(options)(inner);
const trees = (options: CachedFolderOptions) => (inner: FilesystemDriver): FilesystemDriver =>
  cached(options)(inner);

testBlobDriver("cached() blobs in a folder over memory", inFolder(() => memoryBlobDriver(), blobs));
testBlobDriver("cached() blobs in a folder over files", {
  ...inFolder(fileDriver, blobs, { maxBytes: 2 ** 31 }),
  huge: 2 ** 28,
});
testBlobDriver(
  "cached() blobs in a small folder",
  inFolder(fileDriver, blobs, { maxEntries: 2, maxBytes: 2 ** 20 }),
);
testBlobDriver("cached() blobs in a folder, looking each time", inFolder(fileDriver, blobs, { maxAge: 0 }));
testFilesystemDriver(
  "cached() trees in a folder over memory",
  inFolder(() => memoryFilesystemDriver(), trees),
);
testFilesystemDriver("cached() trees in a folder over directories", inFolder(directoryDriver, trees));
testFilesystemDriver(
  "cached() trees in a folder over archives",
  inFolder((dir) => packed({ compression: "gzip" })(fileDriver(dir)), trees),
);
testFilesystemDriver(
  "cached() trees in a small folder",
  inFolder(directoryDriver, trees, { maxSize: 2_000 }),
);
testFilesystemDriver(
  "cached() trees in a folder, looking each time",
  inFolder(directoryDriver, trees, { maxAge: 0 }),
);

import { fileDriver, type FileOptions } from "../../repositories/files.ts";
import type { BlobDriver } from "../../repositories/driver.ts";
import { testBlobDriver } from "../../testing/blob_suite.ts";
import type { Harness } from "../../testing/suite.ts";

/** A store in a folder of its own, and a second driver over it. */
function inFolder(options: FileOptions): Harness<BlobDriver> {
  const dirs = new WeakMap<BlobDriver, string>();
  return {
    async make(stack) {
      const dir = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(dir, { recursive: true }));
      const driver = fileDriver(`${dir}/values`, options);
      dirs.set(driver, `${dir}/values`);
      return driver;
    },
    reopen: (driver) => fileDriver(dirs.get(driver)!, options),
  };
}

testBlobDriver("fileDriver()", { ...inFolder({}), huge: 2 ** 30 + 1 });
testBlobDriver("fileDriver() with an extension", inFolder({ extension: ".txt" }));
testBlobDriver("fileDriver() with fsync", { ...inFolder({ durability: "fsync" }), many: 300 });
testBlobDriver("fileDriver() copied", {
  async make(stack) {
    return { ...await inFolder({}).make(stack) };
  },
});

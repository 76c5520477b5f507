import { directoryDriver, type DirectoryOptions } from "../../repositories/directory.ts";
import type { FilesystemDriver } from "../../repositories/driver.ts";
import { testFilesystemDriver } from "../../testing/filesystem_suite.ts";
import type { Harness } from "../../testing/suite.ts";

/** A store in a folder of its own, and a second driver over it. */
function inFolder(options: DirectoryOptions): Harness<FilesystemDriver> {
  const dirs = new WeakMap<FilesystemDriver, string>();
  return {
    async make(stack) {
      const dir = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(dir, { recursive: true }));
      const driver = directoryDriver(`${dir}/values`, options);
      dirs.set(driver, `${dir}/values`);
      return driver;
    },
    reopen: (driver) => directoryDriver(dirs.get(driver)!, options),
  };
}

testFilesystemDriver("directoryDriver()", { ...inFolder({}), many: 5_001, huge: 2 ** 30 + 1 });
testFilesystemDriver("directoryDriver() with an extension", {
  ...inFolder({ extension: ".tree" }),
  many: 300,
});
testFilesystemDriver("directoryDriver() with fsync", { ...inFolder({ durability: "fsync" }), many: 50 });
testFilesystemDriver("directoryDriver() copied", {
  many: 300,
  async make(stack) {
    return { ...await inFolder({}).make(stack) };
  },
});

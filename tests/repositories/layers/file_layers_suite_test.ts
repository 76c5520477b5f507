import { fileDriver } from "../../../repositories/files.ts";
import { compressed } from "../../../repositories/layers/compressed.ts";
import { encrypted } from "../../../repositories/layers/encrypted.ts";
import { keeping } from "../../../repositories/layers/keeping.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { prefixed } from "../../../repositories/layers/rekeyed.ts";
import type { BlobDriver } from "../../../repositories/driver.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";

const folders = new WeakMap<object, string>();

/** A fresh folder of files, removed when the test is over. */
async function files(stack: AsyncDisposableStack): Promise<string> {
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  return folder;
}

/** A harness for a layer over files. */
function over<D extends object>(layer: (driver: BlobDriver) => D) {
  return {
    many: 200,
    async make(stack: AsyncDisposableStack): Promise<D> {
      const folder = await files(stack);
      const driver = layer(fileDriver(folder));
      folders.set(driver, folder);
      return driver;
    },
    reopen: (driver: D): D => layer(fileDriver(folders.get(driver)!)),
  };
}

testBlobDriver('compressed("zstd") over files', { ...over(compressed("zstd")), huge: 2 ** 30 + 1 });
testBlobDriver("encrypted() over files", {
  ...over(encrypted({ current: "main", keys: { main: new Uint8Array(32).fill(7) } })),
  huge: 2 ** 30 + 1,
});
testBlobDriver("keeping() over files", over(keeping((key) => key !== "hidden", { id: "not-hidden" })));
testBlobDriver("prefixed() over files", {
  ...over(prefixed("p-")),
  except: [
    {
      case: "takes every valid key and keeps them apart",
      because: "a key of 128 characters has no room for a prefix",
    },
  ],
});
testFilesystemDriver("packed() over files", over(packed({ compression: "gzip" })));

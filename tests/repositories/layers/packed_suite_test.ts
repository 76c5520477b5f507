import { packed } from "../../../repositories/layers/packed.ts";
import { memoryBlobDriver } from "../../../repositories/memory.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";

for (const compression of [undefined, "gzip", "zstd"] as const) {
  testFilesystemDriver(`packed(${compression ?? ""})`, {
    make: () => packed({ compression })(memoryBlobDriver()),
    many: 200,
  });
}

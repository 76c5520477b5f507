import type { KeyDriver } from "../../../repositories/driver.ts";
import { memoryBlobDriver, memoryMetadataDriver } from "../../../repositories/memory.ts";
import { memoryFilesystemDriver } from "../../../repositories/memory_tree.ts";
import { type Backend, testLayersOfBlobs, testLayersOfDocuments, testLayersOfTrees } from "./matrix.ts";

/** Memory belongs to a driver: who opens a store again gets the same one. */
function inMemory<D extends KeyDriver>(name: string, make: () => D): Backend<D> {
  return {
    name,
    place() {
      const stores = new Map<string, D>();
      return (store) => {
        const driver = stores.get(store) ?? make();
        stores.set(store, driver);
        return driver;
      };
    },
    whole: "every",
    many: 300,
  };
}

testLayersOfBlobs(inMemory("memoryBlobDriver()", memoryBlobDriver));
testLayersOfDocuments(inMemory("memoryMetadataDriver()", memoryMetadataDriver));
testLayersOfTrees(inMemory("memoryFilesystemDriver()", memoryFilesystemDriver));

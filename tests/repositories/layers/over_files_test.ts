import { directoryDriver } from "../../../repositories/directory.ts";
import type { KeyDriver } from "../../../repositories/driver.ts";
import { fileDriver } from "../../../repositories/files.ts";
import { type Backend, testLayersOfBlobs, testLayersOfTrees } from "./matrix.ts";

/** A folder for each test, a folder in it for each store. */
function inFolder<D extends KeyDriver>(name: string, make: (folder: string) => D): Backend<D> {
  return {
    name,
    async place(stack) {
      const dir = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(dir, { recursive: true }));
      return (folder) => make(`${dir}/${folder}`);
    },
    whole: "changing",
    many: 200,
  };
}

testLayersOfBlobs({ ...inFolder("fileDriver()", fileDriver), huge: 2 ** 30 + 1 });
testLayersOfTrees(inFolder("directoryDriver()", directoryDriver));

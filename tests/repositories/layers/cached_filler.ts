/** A process that begins to read a value through a cache in a folder, and never ends: `cached_filler.ts VALUES CACHE KIND`. */
import { BlobRepository } from "../../../repositories/blob.ts";
import { fileDriver } from "../../../repositories/files.ts";
import { FilesystemRepository } from "../../../repositories/filesystem.ts";
import { cached } from "../../../repositories/layers/cached.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import type { BlobDriver } from "../../../repositories/driver.ts";

const [values, folder, kind] = Deno.args as [string, string, string];
const inner = fileDriver(values);
/** Gives a part of the value and then nothing more. */
const stuck: BlobDriver = {
  ...inner,
  async read(key, options) {
    const reader = (await inner.read(key, options))!.getReader();
    let sent = 0;
    return new ReadableStream({
      async pull(controller) {
        if (sent++ === 2) {
          console.log("half-way");
          await new Promise((resolve) => setTimeout(resolve, 600_000));
        }
        controller.enqueue((await reader.read()).value!);
      },
    }, { highWaterMark: 0 });
  },
};
const layer = cached({ maxAge: "1h", folder });
if (kind === "blob") {
  const blobs = new BlobRepository(stuck).with(layer);
  await blobs.prepare();
  for await (const _ of await blobs.open("large"));
} else {
  const trees = new FilesystemRepository(packed()(stuck)).with(layer);
  await trees.prepare();
  await trees.entries("large");
}

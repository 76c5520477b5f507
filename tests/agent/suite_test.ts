/** The suites of all kinds of value on repositories as workers see them: everything that is read and written passes through the agent. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readAll } from "../../core/bytes.ts";
import { json } from "../../core/codec.ts";
import { BlobRepository } from "../../repositories/blob.ts";
import type { BlobDriver, KeyDriver } from "../../repositories/driver.ts";
import { encoded } from "../../repositories/encoded.ts";
import { fileDriver } from "../../repositories/files.ts";
import { compressed } from "../../repositories/layers/compressed.ts";
import { packed } from "../../repositories/layers/packed.ts";
import { readOnly } from "../../repositories/layers/read_only.ts";
import {
  memoryBlobDriver,
  MemoryBlobRepository,
  MemoryMetadataRepository,
} from "../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../repositories/memory_tree.ts";
import type { Repository } from "../../repositories/repository.ts";
import { testBlobDriver } from "../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../testing/metadata_suite.ts";
import type { Harness } from "../../testing/suite.ts";
import { directory, file, tree } from "../../testing/trees.ts";
import { Place } from "./kit.ts";
import { View } from "./view.ts";

/** Each case has a store and an agent of its own; the second driver is another worker of the same agent. */
function through<D extends KeyDriver>(
  store: (stack: AsyncDisposableStack) => Repository | Promise<Repository>,
  over: (view: BlobDriver) => D,
): Harness<D> {
  const made = new WeakMap<D, readonly [Place, Repository]>();
  const view = async (place: Place, repository: Repository): Promise<D> => {
    const driver = over((await View.open(place, repository)).driver());
    made.set(driver, [place, repository]);
    return driver;
  };
  return {
    many: 300,
    make: async (stack) => await view(stack.use(await Place.make()), await store(stack)),
    reopen: (driver) => view(...made.get(driver)!),
  };
}

const stores = new WeakMap<KeyDriver, MemoryFilesystemRepository>();
const plain = (view: BlobDriver): BlobDriver => view;

testBlobDriver("blobs through the agent", through(() => new MemoryBlobRepository(), plain));
testBlobDriver("files through the agent", {
  ...through(async (stack) => {
    const folder = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    return new BlobRepository(fileDriver(folder));
  }, plain),
  huge: 2 ** 29,
});
testBlobDriver(
  "blobs without sizes and ranges through the agent",
  through(() => new BlobRepository(compressed("gzip")(memoryBlobDriver())), plain),
);
testMetadataDriver(
  "documents through the agent",
  through(() => new MemoryMetadataRepository(), (view) => encoded(view, json)),
);
const because = "the agent takes no links that lead out of their tree, and these trees have some";
testFilesystemDriver("trees through the agent", {
  ...through(() => new MemoryFilesystemRepository(), packed()),
  except: [
    "keeps modes, links, empty folders and names",
    "takes entries in any order",
    "hands out parents before what is in them, and sizes that are true",
    "opens one member",
    "follows links inside the tree and none out of it",
  ].map((name) => ({ case: name, because })),
});
testFilesystemDriver("trees read through the agent", {
  many: 300,
  async make(stack) {
    const store = new MemoryFilesystemRepository();
    const view = (await View.open(stack.use(await Place.make()), store)).driver();
    const driver = readOnly()(packed()(view));
    stores.set(driver, store);
    return driver;
  },
  writer: (driver) => stores.get(driver)!.driver,
});

Deno.test("the digest that the agent tells is that of what a worker reads, for every kind of value", async () => {
  await using place = await Place.make();
  const blobs = new MemoryBlobRepository();
  const documents = new MemoryMetadataRepository();
  const trees = new MemoryFilesystemRepository();
  await blobs.put("emma", "handsome, clever, and rich");
  await documents.set("emma", { author: "Jane Austen" });
  await trees.put("emma", tree([directory("a"), file("a/f", "one")]));
  for (const repository of [blobs, documents, trees]) {
    const view = await View.open(place, repository);
    const told = async (): Promise<[told: string, read: string]> => {
      const bytes = await readAll((await view.driver().read("emma"))!);
      return [await view.digest("emma"), createHash("sha256").update(bytes).digest("hex")];
    };
    const [before, read] = await told();
    assert.equal(before, read);
    if (repository === documents) await documents.set("emma", { author: "J. A." });
    else await view.driver().write("emma", repository === blobs ? new Uint8Array(7) : await archive());
    const [after, readAfter] = await told();
    assert.equal(after, readAfter);
    assert.notEqual(after, before);
  }
});

/** Another tree, as a worker sends it. */
async function archive() {
  const blobs = memoryBlobDriver();
  await packed()(blobs).write("emma", tree([file("b", "two")]));
  return (await blobs.readBytes!("emma"))!;
}

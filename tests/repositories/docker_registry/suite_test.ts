import {
  artifactDriver,
  dockerRegistryDriver,
  RegistryClient,
} from "../../../repositories/docker_registry/mod.ts";
import type { BlobDriver, FilesystemDriver, KeyDriver } from "../../../repositories/driver.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { needs } from "../../../testing/needs.ts";
import type { Harness } from "../../../testing/suite.ts";
import { layersOf } from "./layouts.ts";

const registry = needs("registry");

/** Each case has an image repository of its own; the registry keeps what is left in it. */
function harness<D extends KeyDriver>(
  make: (client: RegistryClient, repository: string) => D,
  many: number,
): Harness<D> {
  const repositories = new WeakMap<KeyDriver, string>();
  const client = () => new RegistryClient(registry.get("REGISTRY_URL"));
  return {
    make() {
      const repository = `suite/${crypto.randomUUID()}`;
      const driver = make(client(), repository);
      repositories.set(driver, repository);
      return driver;
    },
    reopen: (driver) => make(client(), repositories.get(driver)!),
    many,
    test: (name, fn, ignored) =>
      Deno.test({ name, fn, ignore: ignored !== undefined || !registry.available }),
  };
}

testFilesystemDriver(
  "dockerRegistryDriver()",
  harness<FilesystemDriver>(
    (client, repository) => packed()(layersOf(dockerRegistryDriver(client, { repository }))),
    120,
  ),
);
testBlobDriver("artifactDriver()", {
  ...harness<BlobDriver>((client, repository) => artifactDriver(client, { repository }), 120),
  huge: 2 ** 30 + 1,
});

import {
  artifactDriver,
  dockerRegistryDriver,
  RegistryClient,
} from "../../../repositories/docker_registry/mod.ts";
import type { FilesystemDriver, KeyDriver } from "../../../repositories/driver.ts";
import { packed } from "../../../repositories/layers/packed.ts";
import { layersOf } from "../docker_registry/layouts.ts";
import { registry } from "../docker_registry/servers.ts";
import { type Backend, testLayersOfTrees, testValuesOfBlobs } from "./matrix.ts";

/** An image repository for each store; the registry keeps what is left in it. */
function inRegistry<D extends KeyDriver>(
  name: string,
  make: (client: RegistryClient, options: { repository: string }) => D,
): Backend<D> {
  return {
    name,
    place() {
      const place = `suite/${crypto.randomUUID()}`;
      return (store) =>
        make(new RegistryClient(registry.get("REGISTRY_URL")), { repository: `${place}/${store}` });
    },
    many: 30,
    test: (name, fn, ignored) =>
      Deno.test({ name, fn, ignore: ignored !== undefined || !registry.available }),
  };
}

// Key layers of blobs are left out: they ask the same client the same as those of trees.
testLayersOfTrees(
  inRegistry<FilesystemDriver>(
    "dockerRegistryDriver()",
    (client, options) => packed()(layersOf(dockerRegistryDriver(client, options))),
  ),
);
testValuesOfBlobs(inRegistry("artifactDriver()", artifactDriver));

/** A pipeline whose tasks make and take images: an image is a value as any other. */
import assert from "node:assert/strict";
import {
  FileRepository,
  functionTask,
  input,
  output,
  Pipeline,
  processTask,
  Session,
  sh,
  YamlMetadataRepository,
} from "../../../mod.ts";
import { decodeText } from "../../../core/bytes.ts";
import { DockerRegistryRepository, registryClient } from "../../../repositories/docker_registry/mod.ts";
import { pathOfDigest } from "../../../repositories/docker_registry/manifest.ts";
import { filesOf, MANIFEST } from "./layouts.ts";
import { fresh, registry, test } from "./servers.ts";

const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

test("a script makes images in a registry, a body takes them, and one that is deleted is made again", async (stack) => {
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const session = new Session();
  const client = session.resource("registry", registryClient(registry.get("REGISTRY_URL")));
  const images = new DockerRegistryRepository(client, { repository: fresh().repository });
  const books = new FileRepository(`${dir}/books`, { extension: ".txt" });
  const reports = new FileRepository(`${dir}/reports`, { extension: ".txt" });

  const build = processTask("build", {
    done: YamlMetadataRepository.files(`${dir}/built`),
    links: { book: input(books), image: output(images) },
    script: ({ job, book, image }) =>
      sh`
        set -eu
        mkdir -p ${image}/blobs/sha256
        cd ${image}
        keep() {
          digest=$(sha256sum < new | cut -c 1-64) size=$(wc -c < new | tr -d ' ')
          mv new "blobs/sha256/$digest"
          part=$(printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' "$1" "$digest" "$size")
        }
        mkdir root
        cp ${book} root/book.txt
        tar -cf new -C root book.txt
        rm -r root
        keep ${LAYER}; layer=$part
        printf '{"architecture":"amd64","os":"linux","config":{"Labels":{"book":"%s"}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
          ${job} "$digest" > new
        keep ${CONFIG}; config=$part
        printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}' ${MANIFEST} "$config" "$layer" > new
        keep ${MANIFEST}
        printf '{"schemaVersion":2,"manifests":[%s]}' "$part" > index.json
        printf '{"imageLayoutVersion":"1.0.0"}' > oci-layout`,
  });
  const inspect = functionTask(
    "inspect",
    {
      done: YamlMetadataRepository.files(`${dir}/inspected`),
      links: { image: input(images), report: output(reports) },
    },
    async ({ image, report }) => {
      const files = await filesOf(await image.entries());
      const parsed = (path: string) => JSON.parse(decodeText(files.get(path)!));
      const { layers } = parsed(pathOfDigest(parsed("index.json").manifests[0].digest));
      await report.write(files.get(pathOfDigest(layers[0].digest))!.slice(512));
    },
  );
  const pipeline = () => new Pipeline({ tasks: [build, inspect], session, state: `${dir}/state` });

  const texts = { "moby-dick": "Call me Ishmael.", emma: "Emma Woodhouse, handsome, clever, and rich" };
  for (const [key, text] of Object.entries(texts)) await books.put(key, text);
  const first = await pipeline().run().finished;
  assert.deepEqual([first.succeeded, first.failed], [4, 0]);
  for (const [key, text] of Object.entries(texts)) assert((await reports.text(key)).startsWith(text), key);
  {
    await using _open = await session.open();
    assert.deepEqual((await Array.fromAsync(images)).sort(), ["emma", "moby-dick"]);
    assert.deepEqual((await images.imageInfo("emma")).labels, { book: "emma" });
    await images.delete("emma");
  }
  for (const folder of ["built", "inspected"]) await Deno.remove(`${dir}/${folder}/emma.yaml`);
  const again = await pipeline().run().finished;
  assert.deepEqual([again.started, again.succeeded], [2, 2], "only what was deleted is made again");
  await using _open = await session.open();
  assert.deepEqual((await Array.fromAsync(images)).sort(), ["emma", "moby-dick"]);
});

test("a job fails whose output is no image, and the registry shows nothing of it", async (stack) => {
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const { client, repository } = fresh();
  const images = new DockerRegistryRepository(client, { repository });
  const books = new FileRepository(`${dir}/books`);
  await books.put("emma", "Emma Woodhouse");
  const done = YamlMetadataRepository.files(`${dir}/built`);
  const build = processTask("build", {
    done,
    links: { book: input(books), image: output(images) },
    script: ({ book, image }) => sh`mkdir -p ${image}; cp ${book} ${image}/book.txt`,
  });
  const { failed } = await new Pipeline({ tasks: [build], state: `${dir}/state` }).run().finished;
  assert.equal(failed, 1);
  assert.match(JSON.stringify(await done.driver.beside!("failed").get("emma")), /the tree is no image/);
  assert.deepEqual(await Array.fromAsync(images), []);
});

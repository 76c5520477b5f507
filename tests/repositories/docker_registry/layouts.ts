/**
 * Image layouts for tests, made of a few bytes.
 *
 * @module
 */
import { type Bytes, decodeText, encodeText, readAll, toStream } from "../../../core/bytes.ts";
import type { FilesystemDriver, TreeEntry } from "../../../repositories/driver.ts";
import type { BlobDriver } from "../../../repositories/driver.ts";
import { digestOf } from "../../../repositories/docker_registry/digest.ts";
import { pathOfDigest } from "../../../repositories/docker_registry/manifest.ts";

export interface Part {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string };
}

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const INDEX = "application/vnd.oci.image.index.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** An image layout in the making. */
export class Layout {
  readonly files = new Map<string, Bytes>([["oci-layout", encodeText('{"imageLayoutVersion":"1.0.0"}')]]);

  async add(mediaType: string, bytes: Bytes): Promise<Part> {
    const digest = await digestOf(bytes);
    this.files.set(pathOfDigest(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  json(mediaType: string, value: unknown): Promise<Part> {
    return this.add(mediaType, encodeText(JSON.stringify(value)));
  }

  async image(
    layers: readonly Bytes[],
    options: { architecture?: string; labels?: Record<string, string> } = {},
  ): Promise<Part> {
    const { architecture = "amd64", labels = {} } = options;
    const parts = [];
    for (const layer of layers) parts.push(await this.add(LAYER, layer));
    const config = await this.json(CONFIG, {
      architecture,
      os: "linux",
      created: "2001-02-03T04:05:06Z",
      config: { Labels: labels },
      rootfs: { type: "layers", diff_ids: parts.map((part) => part.digest) },
    });
    const manifest = await this.json(MANIFEST, {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config,
      layers: parts,
    });
    return { ...manifest, platform: { os: "linux", architecture } };
  }

  index(...manifests: Part[]): this {
    this.files.set("index.json", encodeText(JSON.stringify({ schemaVersion: 2, manifests })));
    return this;
  }

  async *entries(): AsyncGenerator<TreeEntry> {
    for (const [path, bytes] of this.files) {
      yield {
        kind: "file",
        path,
        mode: 0o644,
        size: bytes.length,
        open: () => Promise.resolve(toStream(bytes)),
      };
    }
  }
}

/** The layout of an image with one layer. */
export async function imageOf(
  layer: Bytes | string,
  options: { architecture?: string; labels?: Record<string, string> } = {},
): Promise<Layout> {
  const layout = new Layout();
  return layout.index(await layout.image([typeof layer === "string" ? encodeText(layer) : layer], options));
}

/** The files of a tree, by path. */
export async function filesOf(entries: AsyncIterable<TreeEntry> | undefined): Promise<Map<string, Bytes>> {
  const found = new Map<string, Bytes>();
  for await (const entry of entries ?? []) {
    if (entry.kind === "file") found.set(entry.path, await readAll(await entry.open()));
  }
  return found;
}

/** The one layer of an image. */
async function layerOf(
  images: FilesystemDriver,
  key: string,
  signal?: AbortSignal,
): Promise<ReadableStream<Bytes> | undefined> {
  const options = signal && { signal };
  const entries = await images.entries(key, options);
  if (!entries) return undefined;
  const files = new Map<string, TreeEntry & { kind: "file" }>();
  for await (const entry of entries) if (entry.kind === "file") files.set(entry.path, entry);
  const parse = async (path: string) => JSON.parse(decodeText(await readAll(await files.get(path)!.open())));
  const [root] = (await parse("index.json")).manifests;
  const { layers } = await parse(pathOfDigest(root.digest));
  return await files.get(pathOfDigest(layers[0].digest))!.open();
}

/** A store of blobs, each the layer of an image: so that the suites can be run on images. */
export function layersOf(images: FilesystemDriver): BlobDriver {
  const { entries: _entries, write: _write, beside, ...keys } = images;
  return {
    ...keys,
    read: (key, options) => layerOf(images, key, options?.signal),
    async write(key, content, options) {
      options?.signal?.throwIfAborted();
      const layout = await imageOf(await readAll(content, options?.signal));
      await images.write(key, layout.entries(), options);
    },
    ...(beside && { beside: (name) => layersOf(beside(name)) }),
  };
}

/**
 * Takes in a tree of files that is an OCI image layout: blobs go to the registry as they come, the manifests when all is there, and the
 * tag last, so that it never shows half an image.
 *
 * @module
 */
import { type Bytes, concat, decodeText } from "../../core/bytes.ts";
import type { TreeEntry } from "../driver.ts";
import { eachOf } from "../stream_chunks.ts";
import { measured, TreeCheck } from "../tree_check.ts";
import { RegistryFault } from "./fault.ts";
import type { Images } from "./images.ts";
import { isForeign } from "./layout_read.ts";
import {
  type Descriptor,
  digestOfPath,
  isManifestType,
  type Manifest,
  MAX_MANIFEST,
  parseManifest,
  partsOf,
} from "./manifest.ts";

/** What other tools put beside a layout and what says nothing that is not in it: `docker save` writes both. */
const BESIDE: ReadonlySet<string> = new Set(["manifest.json", "repositories"]);

/** An image layout on its way into an image repository. */
export class LayoutWriter {
  readonly #images: Images;
  readonly #signal: AbortSignal | undefined;
  readonly #check = new TreeCheck();
  readonly #sizes = new Map<string, number>();
  readonly #pushed = new Set<string>();
  #index: Bytes | undefined;
  #version: Bytes | undefined;

  /**
   * @param images The image repository.
   * @param signal When to stop.
   */
  constructor(images: Images, signal: AbortSignal | undefined) {
    this.#images = images;
    this.#signal = signal;
  }

  /**
   * Sends all but the tag.
   *
   * @param entries The tree, in any order.
   * @returns The manifest that the tag is to point to.
   * @throws {RegistryFault} With code `invalid-value` when the tree is no image.
   */
  async take(entries: AsyncIterable<TreeEntry>): Promise<Manifest> {
    for await (const entry of eachOf(entries, this.#signal)) {
      const { path } = this.#check.admit(entry);
      if (entry.kind === "file") await this.#file(path, entry);
      else if (entry.kind === "symlink") {
        throw noLayout(`${JSON.stringify(path)} is a symbolic link, and an image layout has none`);
      } else if (!/^(ingest|blobs(\/[a-z0-9]+)?)$/.test(path)) {
        throw noLayout(`the folder ${JSON.stringify(path)} has no place in it`);
      }
    }
    this.#signal?.throwIfAborted();
    return await this.#root();
  }

  async #file(path: string, entry: TreeEntry & { kind: "file" }): Promise<void> {
    const digest = digestOfPath(path);
    if (digest !== undefined) return await this.#blob(digest, entry);
    if (path !== "oci-layout" && path !== "index.json" && !BESIDE.has(path)) {
      throw noLayout(`the file ${JSON.stringify(path)} has no place in it`);
    }
    if (entry.size > MAX_MANIFEST) throw noLayout(`${JSON.stringify(path)} has ${entry.size} bytes`);
    const bytes = concat(await Array.fromAsync(measured(entry, this.#signal), (chunk) => chunk.slice()));
    if (path === "index.json") this.#index = bytes;
    if (path === "oci-layout") this.#version = bytes;
  }

  /** A blob that the registry has already is not sent again: it goes by its content. */
  async #blob(digest: string, entry: TreeEntry & { kind: "file" }): Promise<void> {
    if (await this.#images.blobSize(digest, this.#signal) !== entry.size) {
      await this.#images.upload(measured(entry, this.#signal), digest, this.#signal);
    }
    this.#sizes.set(digest, entry.size);
  }

  async #root(): Promise<Manifest> {
    if (!this.#version || !this.#index) {
      throw noLayout(`it has no ${this.#index ? "oci-layout" : "index.json"}`);
    }
    const { imageLayoutVersion: version } = parsed("oci-layout", this.#version);
    if (version !== "1.0.0") {
      throw noLayout(`its version is ${JSON.stringify(version)}, and 1.0.0 is known here`);
    }
    const { manifests } = parsed("index.json", this.#index) as { readonly manifests?: readonly Descriptor[] };
    const sound = Array.isArray(manifests) && manifests.length > 0 &&
      manifests.every((m) => m?.digest && m.size >= 0);
    if (!sound) throw noLayout("its index.json names no image");
    if (manifests.length === 1) return await this.#manifest(manifests[0]!, true);
    // Images for several platforms, side by side: what joins them is the index itself.
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const bytes = withType(this.#index, mediaType);
    for (const part of manifests) await this.#manifest(part, false);
    return parseManifest(bytes, { mediaType, digest: "index.json" });
  }

  /** Pushes what a manifest refers to, and then itself, by digest; the one of the tag is pushed by its tag alone. */
  async #manifest(described: Descriptor, isRoot: boolean): Promise<Manifest> {
    if (!this.#sizes.has(described.digest)) throw noLayout(`it lacks the manifest ${described.digest}`);
    if (described.size > MAX_MANIFEST) {
      throw noLayout(`the manifest ${described.digest} says it has ${described.size} bytes`);
    }
    const manifest = parseManifest(await this.#images.smallBlob(described, this.#signal), described);
    for (const part of partsOf(manifest)) {
      if (manifest.content.kind === "index" || isManifestType(part.mediaType)) {
        if (!this.#pushed.has(part.digest)) await this.#manifest(part, false);
      } else if (!isForeign(part)) await this.#present(part);
    }
    if (!isRoot) {
      await this.#images.putManifest(manifest.digest, manifest.bytes, manifest.mediaType, this.#signal);
    }
    this.#pushed.add(manifest.digest);
    return manifest;
  }

  async #present({ digest, size }: Descriptor): Promise<void> {
    const there = this.#sizes.get(digest) ?? await this.#images.blobSize(digest, this.#signal);
    if (there === size) return;
    throw noLayout(
      there === undefined
        ? `it lacks the blob ${digest}`
        : `the blob ${digest} has ${there} bytes, and ${size} are said of it`,
    );
  }
}

function noLayout(why: string): RegistryFault {
  return new RegistryFault(
    "invalid-value",
    `the tree is no image: ${why}; give an OCI image layout (oci-layout, index.json, blobs/), or keep other trees with packed() over artifactDriver()`,
  );
}

function parsed(path: string, bytes: Bytes): Record<string, unknown> {
  try {
    return JSON.parse(decodeText(bytes)) ?? {};
  } catch {
    throw noLayout(`${JSON.stringify(path)} is no JSON`);
  }
}

/** An index says of itself what it is; in a layout it need not. */
function withType(index: Bytes, mediaType: string): Bytes {
  const json = parsed("index.json", index);
  return json.mediaType === mediaType
    ? index
    : new TextEncoder().encode(JSON.stringify({ ...json, mediaType })) as Bytes;
}

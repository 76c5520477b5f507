/**
 * An image as a tree of files: the OCI image layout, as `skopeo`, `crane`, `podman` and `docker load` read it.
 *
 * @module
 */
import { type Bytes, encodeText } from "../../core/bytes.ts";
import type { TreeEntry } from "../driver.ts";
import { verified } from "./digest.ts";
import { RegistryFault } from "./fault.ts";
import type { Images } from "./images.ts";
import { type Descriptor, isManifestType, type Manifest, partsOf, pathOfDigest } from "./manifest.ts";

/** Files that anybody may read, as layouts have them. */
const MODE = 0o644;

/** How deep indexes may lie in each other. */
const DEEPEST = 4;

/**
 * All manifests of an image: the one of the tag first, then those that it refers to.
 *
 * @param images The image repository.
 * @param root The manifest of the tag.
 * @param signal When to stop.
 * @returns The manifests, each once.
 * @throws {RegistryFault} When one is missing, damaged, or of a kind not known.
 */
export async function manifestsOf(images: Images, root: Manifest, signal?: AbortSignal): Promise<Manifest[]> {
  const found = new Map<string, Manifest>([[root.digest, root]]);
  const visit = async (manifest: Manifest, depth: number): Promise<void> => {
    if (manifest.content.kind !== "index") return;
    if (depth > DEEPEST) {
      throw new RegistryFault("invalid-value", `indexes lie in each other more than ${DEEPEST} deep`);
    }
    for (const part of manifest.content.manifests) {
      if (found.has(part.digest)) continue;
      const next = await images.manifest(part.digest, signal);
      if (!next) {
        throw new RegistryFault(
          "io",
          `the registry lacks ${part.digest}, a part of the image; push it again`,
        );
      }
      found.set(part.digest, next);
      await visit(next, depth + 1);
    }
  };
  await visit(root, 1);
  return [...found.values()];
}

/**
 * The blobs of an image, each once. What only lies elsewhere (`urls`) is not among them.
 *
 * @param manifests Its manifests.
 * @returns The configurations and layers.
 */
export function blobsOf(manifests: readonly Manifest[]): Descriptor[] {
  const found = new Map<string, Descriptor>();
  for (const manifest of manifests) {
    if (manifest.content.kind === "index") continue;
    for (const part of partsOf(manifest)) if (!isForeign(part)) found.set(part.digest, part);
  }
  return [...found.values()];
}

/**
 * Whether a layer is one that registries need not have.
 *
 * @param part The layer.
 * @returns Whether it is.
 */
export function isForeign(part: Descriptor): boolean {
  return (part.urls?.length ?? 0) > 0 && /foreign|nondistributable/.test(part.mediaType);
}

/**
 * The tree of an image. Its files come from the registry one at a time, when they are opened, and are checked as they come.
 *
 * @param images The image repository.
 * @param root The manifest of the tag.
 * @param explain Turns a fault into what the reader should see.
 * @param signal When to stop.
 * @returns The entries, parents first, always in the same order.
 */
export async function* layoutEntries(
  images: Images,
  root: Manifest,
  explain: (error: unknown) => unknown,
  signal?: AbortSignal,
): AsyncGenerator<TreeEntry, void, void> {
  try {
    const manifests = await manifestsOf(images, root, signal);
    const entries = new Map<string, TreeEntry>();
    for (const { digest, bytes } of manifests) {
      entries.set(pathOfDigest(digest), fileOf(pathOfDigest(digest), bytes));
    }
    for (const blob of blobsOf(manifests)) {
      const path = pathOfDigest(blob.digest);
      if (entries.has(path)) continue;
      const open = (): Promise<ReadableStream<Bytes>> => openBlob(images, blob, explain, signal);
      entries.set(path, { kind: "file", path, mode: MODE, size: blob.size, open });
    }
    yield fileOf("oci-layout", encodeText('{"imageLayoutVersion":"1.0.0"}'));
    yield fileOf("index.json", indexOf(root));
    const folders = new Set([...entries.keys()].map((path) => path.slice(0, path.lastIndexOf("/"))));
    for (const path of ["blobs", ...[...folders].sort()]) yield { kind: "directory", path, mode: 0o755 };
    for (const path of [...entries.keys()].sort()) {
      signal?.throwIfAborted();
      yield entries.get(path)!;
    }
  } catch (error) {
    throw explain(error);
  }
}

/** The file that says where to begin. */
function indexOf({ mediaType, digest, size }: Manifest): Bytes {
  return encodeText(JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ mediaType, digest, size }],
  }));
}

function fileOf(path: string, bytes: Bytes): TreeEntry {
  const open = (): Promise<ReadableStream<Bytes>> => Promise.resolve(ReadableStream.from([bytes.slice()]));
  return { kind: "file", path, mode: MODE, size: bytes.length, open };
}

async function openBlob(
  images: Images,
  blob: Descriptor,
  explain: (error: unknown) => unknown,
  signal: AbortSignal | undefined,
): Promise<ReadableStream<Bytes>> {
  try {
    signal?.throwIfAborted();
    const response = await images.blob(blob.digest, signal);
    if (!response) {
      const kind = isManifestType(blob.mediaType) ? "manifest" : "layer";
      throw new RegistryFault(
        "io",
        `the registry lacks ${blob.digest}, a ${kind} of the image; push it again`,
      );
    }
    return verified(
      response.body as ReadableStream<Bytes> | null ?? ReadableStream.from([]),
      blob,
      (error) => {
        if (signal?.aborted) return signal.reason;
        return explain(error instanceof RegistryFault ? error : broken(blob, error));
      },
      signal,
    );
  } catch (error) {
    throw explain(error);
  }
}

/** What it means that a body ended before its end. */
export function broken({ digest }: { readonly digest: string }, error: unknown): RegistryFault {
  return new RegistryFault("unavailable", `the connection broke while ${digest} was read; run again`, {
    cause: error,
  });
}

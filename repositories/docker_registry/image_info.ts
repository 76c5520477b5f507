/**
 * What is known of an image without pulling it.
 *
 * @module
 */
import { decodeText } from "../../core/bytes.ts";
import type { Images } from "./images.ts";
import { blobsOf, manifestsOf } from "./layout_read.ts";
import type { Manifest } from "./manifest.ts";

/** For which machines an image is. */
export interface ImagePlatform {
  /** `linux`. */
  readonly os: string;
  /** `amd64`. */
  readonly architecture: string;
  /** `v7`. */
  readonly variant?: string | undefined;
  /** The digest of the image for these machines. */
  readonly digest: string;
  /** What its layers and configuration have as they are stored, in bytes. */
  readonly size: number;
}

/** What is known of an image. */
export interface ImageInfo {
  /** The digest that the tag points to: `sha256:…`. */
  readonly digest: string;
  /** The type of its manifest. */
  readonly mediaType: string;
  /** What all its blobs and manifests have as they are stored, in bytes; what images share counts once. */
  readonly size: number;
  /** Labels of the image; of several platforms, those that all have alike. */
  readonly labels: Readonly<Record<string, string>>;
  /** For which machines it is. Artifacts that are no images (signatures, attestations) are left out. */
  readonly platforms: readonly ImagePlatform[];
  /** When it was made, in milliseconds since 1970, where it says so. */
  readonly created?: number | undefined;
}

interface Config {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly created?: string;
  readonly config?: { readonly Labels?: Record<string, string> | null } | null;
}

/**
 * What is known of an image: reads its manifests and configurations, none of its layers.
 *
 * @param images The image repository.
 * @param root The manifest of the tag.
 * @param signal When to stop.
 * @returns What is known.
 */
export async function imageInfoOf(images: Images, root: Manifest, signal?: AbortSignal): Promise<ImageInfo> {
  const manifests = await manifestsOf(images, root, signal);
  const configs = await Promise.all(manifests.map((manifest) => readConfig(images, manifest, signal)));
  const found = manifests.flatMap((manifest, i) => {
    const config = configs[i];
    return config?.os && config.architecture && config.os !== "unknown" ? [{ manifest, config }] : [];
  });
  const size = [...blobsOf(manifests), ...manifests].reduce((sum, part) => sum + part.size, 0);
  const created = Math.max(
    ...found.map(({ config }) => Date.parse(config.created ?? "")).filter((at) => !Number.isNaN(at)),
  );
  return {
    digest: root.digest,
    mediaType: root.mediaType,
    size,
    labels: common(found.map(({ config }) => config.config?.Labels ?? {})),
    platforms: found.map(({ manifest, config }) => ({
      os: config.os!,
      architecture: config.architecture!,
      ...(config.variant && { variant: config.variant }),
      digest: manifest.digest,
      size: blobsOf([manifest]).reduce((sum, part) => sum + part.size, 0),
    })),
    ...(Number.isFinite(created) && { created }),
  };
}

async function readConfig(
  images: Images,
  { content }: Manifest,
  signal: AbortSignal | undefined,
): Promise<Config | undefined> {
  if (content.kind === "index" || !/image\.config|container\.image/.test(content.config.mediaType)) {
    return undefined;
  }
  return JSON.parse(decodeText(await images.smallBlob(content.config, signal))) as Config;
}

function common(all: readonly Record<string, string>[]): Record<string, string> {
  const [first = {}, ...rest] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => rest.every((labels) => labels[name] === value)),
  );
}

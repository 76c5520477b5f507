/**
 * Manifests: the documents that say what an image is made of.
 *
 * @module
 */
import { type Bytes, decodeText } from "../../core/bytes.ts";
import { RegistryFault } from "./fault.ts";

/** Names a blob or a manifest by its content. */
export interface Descriptor {
  /** What it is. */
  readonly mediaType: string;
  /** `sha256:…`. */
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  /** Where the content can be had besides the registry. */
  readonly urls?: readonly string[] | undefined;
  /** Of an image in an index: for which machines it is. */
  readonly platform?: {
    readonly os?: string | undefined;
    readonly architecture?: string | undefined;
    readonly variant?: string | undefined;
  } | undefined;
  /** Whatever else was said of it. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** A manifest as the registry has it. */
export interface Manifest extends Descriptor {
  /** Its bytes, of which the digest is. */
  readonly bytes: Bytes;
  /** What it refers to. */
  readonly content: ImageManifest | ImageIndex;
}

/** The manifest of one image. */
export interface ImageManifest {
  readonly kind: "image";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** The manifest of an image for several platforms. */
export interface ImageIndex {
  readonly kind: "index";
  readonly manifests: readonly Descriptor[];
}

/** The type of an image in the form of OCI. */
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
/** The type of an index in the form of OCI. */
const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const IMAGES: readonly string[] = [OCI_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json"];
const INDEXES: readonly string[] = [OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"];

/** What a request for a manifest accepts. */
export const ACCEPT: string = [...IMAGES, ...INDEXES].join(", ");

/** The largest manifest that is read, in bytes: registries take no larger ones. */
export const MAX_MANIFEST: number = 4 * 2 ** 20;

const DIGEST = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

/**
 * Whether a type is one of a manifest.
 *
 * @param mediaType The type.
 * @returns Whether it is known here.
 */
export function isManifestType(mediaType: string): boolean {
  return IMAGES.includes(mediaType) || INDEXES.includes(mediaType);
}

/**
 * Reads a manifest.
 *
 * @param bytes Its bytes.
 * @param described The type and digest that it goes by.
 * @returns What it says.
 * @throws {RegistryFault} With code `invalid-value` when its type is not known, or it is damaged.
 */
export function parseManifest(
  bytes: Bytes,
  described: { readonly mediaType: string; readonly digest: string },
): Manifest {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(decodeText(bytes));
  } catch (error) {
    throw new RegistryFault(
      "invalid-value",
      `the manifest ${described.digest} is no JSON; push the image again`,
      { cause: error },
    );
  }
  const mediaType = typeof json?.mediaType === "string"
    ? json.mediaType
    : described.mediaType.split(";")[0]!.trim();
  const common = { mediaType, digest: described.digest, size: bytes.length, bytes };
  if (INDEXES.includes(mediaType)) {
    const manifests = list(json.manifests, described.digest);
    return { ...common, content: { kind: "index", manifests } };
  }
  if (IMAGES.includes(mediaType)) {
    const [config] = list([json.config], described.digest);
    const annotations = (json.annotations ?? {}) as Record<string, string>;
    return {
      ...common,
      content: { kind: "image", config: config!, layers: list(json.layers, described.digest), annotations },
    };
  }
  const old = /manifest\.v1\+/.test(mediaType)
    ? ", of the first generation of Docker; push it again with a Docker of this decade"
    : "";
  throw new RegistryFault(
    "invalid-value",
    `its manifest is of the type ${JSON.stringify(mediaType)}, which is not known here${
      old || "; images and indexes of OCI and of Docker are"
    }`,
  );
}

function list(value: unknown, digest: string): Descriptor[] {
  const items = (value ?? []) as Descriptor[];
  const sound = Array.isArray(items) &&
    items.every((item) =>
      typeof item?.mediaType === "string" && DIGEST.test(item.digest) && Number.isSafeInteger(item.size) &&
      item.size >= 0
    );
  if (sound) return items;
  throw new RegistryFault("invalid-value", `the manifest ${digest} is damaged; push the image again`);
}

/**
 * What a manifest refers to directly.
 *
 * @param manifest The manifest.
 * @returns Its blobs, or the manifests of an index.
 */
export function partsOf({ content }: Manifest): readonly Descriptor[] {
  return content.kind === "index" ? content.manifests : [content.config, ...content.layers];
}

/**
 * Takes a path of an image layout apart.
 *
 * @param path `blobs/sha256/…`.
 * @returns The digest it stands for, or nothing.
 */
export function digestOfPath(path: string): string | undefined {
  const digest = path.startsWith("blobs/") ? path.slice("blobs/".length).replace("/", ":") : "";
  return DIGEST.test(digest) ? digest : undefined;
}

/**
 * Where a digest lies in an image layout.
 *
 * @param digest `sha256:…`.
 * @returns `blobs/sha256/…`.
 */
export function pathOfDigest(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/**
 * Removing a tag and nothing else. A registry deletes images by digest, and with the digest go all tags that share it; so a tag that
 * shares its image with others is first moved to an image of its own.
 *
 * What a crash leaves half-way: the tag points to a stand-in, and so does a marker tag, which no key can be. Both tell that the tag
 * is gone; whoever prepares the repository or deletes the tag again finishes it.
 *
 * @module
 */
import { type Bytes, encodeText } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import { digestOf } from "./digest.ts";
import { patiently, RegistryFault } from "./fault.ts";
import type { Images } from "./images.ts";
import { type Manifest, OCI_MANIFEST } from "./manifest.ts";

/** Names of markers begin with it: an underscore begins no key. */
const MARKER = "_deleting-";

/** Says, in a stand-in, which tag is being deleted. */
const DELETING = "dev.datatask.deleting";

/** All stand-ins have this size, so that other images are told from them without being read. In bytes. */
const STAND_IN_SIZE = 1_021;

/** How many tags are looked at together. */
const WIDTH = 16;

const EMPTY = encodeText("{}");
const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";

/**
 * Whether a tag is a marker of a deletion.
 *
 * @param tag The tag.
 * @returns Whether it is.
 */
export function isMarker(tag: string): boolean {
  return tag.startsWith(MARKER);
}

/**
 * Which tag a stand-in stands for.
 *
 * @param manifest What a tag points to.
 * @returns The tag that is being deleted, or nothing when it is an image.
 */
export function deletedTag({ content }: Manifest): string | undefined {
  return content.kind === "image" ? content.annotations[DELETING] : undefined;
}

/**
 * Whether what a tag points to may be a stand-in.
 *
 * @param size The size of the manifest in bytes, where it is known.
 * @returns Whether one has to look.
 */
export function maybeStandIn(size: number | undefined): boolean {
  return size === undefined || size === STAND_IN_SIZE;
}

/** The marker of a tag. It tells the tag even when nothing is left of the stand-in. */
async function markerOf(tag: string): Promise<string> {
  return MARKER + (await digestOf(encodeText(tag))).slice(-32);
}

/** What deletions have left that were begun and not finished. */
export interface Interrupted {
  /** The digest of the stand-in that a tag still points to. */
  readonly standIns: ReadonlyMap<string, string>;
  /** Markers whose stand-in is gone: the registry died while it dropped the tags. They and their tags are listed, and nothing is there. */
  readonly dangling: ReadonlySet<string>;
}

/** Passes over the fault of a registry that cannot read its own tag, and nothing else. */
function isTorn(error: unknown): undefined {
  if (error instanceof RegistryFault && error.status === 500) return undefined;
  throw error;
}

/** Removes tags of one image repository. Remembers how the registry wants it. */
export class Removal {
  readonly #images: Images;
  #byTag: boolean | undefined;
  #allowed = false;

  /** @param images The image repository. */
  constructor(images: Images) {
    this.#images = images;
  }

  /**
   * Removes a tag. Whatever else points to its image keeps it.
   *
   * @param tag The tag; it may be absent.
   * @param signal When to stop.
   * @throws {RegistryFault} With code `unsupported` when the registry deletes nothing.
   */
  async remove(tag: Key, signal?: AbortSignal): Promise<void> {
    const old = await this.#images.manifest(tag, signal).catch((error) => {
      // A manifest of a kind not known here can be deleted all the same.
      if (error instanceof RegistryFault && error.code === "invalid-value") return "unknown" as const;
      throw error;
    });
    if (old === undefined) return;
    const begun = old !== "unknown" && deletedTag(old) === tag;
    if (!begun && this.#byTag !== false) {
      const status = await this.#images.deleteManifest(tag, signal);
      this.#byTag = status !== 400 && status !== 405;
      if (this.#byTag) return;
    }
    await this.#seeAllowed(signal);
    await this.#moveAndDrop(tag, begun || old === "unknown" ? undefined : old, signal);
  }

  /**
   * Finishes deletions that were cut off.
   *
   * @param signal When to stop.
   */
  async finish(signal?: AbortSignal): Promise<void> {
    await this.#mend(signal);
    const { standIns, dangling } = await this.interrupted(signal);
    await Promise.all([...new Set(standIns.values())].map((digest) => this.#drop(digest, signal)));
    if (dangling.size === 0) return;
    const left = new Set(dangling);
    for await (const { tags } of this.#images.tags(signal)) {
      for (const tag of tags) {
        const marker = await markerOf(tag);
        if (!dangling.has(marker) || await this.#images.head(tag, signal)) continue;
        await this.#moveAndDrop(tag, undefined, signal);
        left.delete(marker);
      }
    }
    for (const marker of left) await this.#moveAndDrop(marker, undefined, signal);
  }

  /**
   * Removes tags that are listed and have no image: looks at each.
   *
   * @param signal When to stop.
   * @returns Which they were.
   */
  async sweep(signal?: AbortSignal): Promise<string[]> {
    await this.finish(signal);
    const empty: string[] = [];
    for await (const { tags } of this.#images.tags(signal)) {
      for (let at = 0; at < tags.length; at += WIDTH) {
        const some = tags.slice(at, at + WIDTH);
        const heads = await Promise.all(some.map((tag) => this.#images.head(tag, signal)));
        empty.push(...some.filter((tag, i) => !isMarker(tag) && heads[i] === undefined));
      }
    }
    if (empty.length > 0) await this.#seeAllowed(signal);
    for (const tag of empty) await this.#moveAndDrop(tag, undefined, signal);
    return empty;
  }

  /**
   * Deletions that were begun and not finished, or are under way.
   *
   * @param signal When to stop.
   * @param listed Markers that are known already. Default: looks for them.
   * @returns What they have left.
   */
  async interrupted(signal?: AbortSignal, listed?: readonly string[]): Promise<Interrupted> {
    const standIns = new Map<Key, string>();
    const dangling = new Set<string>();
    for (const marker of listed ?? await this.markers(signal)) {
      const standIn = await this.#images.manifest(marker, signal).catch(isTorn);
      const tag = standIn && deletedTag(standIn);
      if (tag === undefined) dangling.add(marker);
      else {
        const now = await this.#images.head(tag, signal);
        // A tag that points elsewhere by now was written again: only the marker is left.
        standIns.set(now?.digest === standIn!.digest ? tag : marker, standIn!.digest);
      }
    }
    return { standIns, dangling };
  }

  /**
   * Whether a tag that is listed is none any more.
   *
   * @param tag The tag.
   * @param interrupted What broken deletions have left.
   * @param signal When to stop.
   * @returns Whether it is being deleted.
   */
  async hides(tag: string, { standIns, dangling }: Interrupted, signal?: AbortSignal): Promise<boolean> {
    if (isMarker(tag) || standIns.has(tag)) return true;
    if (dangling.size === 0 || !dangling.has(await markerOf(tag))) return false;
    return await this.#images.head(tag, signal) === undefined;
  }

  /**
   * The markers, found without listing all tags where the registry sorts them into pages.
   *
   * @param signal When to stop.
   * @returns The markers.
   */
  async markers(signal?: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    for await (const { tags } of this.#images.tags(signal, MARKER)) {
      found.push(...tags.filter(isMarker));
      if (!isMarker(tags.at(-1) ?? "")) break;
    }
    return found;
  }

  /** Sees that deletion is allowed before anything is moved: a digest that nothing has is refused, or is not found. */
  async #seeAllowed(signal: AbortSignal | undefined): Promise<void> {
    if (this.#allowed) return;
    const nothing = await digestOf(crypto.getRandomValues(new Uint8Array(32)));
    const status = await this.#images.deleteManifest(nothing, signal);
    if (status === 405) throw disabled(this.#images, status);
    this.#allowed = true;
  }

  /**
   * Registries fail to drop a digest when others write and delete tags just then. What is left by that are tags without an image, so it
   * begins anew.
   */
  #moveAndDrop(tag: Key, old: Manifest | undefined, signal: AbortSignal | undefined): Promise<void> {
    let again = false;
    return patiently(({ status }) => status === 500, signal, async () => {
      if (again) await this.#mend(signal);
      again = true;
      const bytes = await this.#standIn(tag, signal);
      const digest = await digestOf(bytes);
      if (!isMarker(tag)) await this.#images.putManifest(await markerOf(tag), bytes, OCI_MANIFEST, signal);
      await this.#images.putManifest(tag, bytes, OCI_MANIFEST, signal);
      try {
        await this.#drop(digest, signal);
      } catch (error) {
        // A refusal will not pass: the tag goes back to where it was. Anything else is finished later.
        if (
          error instanceof RegistryFault && (error.code === "unsupported" || error.code === "denied") && old
        ) {
          await this.#images.putManifest(tag, old.bytes, old.mediaType, signal);
        }
        throw error;
      }
    });
  }

  /** A registry that died while it wrote a tag may fail to delete anything for as long as that tag is torn. Markers are ours to write anew. */
  async #mend(signal: AbortSignal | undefined): Promise<void> {
    for (const marker of await this.markers(signal)) {
      const whole = await this.#images.head(marker, signal).then(() => true, isTorn);
      if (whole) continue;
      await this.#images.putManifest(marker, await this.#standIn(marker, signal), OCI_MANIFEST, signal);
    }
  }

  /** An image that no other tag has. */
  async #standIn(tag: Key, signal: AbortSignal | undefined): Promise<Bytes> {
    const config = { mediaType: EMPTY_TYPE, digest: await digestOf(EMPTY), size: EMPTY.length };
    if (await this.#images.blobSize(config.digest, signal) === undefined) {
      await this.#images.upload(
        (async function* () {
          yield await Promise.resolve(EMPTY);
        })(),
        config.digest,
        signal,
      );
    }
    const text = (padding: string): string =>
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config,
        layers: [config],
        annotations: { [DELETING]: tag, "dev.datatask.nonce": crypto.randomUUID() + padding },
      });
    return encodeText(text("-".repeat(STAND_IN_SIZE - text("").length)));
  }

  async #drop(digest: string, signal: AbortSignal | undefined): Promise<void> {
    const status = await this.#images.deleteManifest(digest, signal);
    if (status === 400 || status === 405) throw disabled(this.#images, status);
  }
}

/**
 * What to say when a registry deletes nothing.
 *
 * @param images The image repository.
 * @param status The status of its answer.
 * @returns What to throw.
 */
export function disabled(images: Images, status: number): RegistryFault {
  return new RegistryFault(
    "unsupported",
    `${images.client} has deletion disabled; set REGISTRY_STORAGE_DELETE_ENABLED=true (storage.delete.enabled) there, or delete it by the means of that registry`,
    { status },
  );
}

/**
 * The repository of images in a Docker registry.
 *
 * @module
 */
import { NotFoundError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { OperationOptions } from "../driver.ts";
import { FilesystemRepository } from "../filesystem.ts";
import { type DockerRegistryOptions, imageDriver, type RegistrySource, TagStore } from "./driver.ts";
import { RegistryFault } from "./fault.ts";
import { type ImageInfo, imageInfoOf } from "./image_info.ts";
import { blobsOf, manifestsOf } from "./layout_read.ts";
import type { Manifest } from "./manifest.ts";
import { disabled, isMarker } from "./removal.ts";

/** How many tags are looked at together. */
const WIDTH = 16;

/**
 * A repository of images: the keys are the tags of one image repository of a Docker registry, a value is an image as a tree of files (an OCI
 * image layout), so that an image can be what a task makes or takes.
 *
 * @example Where an image is pulled from
 * ```ts
 * import { Session } from "@datatask/datatask";
 * import { DockerRegistryRepository, registryClient } from "@datatask/datatask/docker-registry";
 * import assert from "node:assert/strict";
 *
 * const session = new Session();
 * const registry = session.resource("registry", registryClient("http://127.0.0.1:5000"));
 * const images = new DockerRegistryRepository(registry, { repository: "team/tools" });
 * await using _open = await session.open();
 * assert.equal(images.reference("v1"), "127.0.0.1:5000/team/tools:v1");
 * ```
 */
export class DockerRegistryRepository extends FilesystemRepository {
  readonly #store: TagStore;

  /**
   * Images of an image repository.
   *
   * @param registry Which registry: a client, or a resource of a session that gives one.
   * @param options Which image repository.
   * @throws {DefinitionError} When no registry takes such a name.
   */
  constructor(registry: RegistrySource, options: DockerRegistryOptions) {
    const store = new TagStore(registry, options.repository);
    super(imageDriver(store));
    this.#store = store;
  }

  /**
   * What `docker pull` wants.
   *
   * @param key Which tag; it need not be there.
   * @returns `registry.example:5000/team/tools:v1`.
   * @throws {SessionError} While the session of the registry is not open.
   */
  reference(key: Key): string {
    return `${this.#store.images.client.address.host}/${this.#store.images.repository}:${key}`;
  }

  /**
   * What is known of an image without pulling it.
   *
   * @param key Which tag.
   * @param options When to stop.
   * @returns Its digest, size, labels and platforms.
   * @throws {NotFoundError} When there is none.
   */
  imageInfo(key: Key, options?: OperationOptions): Promise<ImageInfo> {
    return this.#on("look up", key, options, async () => {
      return await imageInfoOf(
        this.#store.images,
        await this.#manifest("look up", key, options),
        options?.signal,
      );
    });
  }

  /**
   * Gives an image another tag. Nothing is sent but its manifest.
   *
   * @param key Which tag.
   * @param as The tag that will point to the same image; what it pointed to before stays without it.
   * @param options When to stop.
   * @throws {NotFoundError} When there is no such image.
   */
  retag(key: Key, as: Key, options?: OperationOptions): Promise<void> {
    return this.#on("write", as, options, async () => {
      const { bytes, mediaType } = await this.#manifest("copy", key, options);
      await this.#store.images.putManifest(as, bytes, mediaType, options?.signal);
    });
  }

  /**
   * Copies an image to another image repository. Within a registry its blobs are not sent but mounted, where the registry can.
   *
   * @param key Which tag.
   * @param target Where to.
   * @param options When to stop, and under which tag. Default: the same.
   * @throws {NotFoundError} When there is no such image.
   */
  copy(
    key: Key,
    target: DockerRegistryRepository,
    options?: OperationOptions & { readonly as?: Key | undefined },
  ): Promise<void> {
    return this.#on("copy", key, options, async () => {
      const root = await this.#manifest("copy", key, options);
      const mine = this.#store.images, theirs = target.#store.images;
      if (mine.client === theirs.client) {
        for (const { digest } of blobsOf(await manifestsOf(mine, root, options?.signal))) {
          if (await theirs.blobSize(digest, options?.signal) === undefined) {
            await theirs.mount(digest, mine.repository, options?.signal);
          }
        }
      }
      // What could not be mounted goes through here, piece by piece.
      await target.put(options?.as ?? key, await this.entries(key, options), options);
    });
  }

  /**
   * The tags that point to an image.
   *
   * @param digest Of which image: `sha256:…`.
   * @param options When to stop.
   * @returns The tags, also those that are no valid keys.
   */
  async tagsOf(digest: string, options?: OperationOptions): Promise<string[]> {
    const found: string[] = [];
    return await this.#store.within("list", undefined, options, async () => {
      for await (const { tags } of this.#store.images.tags(options?.signal)) {
        for (let at = 0; at < tags.length; at += WIDTH) {
          const some = tags.slice(at, at + WIDTH).filter((tag) => !isMarker(tag));
          const heads = await Promise.all(some.map((tag) => this.#store.images.head(tag, options?.signal)));
          found.push(...some.filter((_, i) => heads[i]?.digest === digest));
        }
      }
      return found.sort();
    });
  }

  /**
   * Deletes an image, so that the registry can reclaim its space. Registries drop all tags of an image with it; so all of them must be named.
   * To remove one tag and keep the image of the others, use {@linkcode DockerRegistryRepository.delete}.
   *
   * @param digest Which image: `sha256:…`. Does nothing when there is none.
   * @param options When to stop, and `tags`: those that may go with it.
   * @throws {RepositoryError} With code `conflict` when tags point to it that are not named.
   */
  async deleteImage(
    digest: string,
    options: OperationOptions & { readonly tags: readonly string[] },
  ): Promise<void> {
    const { tags, signal } = options;
    const all = await this.tagsOf(digest, options);
    const others = all.filter((tag) => !tags.includes(tag));
    await this.#store.within("delete", undefined, options, async () => {
      if (others.length > 0) throw new RegistryFault("conflict", sharedBy(digest, others));
      // One at a time: a registry that dies while it drops them all would leave tags that point to nothing.
      for (const tag of all) await this.#store.removal.remove(tag, signal);
      const status = await this.#store.images.deleteManifest(digest, signal);
      if (status === 400) {
        throw new RegistryFault(
          "invalid-value",
          `${JSON.stringify(digest)} is no digest; write sha256:… as \`imageInfo\` tells it`,
        );
      }
      if (status === 405) throw disabled(this.#store.images, status);
    });
  }

  /**
   * Removes tags without an image. A registry that dies while it writes or deletes a tag may list it all the same; reading it says that there
   * is none. Looks at each tag.
   *
   * @param options When to stop.
   * @returns The tags that are gone.
   */
  sweep(options?: OperationOptions): Promise<string[]> {
    return this.#store.within("sweep", undefined, options, () => this.#store.removal.sweep(options?.signal));
  }

  async #manifest(operation: string, key: Key, options: OperationOptions | undefined): Promise<Manifest> {
    const manifest = await this.#store.manifest(key, options?.signal);
    if (manifest) return manifest;
    throw new NotFoundError(`Cannot ${operation} "${key}" of ${this.name}: there is no such tag`, {
      operation,
      subject: this.name,
      key,
    });
  }

  #on<T>(
    operation: string,
    key: Key,
    options: OperationOptions | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    return this.perform(operation, key, options, () => this.#store.within(operation, key, options, call));
  }
}

function sharedBy(digest: string, tags: readonly string[]): string {
  const shown = tags.slice(0, 5).join(", ") + (tags.length > 5 ? `, and ${tags.length - 5} more` : "");
  return `${digest} is also what ${shown} point${
    tags.length === 1 ? "s" : ""
  } to, and would go with it; delete a tag by its name, or name all of them in \`tags\``;
}

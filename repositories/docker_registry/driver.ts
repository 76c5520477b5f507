/**
 * The driver of images in a Docker registry: keys are the tags of one image repository, values are image layouts.
 *
 * @module
 */
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Resource } from "../../session/resource.ts";
import type { Capabilities, FilesystemDriver, KeyDriver, OperationOptions, WriteOptions } from "../driver.ts";
import { memoised } from "../memory_store.ts";
import { checkRepositoryName } from "./address.ts";
import type { RegistryClient } from "./client.ts";
import { explain, explained, RegistryFault } from "./fault.ts";
import { Images } from "./images.ts";
import { layoutEntries } from "./layout_read.ts";
import { LayoutWriter } from "./layout_write.ts";
import type { Manifest } from "./manifest.ts";
import { deletedTag, type Interrupted, isMarker, maybeStandIn, Removal } from "./removal.ts";

/** Which image repository. */
export interface DockerRegistryOptions {
  /** Its name in the registry, without the registry's address and without a tag: `team/images`. */
  readonly repository: string;
}

/** A registry: itself, or as a resource of a session. */
export type RegistrySource = RegistryClient | Resource<RegistryClient>;

/** One image repository as drivers see it. */
export class TagStore {
  /** Its manifests and blobs. */
  readonly images: Images;
  /** How tags go. */
  readonly removal: Removal;
  /** What errors and graphs call it. */
  readonly name: string;
  /** Which store this is. */
  readonly identity: string;
  readonly #registry: RegistrySource;

  /**
   * @param registry Which registry.
   * @param repository Which image repository.
   * @throws {DefinitionError} When no registry takes such a name.
   */
  constructor(registry: RegistrySource, repository: string) {
    checkRepositoryName(repository);
    const where = typeof registry === "function" ? registry.resourceName : registry.address.host;
    this.#registry = registry;
    this.images = new Images(() => typeof registry === "function" ? registry() : registry, repository);
    this.removal = new Removal(this.images);
    this.name = `images ${where}/${repository}`;
    this.identity = `registry:${where}/${repository}`;
  }

  /** The same registry. */
  get registry(): RegistrySource {
    return this.#registry;
  }

  /** The name of a repository beside this one. Names of repositories begin with no underscore. */
  beside(name: string): string {
    return `${this.images.repository}/datatask.${name.toLowerCase()}`;
  }

  /** Does something to a key, and says what was being done when it fails. */
  async within<T>(
    operation: string,
    key: Key | undefined,
    options: OperationOptions | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    options?.signal?.throwIfAborted();
    return await explained(operation, this.name, key, call);
  }

  /** What an error becomes that arises later, while something is read. */
  explain(operation: string, key: Key): (error: unknown) => unknown {
    return (error) => explain(operation, this.name, key, error);
  }

  /** What a tag points to, or nothing; a stand-in of a deletion is nothing. */
  async manifest(tag: Key, signal?: AbortSignal): Promise<Manifest | undefined> {
    const manifest = await this.images.manifest(tag, signal);
    return manifest && deletedTag(manifest) === tag ? undefined : manifest;
  }

  /** The digest of what a tag points to, or nothing. */
  async digest(tag: Key, signal?: AbortSignal): Promise<string | undefined> {
    const head = await this.images.head(tag, signal);
    if (head === undefined) return undefined;
    if (head.digest !== undefined && !maybeStandIn(head.size)) return head.digest;
    return (await this.manifest(tag, signal))?.digest;
  }

  /** Refuses conditions: no registry can write a tag on one. */
  refuseConditions(key: Key, options: WriteOptions | undefined): void {
    if (!options?.ifAbsent && options?.ifVersion === undefined) return;
    throw new RepositoryError(
      "unsupported",
      `Cannot write "${key}" of ${this.name}: registries know no conditions; write without ifAbsent and ifVersion`,
      { operation: "write", subject: this.name, key },
    );
  }

  /** The part of a driver that is the same for all kinds of value. */
  keyDriver(supports: Partial<Capabilities> = {}): KeyDriver {
    return {
      name: this.name,
      identity: this.identity,
      supports: {
        writable: true,
        consistentListing: true,
        reach: "network",
        durable: true,
        conditional: false,
        ranges: false,
        ...supports,
      },
      keys: (options) => this.#keys(options),
      has: (key, options) =>
        this.within(
          "look up",
          key,
          options,
          async () => await this.digest(key, options?.signal) !== undefined,
        ),
      delete: (key, options) =>
        this.within("delete", key, options, () => this.removal.remove(key, options?.signal)),
      info: (key, options) =>
        this.within("look up", key, options, async () => {
          const version = await this.digest(key, options?.signal);
          return version === undefined ? undefined : { version };
        }),
      prepare: (options) => this.within("prepare", undefined, options, () => this.#prepare(options?.signal)),
      classify: (error) => error instanceof RegistryFault ? error.code : undefined,
    };
  }

  async *#keys(options: OperationOptions | undefined): AsyncGenerator<readonly string[], void, void> {
    options?.signal?.throwIfAborted();
    const signal = options?.signal;
    try {
      let interrupted: Interrupted | undefined;
      for await (const { tags, more } of this.images.tags(signal)) {
        interrupted ??= await this.removal.interrupted(signal, more ? undefined : tags.filter(isMarker));
        const hidden = await Promise.all(tags.map((tag) => this.removal.hides(tag, interrupted!, signal)));
        const shown = tags.filter((_, i) => !hidden[i]);
        if (shown.length > 0) yield shown;
        signal?.throwIfAborted();
      }
    } catch (error) {
      throw explain("list", this.name, undefined, error);
    }
  }

  /** A repository comes with its first tag. What can be seen beforehand is that the registry is there and lets one in. */
  async #prepare(signal: AbortSignal | undefined): Promise<void> {
    await this.removal.finish(signal);
  }
}

/**
 * A store of images in a Docker registry: the keys are the tags of one image repository. A value is an OCI image layout as a tree of files
 * (`oci-layout`, `index.json`, `blobs/`), for one platform or several.
 *
 * A tag shows an image when all of it is in the registry. Names beside layouts that Docker writes (`manifest.json`, `repositories`) are
 * taken and not given back, and of several names in `index.json` none is kept: the tag is the name. Registries know no conditional writes.
 *
 * @param registry Which registry.
 * @param options Which image repository.
 * @returns The driver.
 * @throws {DefinitionError} When no registry takes such a name.
 */
export function dockerRegistryDriver(
  registry: RegistrySource,
  options: DockerRegistryOptions,
): FilesystemDriver {
  return imageDriver(new TagStore(registry, options.repository));
}

/**
 * The driver over a store of tags.
 *
 * @param store The store.
 * @returns The driver.
 */
export function imageDriver(store: TagStore): FilesystemDriver {
  const { images } = store;
  return {
    ...store.keyDriver(),
    entries: (key, options) =>
      store.within("read", key, options, async () => {
        const root = await store.manifest(key, options?.signal);
        return root && layoutEntries(images, root, store.explain("read", key), options?.signal);
      }),
    write: (key, entries, options) =>
      store.within("write", key, options, async () => {
        store.refuseConditions(key, options);
        const root = await new LayoutWriter(images, options?.signal).take(entries);
        await images.putManifest(key, root.bytes, root.mediaType, options?.signal);
      }),
    beside: memoised((name) => dockerRegistryDriver(store.registry, { repository: store.beside(name) })),
  };
}

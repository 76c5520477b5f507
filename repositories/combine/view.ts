/**
 * Views: repositories whose values lie in others. A view says where a value lies; reading it there is done once, for every kind.
 *
 * @module
 */
import type { Content } from "../../core/bytes.ts";
import { isDatataskError, RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { BlobRepository } from "../blob.ts";
import type {
  BlobDriver,
  Capabilities,
  Change,
  Derivation,
  FilesystemDriver,
  KeyDriver,
  ListingOptions,
  MetadataDriver,
  OperationOptions,
  ValueInfo,
  WriteOptions,
} from "../driver.ts";
import { FilesystemRepository } from "../filesystem.ts";
import { MetadataRepository } from "../metadata.ts";
import { Repository, type RepositoryKind } from "../repository.ts";

/** Any repository, whatever its values. */
// deno-lint-ignore no-explicit-any
export type AnyRepository = Repository<any>;

/** The kind of repository that a view of another is: of the same kind. */
export type ViewOf<R extends AnyRepository> = R extends BlobRepository ? BlobRepository
  : R extends MetadataRepository<infer T> ? MetadataRepository<T>
  : R extends FilesystemRepository ? FilesystemRepository
  : Repository;

/** Where the value of a key of a view lies. */
export interface Place {
  /** In which repository. */
  readonly repository: AnyRepository;
  /** Under which key there. */
  readonly key: Key;
}

/** What makes a view. */
export interface ViewInit {
  /** What errors and graphs call it. */
  readonly name: string;
  /** What identifies it: from the identities of its parts and what it does with them. */
  readonly identity: string;
  /** Of what it is made, and how its keys follow. */
  readonly by: Derivation["by"];
  /** Of what it is made. */
  readonly parts: readonly AnyRepository[];
  /** What holds the values. Default: the parts. */
  readonly holders?: readonly AnyRepository[] | undefined;
  /** The same view of other parts. */
  over(parts: readonly AnyRepository[]): AnyRepository;
  /** All keys, each once. */
  keys(options?: ListingOptions): AsyncIterable<readonly Key[]>;
  /** Where the value of a key lies, or nothing when the view does not have the key. */
  locate(key: Key, options?: OperationOptions): Promise<Place | undefined>;
  /** Where a value is to be written or deleted; left out when the view is not written through. Throws when that must not be. */
  readonly writesTo?:
    | ((key: Key, purpose: "write" | "delete", options?: OperationOptions) => Promise<Place | undefined>)
    | undefined;
  /** What to do in place of writing and deleting, for the error. */
  readonly advice?: string | undefined;
  /** Changes, where they can be told. */
  readonly watch?: ((options: OperationOptions) => AsyncIterable<Change>) | undefined;
}

/**
 * Makes a view.
 *
 * @param kind Of which kind its values are.
 * @param init What makes it.
 * @returns The repository.
 */
export function view<R extends AnyRepository>(kind: RepositoryKind, init: ViewInit): ViewOf<R> {
  const common = keyDriver(init);
  const own = kind === "blob"
    ? blobPart(init)
    : kind === "metadata"
    ? metadataPart(init)
    : kind === "filesystem"
    ? filesystemPart(init)
    : {};
  return repositoryOf(kind, { ...common, ...own }) as ViewOf<R>;
}

/**
 * A repository over a driver.
 *
 * @param kind What its values are.
 * @param driver The driver.
 * @returns The repository.
 */
export function repositoryOf(kind: RepositoryKind, driver: KeyDriver): AnyRepository {
  if (kind === "blob") return new BlobRepository(driver as BlobDriver);
  if (kind === "metadata") return new MetadataRepository(driver as MetadataDriver);
  if (kind === "filesystem") return new FilesystemRepository(driver as FilesystemDriver);
  return new Repository(driver);
}

function keyDriver(init: ViewInit): KeyDriver {
  const { parts, name, identity, by, watch } = init;
  return {
    name,
    identity,
    supports: supportsOf(init),
    derived: {
      by,
      parts: parts.map((part) => part.driver as KeyDriver),
      over: (drivers) => init.over(drivers.map((driver, i) => repositoryOf(parts[i]!.kind, driver))).driver,
    },
    keys: (options) => init.keys(options),
    has: async (key, options) => {
      options?.signal?.throwIfAborted();
      return await init.locate(key, options) !== undefined;
    },
    delete: (key, options) => deleteThrough(init, key, options),
    info: (key, options) =>
      at(
        init,
        key,
        options,
        async (holder: AnyRepository, there) => placed(await holder.info(there, options), parts, holder),
      ),
    prepare: async (options) => {
      options?.signal?.throwIfAborted();
      await Promise.all(parts.map((part) => part.prepare(options)));
    },
    ...(watch && { watch }),
  };
}

function supportsOf({ parts, holders = parts, writesTo }: ViewInit): Capabilities {
  const all = parts.map((part) => part.driver.supports as Capabilities);
  const reaches = ["process", "machine", "network"] as const;
  return {
    writable: writesTo !== undefined && holders.some((part) => part.driver.supports.writable),
    consistentListing: all.every((each) => each.consistentListing),
    reach: reaches[Math.min(...all.map((each) => reaches.indexOf(each.reach)))]!,
    durable: all.every((each) => each.durable),
    conditional: false,
    ranges: holders.every((part) => part.driver.supports.ranges),
  };
}

/** Does something where the value of a key lies; nothing when it is not there, also when it goes at that moment. */
async function at<R extends AnyRepository, T>(
  init: ViewInit,
  key: Key,
  options: OperationOptions | undefined,
  call: (repository: R, key: Key) => Promise<T>,
): Promise<T | undefined> {
  options?.signal?.throwIfAborted();
  const place = await init.locate(key, options);
  if (!place) return undefined;
  try {
    return await call(place.repository as R, place.key);
  } catch (error) {
    if (isDatataskError(error, "not-found")) return undefined;
    throw error;
  }
}

function blobPart(init: ViewInit): Omit<BlobDriver, keyof KeyDriver> {
  type R = BlobRepository;
  return {
    read: (key, options) => at(init, key, options, (holder: R, there) => holder.open(there, options)),
    readBytes: (key, options) => at(init, key, options, (holder: R, there) => holder.find(there, options)),
    write: (key, content, options) =>
      writeThrough(init, key, options, (holder: R, there) => holder.put(there, content, options), content),
  };
}

function metadataPart(init: ViewInit): Omit<MetadataDriver, keyof KeyDriver> {
  type R = MetadataRepository;
  return {
    get: (key, options) => at(init, key, options, (holder: R, there) => holder.find(there, options)),
    getMany: (keys, options) => getMany(init, keys, options),
    set: (key, value, options) =>
      writeThrough(init, key, options, (holder: R, there) => holder.set(there, value, options)),
  };
}

function filesystemPart(init: ViewInit): Omit<FilesystemDriver, keyof KeyDriver> {
  type R = FilesystemRepository;
  return {
    entries: (key, options) => at(init, key, options, (holder: R, there) => holder.entries(there, options)),
    open: (key, path, options) =>
      at(init, key, options, (holder: R, there) => holder.open(there, path, options)),
    write: (key, entries, options) =>
      writeThrough(init, key, options, (holder: R, there) => holder.put(there, entries, options)),
  };
}

/** Documents of many keys: those of one repository together. */
async function getMany(
  init: ViewInit,
  keys: readonly Key[],
  options: OperationOptions | undefined,
): Promise<ReadonlyMap<Key, unknown>> {
  options?.signal?.throwIfAborted();
  const groups = new Map<MetadataRepository, Map<Key, Key[]>>();
  await Promise.all(keys.map(async (key) => {
    const place = await init.locate(key, options);
    if (!place) return;
    const repository = place.repository as MetadataRepository;
    const group = groups.get(repository) ?? new Map<Key, Key[]>();
    groups.set(repository, group.set(place.key, [...group.get(place.key) ?? [], key]));
  }));
  const found = new Map<Key, unknown>();
  for (const [repository, group] of groups) {
    for (const [there, value] of await repository.getMany([...group.keys()], options)) {
      const [first, ...others] = group.get(there)!;
      found.set(first!, value);
      // No two keys share a document: whoever changes one must not change another.
      for (const other of others) found.set(other, structuredClone(value));
    }
  }
  return found;
}

async function writeThrough<R extends AnyRepository>(
  init: ViewInit,
  key: Key,
  options: WriteOptions | undefined,
  call: (repository: R, key: Key) => Promise<void>,
  content?: Content,
): Promise<void> {
  try {
    options?.signal?.throwIfAborted();
    if (options?.ifAbsent || options?.ifVersion !== undefined) {
      throw refusal(init, "write", key, "a view writes without conditions; write to a part of it");
    }
    const place = await target(init, key, "write", options);
    if (!place) throw refusal(init, "write", key, "this view does not hold such a key");
    await call(place.repository as R, place.key);
  } catch (error) {
    if (content instanceof ReadableStream && !content.locked) await content.cancel(error).catch(() => {});
    throw error;
  }
}

async function deleteThrough(init: ViewInit, key: Key, options: OperationOptions | undefined): Promise<void> {
  options?.signal?.throwIfAborted();
  const place = await target(init, key, "delete", options);
  await place?.repository.delete(place.key, options);
}

async function target(
  init: ViewInit,
  key: Key,
  purpose: "write" | "delete",
  options: OperationOptions | undefined,
): Promise<Place | undefined> {
  if (init.writesTo) return await init.writesTo(key, purpose, options);
  throw refusal(init, purpose, key, init.advice ?? `it is a view of others; ${purpose} it there`);
}

/**
 * The error for what a view does not do.
 *
 * @param init Which view.
 * @param operation What was tried.
 * @param key On which key.
 * @param why Why not, and what to do.
 * @returns The error.
 */
export function refusal(
  init: Pick<ViewInit, "name">,
  operation: string,
  key: Key,
  why: string,
): RepositoryError {
  return new RepositoryError("unsupported", `Cannot ${operation} "${key}" of ${init.name}: ${why}`, {
    operation,
    subject: init.name,
    key,
  });
}

/**
 * All keys of a repository.
 *
 * @param repository Which.
 * @param options When to stop.
 * @returns The keys.
 */
export async function keySet(repository: AnyRepository, options?: ListingOptions): Promise<Set<Key>> {
  const keys = new Set<Key>();
  for await (const page of repository.pages(options)) for (const key of page) keys.add(key);
  return keys;
}

/** The names of parts, for the name of what is made of them. */
export function namesOf(parts: readonly AnyRepository[]): string {
  return parts.map((part) => part.name).join(", ");
}

/** The identities of parts, for the identity of what is made of them. */
export function identitiesOf(parts: readonly AnyRepository[]): string {
  return parts.map((part) => part.driver.identity).join(", ");
}

/**
 * What is known of a value that lies in one of several stores: its version names the store, since stores count by themselves.
 *
 * @param info What its store knows.
 * @param parts The stores.
 * @param holder Which of them it is.
 * @returns The same, with a version that no value of another store has.
 */
export function placed(
  info: ValueInfo | undefined,
  parts: readonly unknown[],
  holder: unknown,
): ValueInfo | undefined {
  const n = parts.indexOf(holder);
  return info?.version === undefined || n <= 0 ? info : { ...info, version: `${n}:${info.version}` };
}

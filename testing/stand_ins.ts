/**
 * Repositories in memory in place of a pipeline's own.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import { BlobRepository } from "../repositories/blob.ts";
import type {
  BlobDriver,
  FilesystemDriver,
  KeyDriver,
  KeyLayer,
  MetadataDriver,
} from "../repositories/driver.ts";
import { FilesystemRepository } from "../repositories/filesystem.ts";
import { memoryBlobDriver, memoryMetadataDriver } from "../repositories/memory.ts";
import { memoryFilesystemDriver } from "../repositories/memory_tree.ts";
import { MetadataRepository } from "../repositories/metadata.ts";
import { Repository, type RepositoryKind } from "../repositories/repository.ts";

/** What stands in for a repository: one of the same kind, with values of the same type. */
export type StandIn<R extends Repository> = R extends BlobRepository ? BlobRepository
  : R extends MetadataRepository<infer T> ? MetadataRepository<T>
  : R extends FilesystemRepository ? FilesystemRepository
  : Repository;

/** Stand-ins, each store once: what shares a store shares its stand-in. */
export class StandIns {
  readonly #made = new Map<string, Repository>();
  readonly #layers: readonly KeyLayer[];

  /**
   * @param given Repositories of the test's own in place of others.
   * @param layers Put around every store.
   */
  constructor(given: Iterable<readonly [Repository, Repository]>, layers: readonly KeyLayer[]) {
    this.#layers = layers;
    for (const [repository, replacement] of given) this.#made.set(identityOf(repository), replacement);
  }

  /**
   * The stand-in of a repository.
   *
   * @param repository Which.
   * @returns The same one each time.
   * @throws {DefinitionError} When nothing can stand in for it by itself.
   */
  of<R extends Repository>(repository: R): StandIn<R> {
    const identity = identityOf(repository);
    let made = this.#made.get(identity);
    if (!made) this.#made.set(identity, made = this.#make(repository));
    return made as unknown as StandIn<R>;
  }

  #make(repository: Repository): Repository {
    const { derived, name } = repository.driver;
    if (!derived) return this.#leaf(repository);
    const parts = derived.parts.map((part) => this.of(repositoryOf(part)) as Repository);
    if (derived.over) return repositoryOf(derived.over(parts.map((part) => part.driver)));
    throw new DefinitionError(
      `Cannot put a stand-in in place of ${name}: it does not say how to make it over other parts; give one of your own with replace: [[repository, yours]]`,
    );
  }

  #leaf({ driver, kind }: Repository): Repository {
    const beneath = memoryDriver(kind, `${driver.name} (in memory)`);
    const store: KeyDriver = { ...beneath, identity: driver.identity };
    return repositoryOf(this.#layers.reduce((inner, layer) => layer(inner), store));
  }
}

function identityOf({ driver, kind }: Repository): string {
  return `${kind}\0${driver.identity}`;
}

function memoryDriver(kind: RepositoryKind, name: string): KeyDriver {
  if (kind === "metadata") return memoryMetadataDriver(name);
  if (kind === "filesystem") return memoryFilesystemDriver(name);
  return memoryBlobDriver(name);
}

/** A repository over a driver, of the kind that the driver's methods show. */
function repositoryOf(driver: KeyDriver): Repository {
  if ("entries" in driver) return new FilesystemRepository(driver as FilesystemDriver);
  if ("get" in driver) return new MetadataRepository(driver as MetadataDriver);
  if ("read" in driver) return new BlobRepository(driver as BlobDriver);
  return new Repository(driver);
}

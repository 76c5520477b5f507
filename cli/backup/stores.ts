/**
 * The stores beneath a pipeline's repositories: what is backed up, each once, however many links share it.
 *
 * @module
 */
import { BlobRepository } from "../../repositories/blob.ts";
import type { BlobDriver, FilesystemDriver, KeyDriver, MetadataDriver } from "../../repositories/driver.ts";
import { FilesystemRepository } from "../../repositories/filesystem.ts";
import { MetadataRepository } from "../../repositories/metadata.ts";
import type { Repository } from "../../repositories/repository.ts";

/** Kinds of value that can be copied. */
export type StoreKind = "blob" | "metadata" | "filesystem";

/** A store. */
export interface Store {
  /** The folder of a backup where it goes. */
  readonly folder: string;
  /** What kind of value it holds. */
  readonly kind: StoreKind;
  /** The repositories that it is beneath, each with its place among their stores. */
  readonly names: readonly (readonly [name: string, part: number])[];
  /** The store, with errors that say what was being done. */
  readonly repository: BlobRepository | MetadataRepository | FilesystemRepository;
}

function withClass(driver: KeyDriver): Pick<Store, "kind" | "repository"> | undefined {
  if ("read" in driver) return { kind: "blob", repository: new BlobRepository(driver as BlobDriver) };
  if ("get" in driver) {
    return { kind: "metadata", repository: new MetadataRepository(driver as MetadataDriver) };
  }
  if ("entries" in driver) {
    return { kind: "filesystem", repository: new FilesystemRepository(driver as FilesystemDriver) };
  }
  return undefined;
}

/**
 * The stores beneath repositories.
 *
 * @param repositories All of a pipeline, as `task.link`: the names of folders follow from all of them.
 * @returns Each store once.
 */
export function storesOf(repositories: ReadonlyMap<string, Repository>): Store[] {
  const found = new Map<string, { driver: KeyDriver; names: [string, number][]; folder: string }>();
  // Those that are one store name it; those that are made of several come after.
  const sorted = [...repositories].map(([name, repository]) => ({ name, parts: [...repository.footprint()] }))
    .sort((a, b) => Number(a.parts.length > 1) - Number(b.parts.length > 1));
  for (const { name, parts } of sorted) {
    parts.forEach(([identity, driver], part) => {
      const store = found.get(identity);
      if (store) store.names.push([name, part]);
      else {
        const folder = parts.length === 1 ? name : `${name}.part-${part + 1}`;
        found.set(identity, { driver, names: [[name, part]], folder });
      }
    });
  }
  return [...found.values()].flatMap(({ driver, names, folder }) => {
    const store = withClass(driver);
    return store ? [{ folder, names, ...store }] : [];
  });
}

/**
 * Whether a store is meant by names on the command line.
 *
 * @param names The repositories that it is beneath.
 * @param wanted Tasks and repositories; none means all.
 * @returns Whether it is.
 */
export function isWanted(names: Store["names"], wanted: readonly string[]): boolean {
  return wanted.length === 0 ||
    names.some(([name]) => wanted.some((one) => name === one || name.startsWith(`${one}.`)));
}

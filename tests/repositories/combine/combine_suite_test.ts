import type {
  BlobDriver,
  FilesystemDriver,
  KeyDriver,
  MetadataDriver,
} from "../../../repositories/driver.ts";
import { and } from "../../../repositories/combine/and.ts";
import { except } from "../../../repositories/combine/except.ts";
import { filter } from "../../../repositories/combine/filter.ts";
import { map } from "../../../repositories/combine/map.ts";
import { or } from "../../../repositories/combine/or.ts";
import { overlay } from "../../../repositories/combine/overlay.ts";
import { related } from "../../../repositories/combine/related.ts";
import type { AnyRepository } from "../../../repositories/combine/view.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../../repositories/memory_tree.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import type { Harness } from "../../../testing/suite.ts";

/** A base of any kind; called a blob repository, since overloads take each kind by itself. */
type Combine = (base: MemoryBlobRepository) => AnyRepository;

/** Registers the suites of all kinds for a view of one base that shows all of it. */
function testView(name: string, combine: Combine): void {
  const below = new WeakMap<KeyDriver, KeyDriver>();
  const harness = <D extends KeyDriver>(make: () => AnyRepository): Harness<D> => ({
    many: 300,
    make() {
      const base = make();
      const driver = combine(base as MemoryBlobRepository).driver as D;
      below.set(driver, base.driver as D);
      return driver;
    },
    writer: (driver) => below.get(driver) as D,
  });
  testBlobDriver(`${name} over blobs`, harness<BlobDriver>(() => new MemoryBlobRepository()));
  testMetadataDriver(`${name} over documents`, harness<MetadataDriver>(() => new MemoryMetadataRepository()));
  testFilesystemDriver(
    `${name} over trees`,
    harness<FilesystemDriver>(() => new MemoryFilesystemRepository()),
  );
}

const reverse = (key: string): string => [...key].reverse().join("");

testView("and()", (base) => and(base, base));
testView("except()", (base) => except(base, new MemoryBlobRepository()));
testView("or()", (base) => or(base, base));
testView("filter()", (base) => filter(base, (key) => !key.startsWith("hidden")));
testView("related()", (base) => related(base, reverse, { inverse: reverse, writable: true }));
testView("related() read-only", (base) => related(base, (key) => key, { inverse: (key) => key }));
testView("overlay()", (base) => {
  const lower: AnyRepository = base.constructor === MemoryMetadataRepository
    ? new MemoryMetadataRepository()
    : base.constructor === MemoryFilesystemRepository
    ? new MemoryFilesystemRepository()
    : new MemoryBlobRepository();
  return overlay(base, lower as MemoryBlobRepository);
});

{
  const below = new WeakMap<KeyDriver, MetadataDriver>();
  testMetadataDriver("map()", {
    many: 300,
    make() {
      const base = new MemoryMetadataRepository();
      const { driver } = map(base, (value) => value);
      below.set(driver, base.driver);
      return driver;
    },
    writer: (driver) => below.get(driver)!,
  });
}

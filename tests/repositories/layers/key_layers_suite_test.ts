import type { KeyDriver, KeyLayer } from "../../../repositories/driver.ts";
import { keeping } from "../../../repositories/layers/keeping.ts";
import { keepingWhere } from "../../../repositories/layers/keeping_where.ts";
import { observed } from "../../../repositories/layers/observed.ts";
import { readOnly } from "../../../repositories/layers/read_only.ts";
import { prefixed, rekeyed } from "../../../repositories/layers/rekeyed.ts";
import { retrying } from "../../../repositories/layers/retrying.ts";
import { memoryBlobDriver, memoryMetadataDriver } from "../../../repositories/memory.ts";
import { memoryFilesystemDriver } from "../../../repositories/memory_tree.ts";
import { testBlobDriver } from "../../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";
import type { Harness } from "../../../testing/suite.ts";

type Except = Harness<KeyDriver>["except"];

/** Registers the suites of all kinds for a layer. */
function testKeyLayer(name: string, layer: KeyLayer, except: Except = []): void {
  const common = { except: except!, many: 500 };
  testBlobDriver(`${name} over blobs`, { make: () => layer(memoryBlobDriver()), ...common });
  testMetadataDriver(`${name} over documents`, { make: () => layer(memoryMetadataDriver()), ...common });
  testFilesystemDriver(`${name} over trees`, { make: () => layer(memoryFilesystemDriver()), ...common });
}

const reverse = (key: string): string => [...key].reverse().join("");

testKeyLayer("keeping()", keeping((key) => Promise.resolve(!key.startsWith("hidden-"))));
testKeyLayer("rekeyed()", rekeyed({ to: reverse, from: reverse }));
testKeyLayer("prefixed()", prefixed("p-"), [
  {
    case: "takes every valid key and keeps them apart",
    because: "a key of 128 characters has no room for a prefix",
  },
]);
testKeyLayer("retrying()", retrying());
testKeyLayer("observed()", observed(() => {}));
testMetadataDriver("keepingWhere()", {
  make: () => keepingWhere<unknown>((value) => value !== "hidden")(memoryMetadataDriver()),
  many: 500,
});

{
  const below = new WeakMap<KeyDriver, KeyDriver>();
  const frozen = <D extends KeyDriver>(inner: D): D => {
    const outer = readOnly()(inner);
    below.set(outer, inner);
    return outer;
  };
  const writer = <D extends KeyDriver>(driver: D): D => below.get(driver) as D;
  testBlobDriver("readOnly() over blobs", { make: () => frozen(memoryBlobDriver()), writer, many: 500 });
  testMetadataDriver("readOnly() over documents", {
    make: () => frozen(memoryMetadataDriver()),
    writer,
    many: 500,
  });
  testFilesystemDriver("readOnly() over trees", {
    make: () => frozen(memoryFilesystemDriver()),
    writer,
    many: 500,
  });
}

/** The conformance suite on a repository of documents of one's own, as it is and under layers: the same cases as for those that come with the package. */
import { ledgerDriver } from "../../examples/own_repository/ledger.ts";
import { cached, keeping, retrying } from "../../mod.ts";
import type { MetadataDriver } from "../../repositories/driver.ts";
import { testMetadataDriver } from "../../testing/mod.ts";

const layered = (driver: MetadataDriver): MetadataDriver =>
  cached({ maxAge: 0 })(retrying()(keeping(() => true, { id: "all" })(driver)));

for (const [name, over] of [["", (driver: MetadataDriver) => driver], [" under layers", layered]] as const) {
  const paths = new WeakMap<MetadataDriver, string>();
  const at = (path: string): MetadataDriver => {
    const driver = over(ledgerDriver(path));
    paths.set(driver, path);
    return driver;
  };
  testMetadataDriver(`ledgerDriver()${name}`, {
    async make(stack) {
      const folder = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(folder, { recursive: true }));
      return at(`${folder}/ledger`);
    },
    reopen: (driver) => at(paths.get(driver)!),
    many: 40, // every call reads the whole ledger
  });
}

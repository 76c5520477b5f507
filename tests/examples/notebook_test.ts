/** The conformance suite on a repository of one's own: the same cases as for those that come with the package. */
import { notebookDriver } from "../../examples/own_repository/notebook.ts";
import { testBlobDriver } from "../../testing/mod.ts";

testBlobDriver("notebookDriver()", {
  async make(stack) {
    const folder = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    return notebookDriver(`${folder}/notebook`);
  },
  reopen: (driver) => notebookDriver(driver.identity.replace("notebook:", "")),
  many: 40, // every call reads the whole notebook
});

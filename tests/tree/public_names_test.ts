/**
 * Tests of what is public: the names of every entry point are pinned, so that none comes or goes by accident.
 *
 * `deno task names` writes them anew.
 */
import assert from "node:assert/strict";
import { entries } from "../../tools/entries.ts";
import { pinned, publicNames } from "../../tools/names.ts";

for (const [name, file] of Object.entries(entries())) {
  Deno.test(`entry point ${name} offers the names that are pinned`, async () => {
    assert.deepEqual(
      await publicNames(file),
      pinned()[name] ?? [],
      `the names of ${name} have changed; if that is meant, run: deno task names`,
    );
  });
}

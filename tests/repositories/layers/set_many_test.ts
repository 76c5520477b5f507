/** Many documents at once pass by no layer: what one writes, and whether one may, holds for all of them. */
import assert from "node:assert/strict";
import {
  cached,
  fallback,
  filter,
  keeping,
  keepingWhere,
  MemoryMetadataRepository,
  type MetadataDriver,
  MetadataRepository,
  observed,
  prefixed,
  readOnly,
  validated,
} from "../../../mod.ts";

/** A repository that takes many at once, and says how often it did. */
function taking(): {
  readonly repository: MetadataRepository;
  readonly beneath: MemoryMetadataRepository;
  calls: number;
} {
  const beneath = new MemoryMetadataRepository("documents");
  const { driver } = beneath;
  const made = {
    beneath,
    calls: 0,
    repository: new MetadataRepository({
      ...driver as MetadataDriver,
      async setMany(values, options) {
        made.calls++;
        for (const [key, value] of values) await driver.set(key, value, options);
      },
    }),
  };
  return made;
}

const TWO = [["one", { n: 1 }], ["two", { n: 2 }]] as const;

Deno.test("setMany() asks a store that takes many once, and any other as often as there are documents", async () => {
  const many = taking();
  await many.repository.setMany(TWO);
  assert.equal(many.calls, 1);
  assert.deepEqual(await many.beneath.get("two"), { n: 2 });
  const single = new MemoryMetadataRepository();
  await single.setMany(new Map<string, unknown>(TWO));
  assert.deepEqual(await single.get("one"), { n: 1 });
  await assert.rejects(single.setMany([["ok", 1], ["../bad", 1]]), { code: "invalid-key" });
  assert.equal(await single.has("ok"), false);
});

Deno.test("setMany() passes by no layer", async () => {
  const { repository, beneath } = taking();
  await assert.rejects(repository.with(readOnly()).setMany(TWO), { code: "unsupported" });
  await assert.rejects(repository.with(keeping((key) => key !== "two")).setMany([["two", 1]]), {
    code: "unsupported",
  });
  await assert.rejects(filter(repository, (key) => key !== "two").setMany([["two", 1]]), {
    code: "unsupported",
  });
  const checked = repository.with(validated({ type: "object", required: ["title"] }));
  await assert.rejects(checked.setMany(TWO), { code: "invalid-value" });
  assert.deepEqual(await Array.fromAsync(beneath), []);
  await repository.with(prefixed("p-")).setMany(TWO);
  assert.deepEqual((await Array.fromAsync(beneath)).sort(), ["p-one", "p-two"]);
  const seen: string[] = [];
  await repository.with(observed(({ key }) => void seen.push(String(key)))).setMany(TWO);
  assert.equal(seen.length, 2);
  const kept = repository.with(cached({ maxAge: "1h" }));
  assert.deepEqual(await kept.get("one"), { n: 1 });
  await kept.setMany([["one", { n: 3 }]]);
  assert.deepEqual(await kept.get("one"), { n: 3 });
  await repository.with(keepingWhere(() => true)).setMany([["three", {}]]);
  await fallback(repository, new MemoryMetadataRepository()).setMany([["four", {}]]);
  assert.equal(await beneath.has("four"), true);
});

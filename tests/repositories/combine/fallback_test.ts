import assert from "node:assert/strict";
import { RepositoryError } from "../../../core/errors.ts";
import { fallback } from "../../../repositories/combine/fallback.ts";
import { and } from "../../../repositories/combine/and.ts";
import { overlay } from "../../../repositories/combine/overlay.ts";
import { MemoryMetadataRepository } from "../../../repositories/memory.ts";
import { MetadataRepository } from "../../../repositories/metadata.ts";
import { testMetadataDriver } from "../../../testing/metadata_suite.ts";

testMetadataDriver("fallback()", {
  make: () => fallback(new MemoryMetadataRepository("one"), new MemoryMetadataRepository("two")).driver,
  many: 300,
});
testMetadataDriver("fallback() of everything", {
  make: () =>
    fallback(new MemoryMetadataRepository("one"), new MemoryMetadataRepository("two"), { when: () => true })
      .driver,
  many: 300,
});

/** A store that refuses long texts, or everything with an error of another kind. */
function picky(trouble?: unknown): { small: MetadataRepository<string>; large: MetadataRepository<string> } {
  const inner = new MemoryMetadataRepository<string>("small").driver;
  const small = new MetadataRepository<string>({
    ...inner,
    set(key, value, options) {
      if (trouble) return Promise.reject(trouble);
      if (value.length <= 5) return inner.set(key, value, options);
      return Promise.reject(new RepositoryError("invalid-value", "too large"));
    },
  });
  return { small, large: new MemoryMetadataRepository<string>("large") };
}

Deno.test("fallback() puts what the first refuses into the second, and moves it when it changes", async () => {
  const { small, large } = picky();
  const both = fallback(small, large);
  await both.set("a", "short");
  await both.set("b", "much longer");
  assert.deepEqual([await small.find("a"), await large.find("b")], ["short", "much longer"]);
  await both.set("a", "now longer");
  assert.deepEqual([await small.find("a"), await large.find("a")], [undefined, "now longer"]);
  await both.set("b", "short");
  assert.deepEqual([await small.find("b"), await large.find("b")], ["short", undefined]);
  assert.deepEqual((await Array.fromAsync(both)).sort(), ["a", "b"]);
  assert.deepEqual([...await both.getMany(["a", "b", "c"])].sort(), [["a", "now longer"], ["b", "short"]]);
  await both.delete("a");
  await both.delete("b");
  assert.deepEqual([await small.has("b"), await large.has("a")], [false, false]);
});

Deno.test("fallback() decides by the document, never by an outage", async () => {
  const outage = new Deno.errors.ConnectionRefused("no route");
  const { small, large } = picky(outage);
  await assert.rejects(
    fallback(small, large).set("a", "short"),
    /^RepositoryError: Cannot write "a" of small: no route; see that the service is up, and run again$/,
  );
  assert.equal(await large.has("a"), false);
  const chosen = fallback(small, large, { when: (value, key) => key === "b" || value.length > 5 });
  await chosen.set("b", "short");
  assert.equal(await large.get("b"), "short");
});

Deno.test("fallback() says that it was `when` that threw, and writes nothing", async () => {
  const { small, large } = picky();
  const asked = fallback(small, large, {
    when: () => {
      throw new TypeError("value.index is undefined");
    },
  });
  await assert.rejects(asked.set("a", "x"), {
    code: "io",
    message: `Cannot write "a" of ${asked.name}: \`when\` of fallback() threw: value.index is undefined`,
  });
  assert.deepEqual([await small.has("a"), await large.has("a")], [false, false]);
});

Deno.test("fallback() has one order of precedence, and lists a key in both once", async () => {
  const { small, large } = picky();
  await small.set("x", "first");
  await large.set("x", "second");
  await large.set("y", "other");
  const both = fallback(small, large);
  assert.equal(await both.get("x"), "first");
  assert.equal((await both.getMany(["x"])).get("x"), "first");
  const listed = await Array.fromAsync(both);
  assert.deepEqual(listed.sort(), ["x", "y"]);
  const other = new MemoryMetadataRepository<string>("other");
  assert.deepEqual(await Array.fromAsync(and(both, other)), []);
  await both.delete("x");
  assert.deepEqual([await small.has("x"), await large.has("x")], [false, false]);
});

Deno.test("fallback() shows the old document or the new one when it breaks between its two stores", async () => {
  for (const breaking of ["small", "large"] as const) {
    const { small, large } = picky();
    const stores = { small, large };
    const both = fallback(small, large);
    await both.set("up", "short");
    await both.set("down", "much longer");
    stores[breaking] = new MetadataRepository({
      ...stores[breaking].driver,
      delete: () => Promise.reject(new Error("power cut")),
    });
    const broken = fallback(stores.small, stores.large);
    const outcomes = await Promise.allSettled([broken.set("up", "now longer"), broken.set("down", "brief")]);
    assert(outcomes.some((outcome) => outcome.status === "rejected"));
    assert(["short", "now longer"].includes(await both.get("up")));
    assert(["much longer", "brief"].includes(await both.get("down")));
    assert.equal((await Array.fromAsync(both)).length, 2);
  }
});

Deno.test("fallback() refuses conditions, and keeps what is beside in two stores as well", async () => {
  const { small, large } = picky();
  const both = fallback(small, large);
  await assert.rejects(both.set("a", "1", { ifAbsent: true }), {
    code: "unsupported",
    message:
      'Cannot write "a" of fallback(small, large): two stores are not written in one step; write without a condition',
  });
  await both.driver.beside!("failed").set("a", "1");
  assert.equal(await small.driver.beside!("failed").has("a"), true);
  assert.equal(await both.has("a"), false);
});

Deno.test("fallback() and overlay() tell versions of one store from those of another", async () => {
  const counting = (name: string) => {
    const { driver } = new MemoryMetadataRepository<string>(name);
    const info = async (key: string) => await driver.has(key) ? { version: "1" } : undefined;
    return new MetadataRepository<string>({ ...driver, info });
  };
  const [one, two] = [counting("one"), counting("two")];
  const both = fallback(one, two);
  const versionOf = async (view: MetadataRepository<string>) => (await view.info("key"))?.version;
  await one.set("key", "value");
  const before = await Promise.all([both, overlay(two, one)].map(versionOf));
  await two.set("key", "another");
  await one.delete("key");
  const after = await Promise.all([both, overlay(two, one)].map(versionOf));
  assert.notEqual(before[0], after[0]);
  assert.notEqual(before[1], after[1]);
});

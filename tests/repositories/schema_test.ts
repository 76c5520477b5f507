import assert from "node:assert/strict";
import {
  memoryBlobDriver,
  memoryMetadataDriver,
  MemoryMetadataRepository,
} from "../../repositories/memory.ts";
import { type JsonSchema, type StandardSchema, validated } from "../../repositories/schema.ts";
import { YamlMetadataRepository } from "../../repositories/yaml.ts";
import { testMetadataDriver } from "../../testing/metadata_suite.ts";

const BOOK: JsonSchema = {
  type: "object",
  properties: { title: { type: "string" }, pages: { type: "integer", minimum: 1 } },
  required: ["title"],
  additionalProperties: false,
};

testMetadataDriver("validated(true)", { make: () => validated(true)(memoryMetadataDriver()) });
testMetadataDriver("validated(true) on reading", {
  make: () => validated(true, { onRead: true })(memoryMetadataDriver()),
});

Deno.test("validated() refuses a document before it is written and tells all that is wrong", async () => {
  const books = new MemoryMetadataRepository("books").with(validated(BOOK));
  await books.set("moby-dick", { title: "Moby-Dick", pages: 635 });
  await assert.rejects(books.set("moby-dick", { pages: 0, author: "Melville" }), {
    code: "invalid-value",
    message: 'Cannot write "moby-dick" of books: it breaks its schema in 3 places: ' +
      "the document must have required property 'title'; the document must NOT have additional properties (author); " +
      "/pages must be >= 1; correct the document or the schema",
  });
  await assert.rejects(books.set("moby-dick", 7), /: it breaks its schema: the document must be object;/);
  assert.deepEqual(await books.get("moby-dick"), { title: "Moby-Dick", pages: 635 });
});

Deno.test("validated() looks at what is read when asked to", async () => {
  const plain = new MemoryMetadataRepository("books");
  await plain.set("bad", { pages: 1 });
  await plain.set("good", { title: "x" });
  const lax = plain.with(validated(BOOK));
  const strict = plain.with(validated(BOOK, { onRead: true }));
  assert.deepEqual(await lax.get("bad"), { pages: 1 });
  await assert.rejects(
    strict.get("bad"),
    /Cannot read "bad" of books: it breaks its schema: the document must have required/,
  );
  await assert.rejects(strict.getMany(["good", "bad"]), /Cannot read "bad"/);
  assert.deepEqual(await strict.get("good"), { title: "x" });
});

Deno.test("validated() takes a validator of the Standard Schema kind", async () => {
  const even: StandardSchema<{ n: number }> = {
    "~standard": {
      version: 1,
      vendor: "test",
      async validate(value) {
        await Promise.resolve();
        const { n } = value as { n: number };
        return n % 2 === 0
          ? { value: { n } }
          : { issues: [{ message: "must be even", path: ["list", { key: 0 }, "n"] }] };
      },
    },
  };
  const numbers = new MemoryMetadataRepository<{ n: number }>("numbers").with(validated(even));
  await numbers.set("two", { n: 2 });
  await assert.rejects(numbers.set("three", { n: 3 }), {
    message:
      'Cannot write "three" of numbers: it breaks its schema: /list/0/n: must be even; correct the document or the schema',
  });
});

Deno.test("validated() says when the schema itself is wrong", async () => {
  const books = new MemoryMetadataRepository("books").with(validated({ type: "texty" }));
  await assert.rejects(books.set("one", 1), (error: Error & { code: string }) => {
    assert.equal(error.code, "invalid-definition");
    assert.match(
      error.message,
      /^Cannot use the schema of books: schema is invalid: .*; correct the schema$/,
    );
    return true;
  });
});

Deno.test("YamlMetadataRepository takes a schema as an option", async () => {
  const books = new YamlMetadataRepository(memoryBlobDriver("books"), { schema: BOOK });
  await assert.rejects(books.set("one", {}), /Cannot write "one" of YAML in books: it breaks its schema/);
  await books.set("one", { title: "x" });
  assert.deepEqual(await books.get("one"), { title: "x" });
});

Deno.test("ajv is loaded by nobody who does not validate", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("../../repositories/yaml.ts", import.meta.url).href],
  }).output();
  assert.equal(code, 0);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { specifier: string }[] };
  assert(modules.length > 10);
  assert.deepEqual(modules.filter(({ specifier }) => /ajv/.test(specifier)), []);
});

import assert from "node:assert/strict";
import { type Codec, json } from "../../core/codec.ts";
import { decodeText, encodeText } from "../../core/bytes.ts";
import type { BlobDriver, MetadataDriver } from "../../repositories/driver.ts";
import { encoded } from "../../repositories/encoded.ts";
import { fileDriver } from "../../repositories/files.ts";
import { memoryBlobDriver, MemoryBlobRepository } from "../../repositories/memory.ts";
import { MetadataRepository } from "../../repositories/metadata.ts";
import { JsonMetadataRepository, yaml, YamlMetadataRepository } from "../../repositories/yaml.ts";
import { testMetadataDriver, TRICKY_TEXTS } from "../../testing/metadata_suite.ts";
import type { Harness } from "../../testing/suite.ts";

for (const codec of [yaml, json]) {
  const inFolder: Harness<MetadataDriver> = {
    async make(stack) {
      const dir = await Deno.makeTempDir();
      stack.defer(() => Deno.remove(dir, { recursive: true }));
      return encoded(fileDriver(dir, { extension: codec.extension }), codec);
    },
    reopen: (driver) =>
      encoded(
        fileDriver(new URL(`file://${/file:(.*)\/\*/.exec(driver.identity)![1]}`), {
          extension: codec.extension,
        }),
        codec,
      ),
  };
  testMetadataDriver(`encoded(files, ${codec.name})`, inFolder);
  testMetadataDriver(`encoded(memory, ${codec.name})`, { make: () => encoded(memoryBlobDriver(), codec) });
  testMetadataDriver(`encoded(memory, ${codec.name}) copied`, {
    make: () => ({ ...encoded(memoryBlobDriver(), codec) }),
  });
}

const withoutReadBytes = (): BlobDriver => {
  const { readBytes: _, ...rest } = memoryBlobDriver();
  return rest;
};
testMetadataDriver("encoded(streams only, YAML)", { make: () => encoded(withoutReadBytes(), yaml) });

const text = (value: unknown): string => decodeText(yaml.encode(value));

Deno.test("yaml writes what a person would", () => {
  const document = {
    title: "Moby-Dick; or, The Whale",
    author: "Herman Melville",
    pages: 635,
    tags: ["sea", "yes"],
    empty: {},
    parts: [{ name: "Etymology", lines: [] }],
    text: "Call me Ishmael.\n\n  Some years ago\n",
    none: null,
  };
  assert.equal(
    text(document),
    `title: "Moby-Dick; or, The Whale"
author: Herman Melville
pages: 635
tags:
  - sea
  - "yes"
empty: {}
parts:
  - name: Etymology
    lines: []
text: |
  Call me Ishmael.

    Some years ago
none: null
`,
  );
});

Deno.test("yaml keeps every kind of number", async () => {
  for (const number of [0, -0, 1, -1, 0.1, 1e21, 1e-7, 5e-324, 1.5e300, 2 ** 53, NaN, Infinity, -Infinity]) {
    assert.deepEqual(await yaml.decode(yaml.encode({ number })), { number });
    assert.deepEqual(await yaml.decode(yaml.encode(number)), number);
  }
  assert.equal(text(1e21), "1.0e+21\n");
});

Deno.test("yaml keeps tricky texts as documents, items and names", async () => {
  for (const tricky of TRICKY_TEXTS) {
    assert.equal(await yaml.decode(yaml.encode(tricky)), tricky);
    assert.deepEqual(await yaml.decode(yaml.encode([tricky, [tricky]])), [tricky, [tricky]]);
    assert.deepEqual(await yaml.decode(yaml.encode({ [tricky]: { [tricky]: tricky } })), {
      [tricky]: { [tricky]: tricky },
    });
  }
});

Deno.test("yaml reads what other programs write, by the core schema", async () => {
  const read = async (source: string): Promise<unknown> => await yaml.decode(encodeText(source));
  assert.deepEqual(await read("# a comment\na: yes\nb: 2001-01-01\nc: 0x10\nd: ~\ne: 'it''s'\n"), {
    a: "yes",
    b: "2001-01-01",
    c: 16,
    d: null,
    e: "it's",
  });
  assert.deepEqual(await read("{a: 1, b: [2]}"), { a: 1, b: [2] });
  assert.deepEqual(await read('{"a": 1}'), { a: 1 });
  assert.deepEqual(await read("\ufeffa: &x [1]\nb: *x\n"), { a: [1], b: [1] });
});

Deno.test("yaml reads JSON at once, and everything else once its reader is loaded", async () => {
  assert.deepEqual(yaml.decode(encodeText('{"a": 1}')), { a: 1 });
  assert.deepEqual(await yaml.decode(encodeText("a: 1\n")), { a: 1 });
  assert.deepEqual(yaml.decode(encodeText("a: 1\n")), { a: 1 });
});

Deno.test("encoded takes codecs that give promises, and tells of their errors", async () => {
  const slow: Codec = {
    ...json,
    name: "slow JSON",
    encode: async (value) => await json.encode(value),
    decode: async (bytes) => await json.decode(bytes),
  };
  const blobs = new MemoryBlobRepository("books");
  const books = new MetadataRepository(encoded(blobs.driver, slow));
  await books.set("moby-dick", { pages: 635 });
  assert.deepEqual(await books.get("moby-dick"), { pages: 635 });
  await assert.rejects(books.set("bad", { n: NaN }), {
    code: "invalid-value",
    message: /^Cannot write "bad" of slow JSON in books: the field n is NaN/,
  });
  assert.equal(await blobs.has("bad"), false);
  await blobs.put("broken", "{");
  await assert.rejects(books.get("broken"), {
    code: "invalid-value",
    message:
      /^Cannot read "broken" of slow JSON in books: it is no valid slow JSON: .*; correct or delete it$/,
  });
});

Deno.test("yaml refuses what it could not give back and names the field", () => {
  const refused: [unknown, string][] = [
    [
      { a: { when: new Date(0) } },
      "the field a.when is a Date, which has no form in YAML; write its toISOString()",
    ],
    [
      { list: [1, undefined] },
      "the field list[1] is undefined, which has no form in YAML; leave it out, or write null",
    ],
    [undefined, "the document is undefined, which has no form in YAML; leave it out, or write null"],
    [{ n: 1n }, "the field n is a bigint, which has no form in YAML; write a text or a number"],
    [new Map(), "the document is a Map, which has no form in YAML; write Object.fromEntries() of it"],
    [
      { s: "\ud800" },
      "the field s is a text with half a character, which has no form in YAML; use toWellFormed()",
    ],
  ];
  for (const [value, message] of refused) assert.throws(() => yaml.encode(value), { message });
  const cycle: Record<string, unknown> = {};
  cycle.deep = { cycle };
  assert.throws(() => yaml.encode(cycle), /the field deep\.cycle is a part of itself/);
  let deep: unknown = 1;
  for (let i = 0; i < 500; i++) deep = [deep];
  assert.throws(() => yaml.encode(deep), /nested deeper than 200/);
  assert.throws(
    () => json.encode({ n: NaN }),
    /the field n is NaN, which has no form in JSON; write null, or a text/,
  );
});

Deno.test("yaml keeps what is nested as deep as it lets in", async () => {
  let deep: unknown = 1;
  for (let i = 0; i < 190; i++) deep = i % 2 ? [deep] : { deep };
  assert.deepEqual(await yaml.decode(yaml.encode(deep)), deep);
});

Deno.test("yaml is bounded in depth and aliases", async () => {
  const read = async (source: string): Promise<unknown> => await yaml.decode(encodeText(source));
  await assert.rejects(read("[".repeat(5_000) + "x" + "]".repeat(5_000)), SyntaxError);
  const bomb = "a: &a [x]\nb: [" + "*a,".repeat(5_000) + "]";
  await assert.rejects(read(bomb), /alias/);
});

Deno.test("a malformed document is an error with its place, and hides no other", async () => {
  const blobs = new MemoryBlobRepository("books");
  await blobs.put("good", "pages: 635\n");
  await blobs.put("bad", "a: 1\nb: [1,\nc: 2\n");
  await blobs.put("empty", "");
  await blobs.put("broken", new Uint8Array([0x61, 0x3a, 0x20, 0xff, 0xfe]));
  const books = new YamlMetadataRepository(blobs);
  await assert.rejects(books.get("bad"), {
    code: "invalid-value",
    message:
      'Cannot read "bad" of YAML in books: it is no valid YAML: line 3, column 1: deficient indentation; correct or delete it',
  });
  await assert.rejects(books.get("empty"), /Cannot read "empty" .*the input is empty/);
  await assert.rejects(books.get("broken"), /Cannot read "broken" .*correct or delete it/);
  await assert.rejects(books.getMany(["good", "bad"]), /Cannot read "bad"/);
  assert.deepEqual(await books.get("good"), { pages: 635 });
  await assert.rejects(books.set("date", { at: new Date(0) }), {
    code: "invalid-value",
    message:
      'Cannot write "date" of YAML in books: the field at is a Date, which has no form in YAML; write its toISOString()',
  });
  await blobs.put("bad-json", '{\n"a": 1,,}');
  await assert.rejects(
    new JsonMetadataRepository(blobs).get("bad-json"),
    /"bad-json" of JSON in books.*line 2 column 8/,
  );
});

Deno.test("YamlMetadataRepository shares its footprint with the store beneath", () => {
  const blobs = new MemoryBlobRepository("books");
  assert.deepEqual([...new YamlMetadataRepository(blobs).footprint().keys()], [blobs.driver.identity]);
});

Deno.test("YamlMetadataRepository.files and JsonMetadataRepository.files keep one file per document", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await YamlMetadataRepository.files(dir).set("one", { a: [1] });
    await JsonMetadataRepository.files(dir).set("one", { a: [1] });
    assert.equal(await Deno.readTextFile(`${dir}/one.yaml`), "a:\n  - 1\n");
    assert.equal(await Deno.readTextFile(`${dir}/one.json`), '{\n  "a": [\n    1\n  ]\n}\n');
    assert.equal(YamlMetadataRepository.files(dir).name, `YAML in files ${dir}/*.yaml`);
    assert.deepEqual(await Array.fromAsync(YamlMetadataRepository.files(dir)), ["one"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("YamlMetadataRepository keeps texts of millions of characters", async () => {
  const documents = new YamlMetadataRepository(new MemoryBlobRepository("documents"));
  const text = "x".repeat(8_000_000);
  await documents.set("long", { text });
  assert((await documents.get("long") as { text: string }).text === text);
});

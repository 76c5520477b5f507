/**
 * The conformance suite of metadata drivers.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { MetadataDriver } from "../repositories/driver.ts";
import { keyCases } from "./key_cases.ts";
import { stopsWith } from "./signals.ts";
import {
  type Harness,
  inParallel,
  listsExactly,
  long,
  rejectsWith,
  runSuite,
  type SuiteCases,
} from "./suite.ts";

/**
 * Sees that a metadata driver keeps its contract: registers one test per duty.
 *
 * @param name What is tested, for the names of the tests.
 * @param harness How to get at a driver.
 * @example Testing a driver
 * ```ts
 * import { memoryMetadataDriver } from "@datatask/datatask";
 * import { testMetadataDriver } from "@datatask/datatask/testing";
 *
 * const names: string[] = [];
 * testMetadataDriver("mine", { make: () => memoryMetadataDriver(), test: (name) => names.push(name) });
 * if (names.length < 20) throw new Error("the suite has more cases than that");
 * ```
 */
export function testMetadataDriver(name: string, harness: Harness<MetadataDriver>): void {
  runSuite(name, harness, metadataCases, async (driver) => {
    await rejectsWith(driver, "unsupported", driver.set("one", { text: "1" }), "set");
    await rejectsWith(driver, "unsupported", driver.delete("one"), "delete");
  });
}

const shared = keyCases<MetadataDriver>({
  write: (driver, key, text, options) => driver.set(key, { text }, options),
  async read(driver, key, options) {
    const document = await driver.get(key, options) as { text: string } | undefined;
    return document?.text;
  },
  beside: (driver, name) => driver.beside?.(name),
});

/** Texts that some reader of some format takes for something else. */
export const TRICKY_TEXTS: readonly string[] = [
  ..."1e5|yes|no|on|off|y|n|Y|N|True|null|Null|~|012|0o7|0x1F|0b11|1_000|1:30|190:20:30|.5|5.|+1|-0|.inf|-.INF|.nan|NaN"
    .split("|"),
  ..."2001-01-01|2001-01-01T00:00:00Z|<<|=|-|- a|? a|: a|a: b|a #b|#c|@x|`x|%x|&x|*x|!x|!!str x|>x|[x|{x|}|]|,|'x|\"x"
    .split("|"),
  "|x",
  "",
  " ",
  " lead",
  "trail ",
  "\t",
  "a\nb",
  "a\nb\n",
  "\na",
  "a\n\n\nb\n\n",
  "  a\n b",
  "a\r\nb\r",
  "---",
  "...",
  "--- a\n...\n",
  "\u0000\u0007\u001b",
  "\u0085\u2028\u2029\ufeff",
  "naïve ☃ 日本語 😀",
  "x".repeat(5_000),
  "word ".repeat(500),
];

/** Documents that every driver keeps as they are. */
const PLAIN: Readonly<Record<string, unknown>> = {
  object: { a: 1, b: "two", c: true, d: null },
  nested: { a: { b: { c: [1, [2, [3, { d: [] }]]] } }, e: [{}, [], "", { f: {} }] },
  "empty-object": {},
  numbers: {
    zero: 0,
    minus: -1,
    half: 0.5,
    big: 2 ** 53 - 1,
    small: 5e-324,
    large: 1.7976931348623157e308,
    e: 1e21,
  },
  names: {
    "1": 1,
    "a b": 2,
    "": 3,
    "true": 4,
    "null": 5,
    "1e5": 6,
    "2001-01-01": 7,
    "a: b": 8,
    "#": 9,
    "ü": 10,
  },
};

/** Values that a driver keeps as they are, or refuses before anything is written. */
function unusual(): Record<string, unknown> {
  const cycle: Record<string, unknown> = { name: "cycle" };
  cycle.self = cycle;
  const shared = { x: 1 };
  return {
    "a-null": null,
    "a-text": "text",
    "a-number": 42,
    "a-false": false,
    "a-list": [1, "two", [3]],
    "an-empty-list": [],
    "an-empty-text": "",
    proto: JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}'),
    dollars: { $set: 1, "a.b": { "$inc.c": 2 } },
    id: { _id: "other" },
    date: { at: new Date(Date.UTC(2001, 2, 4, 5, 6, 7, 89)) },
    bytes: { raw: new Uint8Array([0, 1, 255]) },
    bigint: { n: 2n ** 80n },
    nan: { n: NaN },
    infinity: [Infinity, -Infinity],
    undefined: { gone: undefined, here: 1 },
    "undefined-item": [undefined, 1],
    function: { f: () => 1 },
    symbol: { s: Symbol.iterator },
    map: { m: new Map([["a", 1]]) },
    cycle,
    twice: { a: shared, b: shared },
    surrogate: { s: "\ud800" },
    sparse: new Array(3),
  };
}

const fidelityCases: SuiteCases<MetadataDriver> = {
  "keeps nested documents as they are": async ({ driver, writer }) => {
    for (const [key, document] of Object.entries(PLAIN)) await writer.set(key, document);
    for (const [key, document] of Object.entries(PLAIN)) {
      assert.deepEqual(await driver.get(key), document, key);
    }
  },
  "keeps texts that look like something else": async ({ driver, writer }) => {
    await writer.set("list", { texts: TRICKY_TEXTS });
    assert.deepEqual(await driver.get("list"), { texts: TRICKY_TEXTS });
    const document = Object.fromEntries(TRICKY_TEXTS.map((text, i) => [`t${i}`, text]));
    await writer.set("fields", document);
    assert.deepEqual(await driver.get("fields"), document);
  },
  "write: keeps an unusual value as it is, or refuses it before anything is written": async ({ driver }) => {
    for (const [key, value] of Object.entries(unusual())) {
      const refused = await driver.set(key, value).then(() => false, () => true);
      assert.equal(await driver.has(key), !refused, key);
      if (!refused) assert.deepEqual(await driver.get(key), value, `${key} came back as something else`);
    }
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  },
  "write: keeps the old document when a new one is refused": async ({ driver }) => {
    await driver.set("one", { old: true });
    await assert.rejects(driver.set("one", { f: () => 1 }));
    assert.deepEqual(await driver.get("one"), { old: true });
  },
  "write: leaves nothing of a document written over": async ({ driver }) => {
    await driver.set("one", { a: 1, deep: { b: 2, c: 3 }, list: [1, 2, 3] });
    await driver.set("one", { deep: { b: 9 }, list: [] });
    assert.deepEqual(await driver.get("one"), { deep: { b: 9 }, list: [] });
  },
  "write: shares nothing with its caller": async ({ driver }) => {
    const given = { list: [1, 2], deep: { a: 1 } };
    await driver.set("one", given);
    given.list.push(3);
    given.deep.a = 9;
    const got = await driver.get("one") as typeof given;
    assert.deepEqual(got, { list: [1, 2], deep: { a: 1 } });
    got.deep.a = 7;
    const many = await driver.getMany?.(["one"]);
    if (many) (many.get("one") as typeof given).list.length = 0;
    assert.deepEqual(await driver.get("one"), { list: [1, 2], deep: { a: 1 } });
  },
  "keeps a document of a megabyte": async ({ driver, writer }) => {
    const document = { lines: Array.from({ length: 10_000 }, (_, i) => `line ${i} ${"x".repeat(90)}`) };
    await writer.set("large", document);
    assert.deepEqual(await driver.get("large"), document);
  },
};

const manyCases: SuiteCases<MetadataDriver> = {
  "gets many documents, leaving out those that are missing": async ({ driver, writer }) => {
    if (!driver.getMany) return;
    const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`);
    await inParallel(keys, 16, (key) => writer.set(key, { key }));
    const wanted = [...keys.slice(100), "absent", "missing"];
    const found = await driver.getMany(wanted);
    assert.equal(found.size, 200);
    for (const [key, document] of found) assert.deepEqual(document, { key });
    assert.equal((await driver.getMany([])).size, 0);
    const reason = new Error("called off");
    await stopsWith("getMany()", reason, driver.getMany(wanted, { signal: AbortSignal.abort(reason) }));
  },
  "write: puts many documents, in place of old ones as well": async ({ driver }) => {
    if (!driver.setMany) return;
    const documents = (text: string): Map<string, unknown> =>
      new Map(Array.from({ length: 700 }, (_, i) => [`key-${i}`, { text, i }]));
    await driver.set("key-1", "old");
    for (const text of ["first", "second"]) {
      await driver.setMany(documents(text));
      assert.deepEqual(await driver.get("key-1"), { text, i: 1 });
      assert.deepEqual(await driver.get("key-699"), { text, i: 699 });
    }
    await listsExactly(driver, documents("").keys());
    await driver.setMany(new Map());
    const bad = new Map<string, unknown>([["key-1", { text: "third" }], ["bad", () => {}]]);
    await rejectsWith(driver, "invalid-value", driver.setMany(bad), "a function");
    assert.deepEqual(await driver.get("key-1"), { text: "second", i: 1 });
    const reason = new Error("called off");
    const called = driver.setMany(documents("third"), { signal: AbortSignal.abort(reason) });
    await stopsWith("setMany()", reason, called);
  },
  "write: never mixes documents of racing writers": long(async ({ driver, other }) => {
    const documents = Array.from({ length: 8 }, (_, i) => ({ [`only-${i}`]: i, list: Array(2_000).fill(i) }));
    await Promise.all(documents.map((document, i) => (i % 2 ? driver : other).set("one", document)));
    const got = JSON.stringify(await driver.get("one"));
    assert(documents.some((document) => sameFields(document, got)), "the document is none of those written");
    await listsExactly(driver, ["one"]);
  }),
};

function sameFields(document: Record<string, unknown>, text: string): boolean {
  try {
    assert.deepEqual(JSON.parse(text), document);
    return true;
  } catch {
    return false;
  }
}

/** The cases that every metadata driver is put to, by name. */
export const metadataCases: SuiteCases<MetadataDriver> = { ...shared, ...fidelityCases, ...manyCases };

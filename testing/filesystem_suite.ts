/**
 * The conformance suite of drivers of trees of files.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decodeText, readAll } from "../core/bytes.ts";
import type { FilesystemDriver, TreeEntry } from "../repositories/driver.ts";
import { resolveInTree } from "../repositories/tree.ts";
import { keyCases } from "./key_cases.ts";
import { HugeValue } from "./huge.ts";
import { hostileTreeCases } from "./hostile_tree_cases.ts";
import { type Harness, listsExactly, rejectsWith, runSuite, type SuiteCases } from "./suite.ts";
import { describeTree, directory, file, link, readMember, tree } from "./trees.ts";

/**
 * Sees that a driver of trees of files keeps its contract: registers one test per duty.
 *
 * @param name What is tested, for the names of the tests.
 * @param harness How to get at a driver.
 * @example Testing a driver
 * ```ts
 * import { memoryFilesystemDriver } from "@datatask/datatask";
 * import { testFilesystemDriver } from "@datatask/datatask/testing";
 *
 * const names: string[] = [];
 * testFilesystemDriver("mine", { make: () => memoryFilesystemDriver(), test: (name) => names.push(name) });
 * if (names.length < 20) throw new Error("the suite has more cases than that");
 * ```
 */
export function testFilesystemDriver(name: string, harness: Harness<FilesystemDriver>): void {
  runSuite(name, harness, filesystemCases, async (driver) => {
    await rejectsWith(driver, "unsupported", driver.write("one", tree([file("a", "1")])), "write");
    await rejectsWith(driver, "unsupported", driver.delete("one"), "delete");
  });
}

/** A value that stands for a text: the text twice, so that two values mixed show. */
function sample(text: string): AsyncIterable<TreeEntry> {
  return tree([directory("d"), file("d/first", text), file("second", text)]);
}

const shared = keyCases<FilesystemDriver>({
  write: (driver, key, text, options) => driver.write(key, sample(text), options),
  async read(driver, key, options) {
    const entries = await driver.entries(key, options);
    if (!entries) return undefined;
    const texts = [];
    for await (const entry of entries) {
      if (entry.kind === "file") texts.push(decodeText(await readAll(await entry.open())));
    }
    assert.equal(texts.length, 2);
    assert.equal(texts[0], texts[1], "two trees were mixed");
    return texts[0];
  },
  beside: (driver, name) => driver.beside?.(name),
});

const fidelityCases: SuiteCases<FilesystemDriver> = {
  "keeps modes, links, empty folders and names": async ({ driver, writer }) => {
    await writer.write("one", tree(RICH));
    assert.deepEqual(await describeTree(await driver.entries("one")), await describeTree(tree(RICH)));
  },
  "write: takes a huge file in a tree, gives it back, and holds little of it": async ({ driver, huge }) => {
    if (huge === undefined) return;
    const passing = new HugeValue(huge);
    const large: TreeEntry = {
      kind: "file",
      path: "large",
      mode: 0o644,
      size: huge,
      open: () => Promise.resolve(passing.stream()),
    };
    await driver.write("huge", tree([file("a", "before"), large, file("z", "after")]));
    const seen: string[] = [];
    for await (const entry of (await driver.entries("huge"))!) {
      if (entry.kind !== "file") continue;
      seen.push(entry.path);
      if (entry.path === "large") await passing.check(await entry.open());
      else {assert.equal(
          await new Response(await entry.open()).text(),
          entry.path === "a" ? "before" : "after",
        );}
    }
    assert.deepEqual(seen.sort(), ["a", "large", "z"]);
    passing.heldLittle();
    await driver.delete("huge");
  },
  "takes entries in any order": async ({ driver, writer }) => {
    await writer.write("one", tree(RICH.toReversed()));
    assert.deepEqual(await describeTree(await driver.entries("one")), await describeTree(tree(RICH)));
  },
  "makes missing parents": async ({ driver, writer }) => {
    await writer.write("one", tree([file("a/b/c.txt", "deep"), link("x/y", "z")]));
    const described = await describeTree(await driver.entries("one"));
    assert.deepEqual(Object.keys(described), ["a", "a/b", "a/b/c.txt", "x", "x/y"]);
    assert.match(described["a/b"]!, /^directory/);
  },
  "hands out parents before what is in them, and sizes that are true": async ({ driver, writer }) => {
    await writer.write("one", tree(RICH));
    const seen = new Set<string>([""]);
    for await (const entry of (await driver.entries("one"))!) {
      assert(!seen.has(entry.path), `${entry.path} came twice`);
      assert(seen.has(entry.path.split("/").slice(0, -1).join("/")), `${entry.path} came before its parent`);
      seen.add(entry.path);
      if (entry.kind === "file") assert.equal((await readAll(await entry.open())).length, entry.size);
    }
    assert.equal(seen.size, RICH.length + 1);
  },
  "keeps an empty tree as a value": async ({ driver, writer }) => {
    await writer.write("empty", tree([]));
    await listsExactly(driver, ["empty"]);
    assert.equal(await driver.has("empty"), true);
    assert.deepEqual(await Array.fromAsync((await driver.entries("empty"))!), []);
    await writer.delete("empty");
    await listsExactly(driver, []);
  },
  "keeps a file of more than 5 MiB": async ({ driver, writer }) => {
    const text = "0123456789abcdef".repeat(330_000);
    for (const before of [[], [file("before", "x")], [directory("d"), file("d/before", "x".repeat(1_000))]]) {
      await writer.write("one", tree([...before, file("large", text), file("after", "x")]));
      assert.equal(await readMember(driver, "one", "large"), text);
      assert.equal(await readMember(driver, "one", "after"), "x");
    }
  },
  "write: leaves nothing of a tree written over": async ({ driver }) => {
    const trees = [
      [file("x", "file"), directory("y"), file("y/in", "1")],
      [directory("x"), file("x/in", "2"), file("y", "file")],
      [link("x", "y"), link("y", "nowhere")],
      [directory("x"), file("x/other", "3")],
    ];
    for (const entries of trees) {
      await driver.write("one", tree(entries));
      assert.deepEqual(await describeTree(await driver.entries("one")), await describeTree(tree(entries)));
    }
  },
  "write: a folder told after what is in it keeps it": async ({ driver }) => {
    await driver.write("one", tree([file("d/a", "1"), file("d/b", "2"), directory("d", 0o700)]));
    const described = await describeTree(await driver.entries("one"));
    assert.deepEqual(Object.keys(described), ["d", "d/a", "d/b"]);
    assert.equal(described.d, "directory 700");
    // As archives tell it whose folder comes late: its parent was told of before what is in it.
    await driver.write(
      "two",
      tree([directory("d"), directory("d/e"), file("d/e/a", "1"), directory("d", 0o700)]),
    );
    const again = await describeTree(await driver.entries("two"));
    assert.deepEqual(Object.keys(again), ["d", "d/e", "d/e/a"]);
    assert.equal(again.d, "directory 700");
  },
};

const RICH: readonly TreeEntry[] = [
  directory("bin", 0o755),
  file("bin/run.sh", "#!/bin/sh\n", 0o755),
  directory("docs", 0o750),
  file("docs/read me.txt", "spaces", 0o644),
  file("docs/naïve ☃.md", "unicode", 0o600),
  directory("docs/empty", 0o700),
  file("empty", "", 0o644),
  link("latest", "docs"),
  link("docs/up", "../bin/run.sh"),
  link("dangling", "no/such/file"),
  link("absolute", "/etc/hostname"),
  link("outside", "../../../etc/hostname"),
  file(".hidden", "dot", 0o644),
  file("a".repeat(200), "long", 0o444),
];

const memberCases: SuiteCases<FilesystemDriver> = {
  "opens one member": async ({ driver, writer }) => {
    await writer.write("one", tree(RICH));
    assert.equal(await readMember(driver, "one", "docs/read me.txt"), "spaces");
    assert.equal(await readMember(driver, "one", "./docs//read me.txt"), "spaces");
    assert.equal(await readMember(driver, "one", "empty"), "");
    assert.equal(await readMember(driver, "one", "absent"), undefined);
    assert.equal(await readMember(driver, "one", "docs"), undefined);
    assert.equal(await readMember(driver, "one", "empty/below"), undefined);
    assert.equal(await readMember(driver, "absent", "empty"), undefined);
  },
  "follows links inside the tree and none out of it": async ({ driver, writer }) => {
    await writer.write(
      "one",
      tree([...RICH, file("etc/hostname", "inside"), link("l2", "latest"), link("self", "self")]),
    );
    assert.equal(await readMember(driver, "one", "docs/up"), "#!/bin/sh\n");
    assert.equal(await readMember(driver, "one", "latest/read me.txt"), "spaces");
    assert.equal(await readMember(driver, "one", "l2/up"), "#!/bin/sh\n");
    assert.equal(await readMember(driver, "one", "absolute"), "inside");
    assert.equal(await readMember(driver, "one", "outside"), "inside");
    assert.equal(await readMember(driver, "one", "dangling"), undefined);
    await rejectsWith(driver, "invalid-value", readMember(driver, "one", "self"), "a link to itself");
    const through = await resolveInTree(await driver.entries("one"), "l2/up");
    assert.equal(decodeText(await readAll(through!)), "#!/bin/sh\n");
  },
  "refuses to open a path that climbs": async ({ driver, writer }) => {
    await writer.write("one", tree([file("a", "1")]));
    for (const path of ["../one/a", "/etc/hostname", "b/../a", ".."]) {
      await rejectsWith(driver, "invalid-value", readMember(driver, "one", path), path);
    }
  },
  "write: adopts a staged folder in one step": async ({ driver }) => {
    assert.equal(driver.staging === undefined, driver.adopt === undefined, "staging and adopt come together");
    if (!driver.staging || !driver.adopt) return;
    for (const text of ["first", "second"]) {
      const path = await driver.staging("one");
      await Deno.mkdir(path);
      await Deno.writeTextFile(`${path}/member`, text);
      await listsExactly(driver, text === "first" ? [] : ["one"]);
      await driver.adopt("one", path);
      assert.equal(await readMember(driver, "one", "member"), text);
      await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
    }
    assert.deepEqual(Object.keys(await describeTree(await driver.entries("one"))), ["member"]);
    if (driver.path) assert.equal(await Deno.readTextFile(`${driver.path("one")}/member`), "second");
  },
  "a reader gets one tree or an error when it is overwritten meanwhile": async ({ driver, writer }) => {
    const files = (text: string): TreeEntry[] => Array.from({ length: 20 }, (_, i) => file(`f${i}`, text));
    await writer.write("one", tree(files("old")));
    const texts = new Set<string>();
    let count = 0;
    try {
      for await (const entry of (await driver.entries("one"))!) {
        assert(entry.kind === "file");
        texts.add(decodeText(await readAll(await entry.open())));
        if (++count === 3) await writer.write("one", tree(files("new")));
      }
      assert.equal(count, 20, "a tree was cut short without an error");
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
    assert.equal(texts.size, 1, "two trees were mixed");
  },
};

/** The cases that every driver of trees is put to, by name. */
export const filesystemCases: SuiteCases<FilesystemDriver> = {
  ...shared,
  ...fidelityCases,
  ...memberCases,
  ...hostileTreeCases,
};

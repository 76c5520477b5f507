/**
 * The cases of trees that try to climb out, contradict themselves, or break half-way.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Bytes } from "../core/bytes.ts";
import type { FilesystemDriver, TreeEntry } from "../repositories/driver.ts";
import { listsExactly, rejectsWith, type SuiteCases } from "./suite.ts";
import { describeTree, directory, file, link, readMember, tree } from "./trees.ts";

/** Trees that no driver may take, by what is wrong with them. */
const HOSTILE: Readonly<Record<string, readonly TreeEntry[]>> = {
  "a .. at the start": [file("../escaped", "x")],
  "a .. inside": [directory("a"), file("a/../../escaped", "x")],
  "an absolute file": [file("/tmp/escaped", "x")],
  "a folder that climbs": [directory("../escaped")],
  "a link that climbs": [link("../escaped", "x")],
  "a NUL": [file("a\0b", "x")],
  "no name": [file("", "x")],
  "a file through a link": [link("d", "/tmp"), file("d/escaped", "x")],
  "a file through a link told later": [file("d/escaped", "x"), link("d", "/tmp")],
  "a link through a link": [link("d", ".."), link("d/escaped", "x")],
  "a folder in place of a link": [link("d", "/tmp"), directory("d"), file("d/escaped", "x")],
  "a file below a file": [file("a", "x"), file("a/b", "x")],
  "a file in place of a folder": [file("a/b", "x"), file("a", "x")],
  "a file twice": [file("a", "x"), file("a", "y")],
};

/** The cases of trees that cannot be taken. */
export const hostileTreeCases: SuiteCases<FilesystemDriver> = {
  "write: refuses trees that climb out or contradict themselves, whole": async ({ driver }) => {
    await driver.write("old", tree([file("a", "old")]));
    for (const [what, entries] of Object.entries(HOSTILE)) {
      for (const key of ["old", "new"]) {
        await rejectsWith(
          driver,
          "invalid-value",
          driver.write(key, tree([file("ok", "x"), ...entries])),
          what,
        );
      }
    }
    assert.deepEqual(await describeTree(await driver.entries("old")), { a: "file 644 old" });
    await listsExactly(driver, ["old"]);
    await assert.rejects(Deno.lstat("/tmp/escaped"), Deno.errors.NotFound);
    const root = driver.path?.("old");
    if (root) await assert.rejects(Deno.lstat(`${root}/../escaped`), Deno.errors.NotFound);
  },
  "write: shows nothing of a tree that fails, and keeps the old one": async ({ driver }) => {
    await driver.write("old", tree([file("a", "old")]));
    const trouble = new Error("the source broke");
    const isTrouble = (error: unknown): boolean => error === trouble || (error as Error).cause === trouble;
    for (const key of ["old", "new"]) {
      await assert.rejects(driver.write(key, failingAfter(trouble)), isTrouble);
      await assert.rejects(driver.write(key, tree([file("ok", "x"), failingFile(trouble)])), isTrouble);
    }
    assert.equal(await readMember(driver, "old", "a"), "old");
    assert.equal(await driver.has("new"), false);
    await listsExactly(driver, ["old"]);
  },
  "write: shows nothing of a tree whose write is aborted": async ({ driver }) => {
    await driver.write("old", tree([file("a", "old")]));
    for (const key of ["old", "new"]) {
      const controller = new AbortController();
      const reason = new Error("called off");
      let closed = false;
      const entries = (async function* (): AsyncGenerator<TreeEntry> {
        try {
          yield file("a", "new");
          controller.abort(reason);
          yield file("b", "new");
          yield file("c", "new");
        } finally {
          closed = true;
        }
      })();
      await assert.rejects(
        driver.write(key, entries, { signal: controller.signal }),
        (error) => error === reason,
      );
      assert(closed, "the source was left open");
    }
    assert.deepEqual(await describeTree(await driver.entries("old")), { a: "file 644 old" });
    await listsExactly(driver, ["old"]);
  },
  "write: ends with its signal, however stuck the source of a tree is": async ({ driver }) => {
    await driver.write("old", tree([file("a", "old")]));
    for (const [where, source] of Object.entries(STUCK)) {
      for (const key of ["old", "new"]) {
        const controller = new AbortController();
        const reason = new Error("called off");
        const stuck = Promise.withResolvers<void>();
        const writing = driver.write(key, source(stuck.resolve), { signal: controller.signal });
        // Whoever refuses the tree does not wait for it.
        await Promise.race([stuck.promise, writing]);
        controller.abort(reason);
        await assert.rejects(writing, (error) => error === reason, where);
      }
      assert.deepEqual(await describeTree(await driver.entries("old")), { a: "file 644 old" }, where);
      await listsExactly(driver, ["old"]);
    }
  },
  "write: refuses a file that is not as long as it says": async ({ driver }) => {
    for (const size of [1, 1_000]) {
      const entry = { ...file("a", "four"), size };
      await assert.rejects(driver.write("one", tree([entry, file("b", "x")])));
    }
    await listsExactly(driver, []);
  },
};

/** What never comes. */
const never = (stuck: () => void): Promise<never> => {
  stuck();
  return new Promise(() => {});
};

/** Trees that come to an entry and go no further, by where that is. They say when they are there. */
const STUCK: Readonly<Record<string, (stuck: () => void) => AsyncIterable<TreeEntry>>> = {
  "before the first entry": async function* (stuck) {
    yield await never(stuck);
  },
  "before another entry": async function* (stuck) {
    yield file("a", "new");
    yield await never(stuck);
  },
  "opening a file": (stuck) =>
    tree([file("a", "new"), { ...file("b", "new"), open: () => never(stuck) } as TreeEntry]),
  "within a file": (stuck) => tree([file("a", "new"), stuckFile(20, stuck)]),
  "within a large file": (stuck) => tree([file("a", "new"), stuckFile(1_000_000, stuck)]),
};

function stuckFile(size: number, stuck: () => void): TreeEntry {
  let pulled = false;
  const open = (): Promise<ReadableStream<Bytes>> =>
    Promise.resolve(
      new ReadableStream<Bytes>({
        pull(controller) {
          if (pulled) return never(stuck);
          pulled = true;
          controller.enqueue(new Uint8Array(10));
        },
      }, { highWaterMark: 0 }),
    );
  return { kind: "file", path: "stuck", mode: 0o644, size, open };
}

async function* failingAfter(trouble: Error): AsyncGenerator<TreeEntry, void, void> {
  yield file("a", "new");
  throw trouble;
}

function failingFile(trouble: Error): TreeEntry {
  let pulled = false;
  const open = (): Promise<ReadableStream<Bytes>> =>
    Promise.resolve(
      new ReadableStream<Bytes>({
        pull(controller) {
          if (pulled) return controller.error(trouble);
          pulled = true;
          controller.enqueue(new Uint8Array(10));
        },
      }),
    );
  return { kind: "file", path: "failing", mode: 0o644, size: 20, open };
}

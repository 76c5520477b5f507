/**
 * The cases that hold for every kind of repository: keys, listing, deletion, abort, conditions, neighbours, watching.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Change, KeyDriver, OperationOptions, WriteOptions } from "../repositories/driver.ts";
import { conditionCases } from "./condition_cases.ts";
import { stops, stopsWith } from "./signals.ts";
import { inParallel, listKeys, listsExactly, long, type SuiteCases } from "./suite.ts";

/** How the common cases make and read values of one kind: a text stands for a value. */
export interface SampleValues<D extends KeyDriver> {
  /** Writes the value that stands for a text. */
  write(driver: D, key: string, text: string, options?: WriteOptions): Promise<void>;
  /** Reads the text that a value stands for. */
  read(driver: D, key: string, options?: OperationOptions): Promise<string | undefined>;
  /** A store beside this one. */
  beside?(driver: D, name: string): D | undefined;
}

/**
 * The cases that hold for every kind of repository.
 *
 * @param values How to make and read values of this kind.
 * @returns The cases.
 */
export function keyCases<D extends KeyDriver>(values: SampleValues<D>): SuiteCases<D> {
  return {
    ...membershipCases(values),
    ...nameCases(values),
    ...abortCases(values),
    ...conditionCases(values),
    ...neighbourCases(values),
  };
}

function membershipCases<D extends KeyDriver>({ write, read }: SampleValues<D>): SuiteCases<D> {
  return {
    "has no keys when fresh": async ({ driver }) => {
      await listsExactly(driver, []);
      assert.equal(await driver.has("absent"), false);
      assert.equal(await driver.info?.("absent"), undefined);
    },
    "lists, has and describes a written key": async ({ driver, writer }) => {
      await write(writer, "one", "1");
      await write(writer, "two", "2");
      await listsExactly(driver, ["one", "two"]);
      assert.equal(await driver.has("one"), true);
      assert.equal(await read(driver, "one"), "1");
      if (!driver.info) return;
      const { size, modified, version } = await driver.info("one") ?? assert.fail("no info of a written key");
      assert(size === undefined || size >= 0);
      assert(
        modified === undefined || Math.abs(Date.now() - modified) < 3_600_000,
        "modified is in ms since 1970",
      );
      assert(version === undefined || version.length > 0);
      assert.equal(await driver.info("three"), undefined);
    },
    "gives nothing for an absent key and does not make it": async ({ driver }) => {
      assert.equal(await read(driver, "absent"), undefined);
      assert.equal(await driver.has("absent"), false);
      await listsExactly(driver, []);
    },
    "write: puts a value in place of the old one": async ({ driver }) => {
      for (const text of ["first", "x", "a longer third value"]) {
        await write(driver, "one", text);
        assert.equal(await read(driver, "one"), text);
      }
      await listsExactly(driver, ["one"]);
    },
    "write: deletes once, twice, and what was never there": async ({ driver }) => {
      await write(driver, "one", "1");
      await write(driver, "two", "2");
      await driver.delete("one");
      assert.equal(await driver.has("one"), false);
      assert.equal(await read(driver, "one"), undefined);
      await driver.delete("one");
      await driver.delete("never");
      await listsExactly(driver, ["two"]);
      await write(driver, "one", "again");
      assert.equal(await read(driver, "one"), "again");
    },
    "works as a copy of its record": async ({ driver, writer }) => {
      const copy: D = { ...driver };
      if (driver.supports.writable) await write(copy, "one", "1");
      else await write(writer, "one", "1");
      assert.equal(await copy.has("one"), true);
      assert.equal(await read(copy, "one"), "1");
      await listsExactly(copy, ["one"]);
      if (!driver.supports.writable) return;
      await copy.delete("one");
      await listsExactly(driver, []);
    },
    "has a name, and the same identity in every driver over the store": ({ driver, other }) => {
      assert(driver.name.length > 0 && driver.identity.length > 0);
      assert.equal(other.identity, driver.identity);
      return Promise.resolve();
    },
    "shows another driver over the store what is there": async ({ writer, other }) => {
      await write(writer, "one", "1");
      assert.equal(await read(other, "one"), "1");
      await listsExactly(other, ["one"]);
    },
    "is prepared twice and keeps what it has": async ({ driver, writer }) => {
      await write(writer, "one", "1");
      await driver.prepare?.();
      await driver.prepare?.();
      assert.equal(await read(driver, "one"), "1");
    },
    "write: never mixes two writers": async ({ driver, other }) => {
      const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(100_000 + i));
      await Promise.all(texts.map((text, i) => write(i % 2 ? driver : other, "one", text)));
      assert(texts.includes((await read(driver, "one"))!), "the value is none of those written");
      await listsExactly(driver, ["one"]);
    },
    "write: lists whole keys while others write and delete": long(async ({ driver, other }) => {
      const keys = Array.from({ length: 60 }, (_, i) => `key-${i}`);
      const busy = inParallel(keys, 4, async (key) => {
        await write(other, key, key);
        if (Number(key.slice(4)) % 2) await other.delete(key);
      });
      for (let i = 0; i < 5; i++) for (const key of await listKeys(driver)) assert(keys.includes(key), key);
      await busy;
      await listsExactly(driver, keys.filter((_, i) => i % 2 === 0));
    }),
  };
}

/** Every character a key may have, in a key. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.0123456789_-z";

function nameCases<D extends KeyDriver>({ write, read }: SampleValues<D>): SuiteCases<D> {
  return {
    "lists many keys, each once": long(async ({ driver, writer, many }) => {
      const keys = Array.from({ length: many }, (_, i) => `key-${i.toString().padStart(6, "0")}`);
      await inParallel(keys, 16, (key) => write(writer, key, key));
      await listsExactly(driver, keys);
    }),
    "takes every valid key and keeps them apart": async ({ driver, writer }) => {
      const keys = [
        "a",
        "ab",
        "abc",
        "a.b",
        "a..b",
        "a-b",
        "a_b",
        "0",
        "00",
        "1e5",
        "a.txt",
        "a.yaml",
        "a.tmp",
      ];
      keys.push(
        ALPHABET,
        "con",
        "x".repeat(128),
        "x".repeat(127),
        "constructor",
        "hasOwnProperty",
        "toString",
      );
      for (const key of keys) await write(writer, key, `value of ${key}`);
      for (const key of keys) assert.equal(await read(driver, key), `value of ${key}`);
      await listsExactly(driver, keys);
      assert.equal(await driver.has("abcd"), false);
      assert.equal(await driver.has("valueOf"), false);
    },
    "write: keeps keys that differ in case apart, or refuses": async ({ driver }) => {
      await write(driver, "Key", "upper");
      const refused = await write(driver, "key", "lower").then(() => false, () => true);
      assert.equal(await read(driver, "Key"), "upper");
      assert.equal(await read(driver, "key"), refused ? undefined : "lower");
      await listsExactly(driver, refused ? ["Key"] : ["Key", "key"]);
    },
  };
}

function abortCases<D extends KeyDriver>({ write, read }: SampleValues<D>): SuiteCases<D> {
  return {
    "does nothing under a signal that is already aborted": async ({ driver, writer }) => {
      await write(writer, "one", "1");
      const reason = new Error("called off");
      const options = { signal: AbortSignal.abort(reason) };
      // A driver may throw before it gives a promise.
      const stopped = (what: string, call: () => unknown): Promise<void> =>
        stopsWith(what, reason, (async () => await call())());
      await stopped("a read", () => read(driver, "one", options));
      await stopped("has()", () => driver.has("one", options));
      await stopped("keys()", () => Array.fromAsync(driver.keys(options)));
      if (driver.info) await stopped("info()", () => driver.info!("one", options));
      if (driver.prepare) await stopped("prepare()", () => driver.prepare!(options));
      if (!driver.supports.writable) return;
      await stopped("a write", () => write(driver, "one", "2", options));
      await stopped("delete()", () => driver.delete("one", options));
      assert.equal(await read(driver, "one"), "1");
    },
    "stops a listing that is aborted between pages, and is not harmed by one left early": async (
      { driver, writer },
    ) => {
      for (let i = 0; i < 5; i++) await write(writer, `key-${i}`, "x");
      const reason = new Error("called off");
      const controller = new AbortController();
      const listing = async (): Promise<void> => {
        for await (const _ of driver.keys({ signal: controller.signal })) controller.abort(reason);
        // A store with one page is at its end here; the next listing under this signal must fail all the same.
        for await (const _ of driver.keys({ signal: controller.signal })) break;
      };
      await stopsWith("a listing", reason, listing());
      for await (const page of driver.keys()) if (page.length > 0) break;
      assert.equal((await listKeys(driver)).length, 5);
    },
    "is not harmed by a signal aborted afterwards": async ({ driver, writer }) => {
      const controller = new AbortController();
      const options = { signal: controller.signal };
      await write(writer, "one", "1", options);
      assert.equal(await read(driver, "one", options), "1");
      await driver.has("one", options);
      controller.abort(new Error("too late"));
      assert.equal(await read(driver, "one"), "1");
      await listsExactly(driver, ["one"]);
    },
  };
}

function neighbourCases<D extends KeyDriver>({ write, read, beside }: SampleValues<D>): SuiteCases<D> {
  return {
    "write: keeps what is beside it apart": async ({ driver, other }) => {
      const failed = beside?.(driver, "failed");
      if (!failed) return;
      const logs = beside!(driver, "logs")!;
      await failed.prepare?.();
      await write(driver, "one", "main");
      await write(failed, "one", "failed");
      await write(failed, "two", "failed");
      await listsExactly(driver, ["one"]);
      await listsExactly(failed, ["one", "two"]);
      await listsExactly(logs, []);
      assert.equal(await read(driver, "one"), "main");
      assert.equal(await read(beside!(other, "failed")!, "two"), "failed");
      assert.notEqual(failed.identity, driver.identity);
      assert.equal(beside!(driver, "failed")!.identity, failed.identity);
      assert.equal(await driver.has("two"), false);
      await driver.delete("one");
      assert.equal(await read(failed, "one"), "failed");
    },
    "watch tells what another driver does, and ends on abort": long(async ({ driver, other, writer }) => {
      if (!driver.watch) return;
      const hand = other.supports.writable ? other : writer;
      const controller = new AbortController();
      const seen = new Sightings(driver.watch({ signal: controller.signal }));
      await write(hand, "one", "1");
      await seen.until((c) => c === "rescan" || (c.key === "one" && c.present));
      await write(hand, "one", "another value");
      await seen.until((c) => c === "rescan" || (c.key === "one" && c.present));
      await hand.delete("one");
      await seen.until((c) => c === "rescan" || (c.key === "one" && !c.present));
      controller.abort();
      await stops("watch()", seen.ended);
      assert(seen.foreign.length === 0, `told of what is no key: ${JSON.stringify(seen.foreign)}`);
    }),
  };
}

/** How long a change may take to be told, in milliseconds. */
const PATIENCE = 20_000;

/** What a watch has told so far. */
class Sightings {
  readonly ended: Promise<void>;
  readonly foreign: string[] = [];
  readonly #changes: Change[] = [];
  #wake: () => void = () => {};

  constructor(watch: AsyncIterable<Change>) {
    const iterator = watch[Symbol.asyncIterator]();
    this.ended = (async () => {
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        if (next.value !== "rescan" && next.value.key !== "one") this.foreign.push(next.value.key);
        this.#changes.push(next.value);
        this.#wake();
      }
    })();
  }

  async until(wanted: (change: Change) => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error("the change was not told")), PATIENCE);
    let found = false;
    const look = (): void => {
      while (!found && this.#changes.length > 0) found = wanted(this.#changes.shift()!);
      if (found) resolve();
    };
    this.#wake = look;
    look();
    await promise.finally(() => {
      clearTimeout(timer);
      this.#wake = () => {};
    });
  }
}

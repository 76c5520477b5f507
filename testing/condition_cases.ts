/**
 * The cases of writing on a condition: `ifAbsent` and `ifVersion`.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { KeyDriver } from "../repositories/driver.ts";
import type { SampleValues } from "./key_cases.ts";
import { codeOf, long, rejectsWith, type SuiteCases } from "./suite.ts";

/** How many race. */
const RACERS = 8;

/**
 * The cases of writing on a condition.
 *
 * @param values How to make and read values of this kind.
 * @returns The cases.
 */
export function conditionCases<D extends KeyDriver>({ write, read }: SampleValues<D>): SuiteCases<D> {
  return {
    "write: ifAbsent takes a free key and refuses a taken one": async ({ driver }) => {
      if (!driver.supports.conditional) return await refused(driver, write);
      await write(driver, "one", "first", { ifAbsent: true });
      await rejectsWith(driver, "already-exists", write(driver, "one", "second", { ifAbsent: true }));
      assert.equal(await read(driver, "one"), "first");
      await driver.delete("one");
      await write(driver, "one", "third", { ifAbsent: true });
      assert.equal(await read(driver, "one"), "third");
    },
    "write: ifAbsent lets exactly one of many win": async ({ driver, other }) => {
      if (!driver.supports.conditional) return await refused(driver, write);
      const texts = Array.from({ length: RACERS }, (_, i) => String(i).repeat(10_000));
      const outcomes = await Promise.allSettled(
        texts.map((text, i) => write(i % 2 ? driver : other, "one", text, { ifAbsent: true })),
      );
      const winners = texts.filter((_, i) => outcomes[i]!.status === "fulfilled");
      assert.equal(winners.length, 1);
      assert.equal(await read(driver, "one"), winners[0]);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") assert.equal(codeOf(driver, outcome.reason), "already-exists");
      }
    },
    "write: ifVersion writes over that version only": async ({ driver }) => {
      if (!driver.supports.conditional) return await refused(driver, write);
      await write(driver, "one", "1");
      const first = (await driver.info!("one"))!.version!;
      assert.equal((await driver.info!("one"))!.version, first, "a version that changes by itself");
      await write(driver, "one", "2", { ifVersion: first });
      assert.notEqual((await driver.info!("one"))!.version, first);
      await rejectsWith(driver, "conflict", write(driver, "one", "3", { ifVersion: first }));
      await rejectsWith(driver, ["conflict", "not-found"], write(driver, "two", "3", { ifVersion: first }));
      assert.equal(await read(driver, "one"), "2");
      assert.equal(await driver.has("two"), false);
    },
    "write: ifVersion loses no update of many that race": long(async ({ driver, other }) => {
      if (!driver.supports.conditional) return await refused(driver, write);
      await write(driver, "count", "000");
      await Promise.all(Array.from({ length: RACERS }, async (_, i) => {
        const mine = i % 2 ? driver : other;
        for (let added = 0; added < 5;) {
          try {
            // A reader may be told, in place of a mixed value, that what it read was replaced meanwhile.
            const version = (await mine.info!("count"))!.version!;
            const next = String(Number(await read(mine, "count")) + 1).padStart(3, "0");
            await write(mine, "count", next, { ifVersion: version });
            added++;
          } catch (error) {
            if (codeOf(mine, error) !== "conflict") throw error;
          }
        }
      }));
      assert.equal(Number(await read(driver, "count")), RACERS * 5);
    }),
    "write: gives each value a version of its own": long(async ({ driver }) => {
      if (!driver.info) return;
      const versions = new Set<string>();
      for (let i = 10; i < 40; i++) {
        await write(driver, "one", String(i));
        const version = (await driver.info("one"))?.version;
        if (version === undefined) return assert(!driver.supports.conditional, "conditional needs versions");
        versions.add(version);
      }
      assert.equal(versions.size, 30);
    }),
  };
}

/** A driver that does not claim conditions must refuse them: to ignore one would be to lose data. */
async function refused<D extends KeyDriver>(driver: D, write: SampleValues<D>["write"]): Promise<void> {
  await rejectsWith(driver, "unsupported", write(driver, "one", "1", { ifAbsent: true }), "ifAbsent");
  await rejectsWith(driver, "unsupported", write(driver, "one", "1", { ifVersion: "1" }), "ifVersion");
  assert.equal(await driver.has("one"), false);
}

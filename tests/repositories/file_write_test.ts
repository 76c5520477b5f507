import assert from "node:assert/strict";
import { type Files, systemFiles } from "../../core/files.ts";
import { FileRepository } from "../../repositories/files.ts";
import { Stamps } from "../../repositories/file_stamps.ts";
import { inFolder } from "../kit/folder.ts";

Deno.test("FileRepository writes under a name that it had before, and under a new one when a write has failed", () =>
  inFolder(async (dir) => {
    const temps: string[] = [];
    let broken = false;
    const files: Files = {
      ...systemFiles,
      writeNew(path, bytes) {
        temps.push(path);
        return systemFiles.writeNew(path, bytes);
      },
      rename: (from, to) => broken ? Promise.reject(new Error("no renaming")) : systemFiles.rename(from, to),
      remove: (path, options) =>
        broken ? Promise.reject(new Error("no removing")) : systemFiles.remove(path, options),
    };
    const repository = new FileRepository(dir, { files });
    for (const key of ["one", "two", "three"]) await repository.put(key, key);
    assert.equal(new Set(temps).size, 1);
    broken = true;
    await assert.rejects(repository.put("one", "other"), /Cannot write "one" of .*no renaming/);
    broken = false;
    await repository.put("four", "four");
    assert.equal(new Set(temps).size, 2);
    await Promise.all(["five", "six"].map((key) => repository.put(key, key)));
    assert.equal(new Set(temps).size, 3);
    for (const key of await Array.fromAsync(repository)) assert.equal(await repository.text(key), key);
  }));

Deno.test("FileRepository writes on when the first name of a value that was absent could not be removed", () =>
  inFolder(async (dir) => {
    const files: Files = { ...systemFiles, remove: () => Promise.reject(new Error("no removing")) };
    const repository = new FileRepository(dir, { files });
    await repository.put("one", "1", { ifAbsent: true });
    await repository.put("two", "2");
    assert.deepEqual([await repository.text("one"), await repository.text("two")], ["1", "2"]);
  }));

Deno.test("FileRepository gives a value that is written again and again, and then once more, times that only grow", () =>
  inFolder(async (dir) => {
    const repository = new FileRepository(dir);
    const times: number[] = [];
    const write = async (): Promise<void> => {
      await repository.put("one", "same");
      times.push((await repository.info("one"))!.modified!);
    };
    for (let i = 0; i < 300; i++) await write();
    // Its time is ahead of the clock now, and stays known while others are written for longer than a tick takes.
    const ahead = times.at(-1)!;
    while (Date.now() < ahead - 1) await repository.put("other", "other");
    await write();
    for (let i = 1; i < times.length; i++) {
      assert.ok(times[i]! > times[i - 1]!, `${times[i - 1]} ${times[i]}`);
    }
  }));

Deno.test("times of keys are forgotten after a moment, unless they have only just come or are yet to come", () => {
  let now = 100_000;
  const { now: real } = Date;
  Date.now = () => now;
  const stamps = new Stamps();
  const lately = (key: string): number | undefined => stamps.lately(key, now);
  const busy = (until: number): void => {
    for (; now < until; now++) lately(`other-${now}`);
  };
  try {
    assert.equal(lately("one"), undefined);
    assert.equal(lately("one"), 100_000);
    assert.equal(stamps.after("two", 100_100), 100_101);
    busy(100_060);
    assert.equal(lately("one"), undefined);
    assert.equal(lately("two"), 100_101);
    busy(100_110);
    // The time of a file may lag behind the clock.
    assert.equal(lately("two"), 100_101);
    busy(100_200);
    assert.equal(lately("two"), undefined);
    // A write that began before others is no clock that was set back, and takes no memory of them away.
    assert.equal(stamps.lately("other-100199", now - 40), 100_199);
    assert.equal(lately("other-100199"), 100_199);
    now = 50_000;
    assert.equal(lately("other-100199"), 100_199);
  } finally {
    Date.now = real;
  }
});

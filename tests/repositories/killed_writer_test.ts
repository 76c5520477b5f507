/** Stores on this machine whose writer is killed in the midst of a value: what was there stays, what was said is there, nothing is half. */
import assert from "node:assert/strict";
import { readAll } from "../../core/bytes.ts";
import type { BlobDriver, FilesystemDriver } from "../../repositories/driver.ts";
import { listKeys } from "../../testing/suite.ts";
import { inFolder } from "../kit/folder.ts";
import { SIZE, STORES } from "./killed_writer.ts";

const WRITER = new URL("./killed_writer.ts", import.meta.url).href;

/** Runs a writer until it has said so many lines, kills it there, and gives all that it has said. */
async function killed(store: string, folder: string, mode: "stop" | "go", lines: number): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-lock", WRITER, store, folder, mode],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  let alive = true;
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    const enough = mode === "stop" ? text.endsWith("half\n") : text.split("\n").length > lines;
    if (!alive || !enough) continue;
    alive = false;
    child.kill("SIGKILL");
  }
  await child.stdin.close().catch(() => {});
  assert.equal((await child.status).signal, "SIGKILL", "the writer ended by itself");
  return text.split("\n").slice(0, -1);
}

/** The number that a value is made of. Fails when the value is not whole. */
async function fillOf(driver: BlobDriver | FilesystemDriver, key: string): Promise<number> {
  const parts = [];
  if ("read" in driver) parts.push(await readAll((await driver.read(key))!));
  else {
    for await (const entry of (await driver.entries(key))!) {
      if (entry.kind === "file") parts.push(await readAll(await entry.open()));
    }
    assert.equal(parts.length, 2, `${key} is half a tree`);
  }
  const fill = parts[0]![0]!;
  for (const bytes of parts) {
    assert.equal(bytes.length, SIZE, `${key} was cut short`);
    assert(bytes.every((byte) => byte === fill), `${key} is a mixture`);
  }
  return fill;
}

/** What is in the folder of a store besides its values. */
function leftovers(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
    name.startsWith(".") && name !== ".lock"
  );
}

for (const name of Object.keys(STORES)) {
  Deno.test(`${name}: a writer that is killed in the midst of a value leaves the old ones`, () =>
    inFolder(async (folder) => {
      const said = await killed(name, folder, "stop", 0);
      assert.deepEqual(said, ["done k1 1", "done k2 2", "done k0 3", "half"]);
      using store = STORES[name]!(folder);
      await store.driver.prepare?.();
      assert.deepEqual(await listKeys(store.driver), ["k0", "k1", "k2"]);
      for (const [key, fill] of [["k1", 1], ["k2", 2], ["k0", 3]] as const) {
        assert.equal(await fillOf(store.driver, key), fill);
      }
      assert.deepEqual(leftovers(folder), [], "what the dead process had begun is swept");
      await store.write("k1", 9, () => Promise.resolve());
      assert.equal(await fillOf(store.driver, "k1"), 9);
    }));

  Deno.test(`${name}: writers that are killed at any moment lose nothing that they have said`, () =>
    inFolder(async (folder) => {
      for (let round = 0; round < 3; round++) {
        const last = new Map<string, number>();
        for (const line of await killed(name, folder, "go", 5 + 4 * round)) {
          const [, key, fill] = line.split(" ") as [string, string, string];
          last.set(key, Number(fill));
        }
        using store = STORES[name]!(folder);
        await store.driver.prepare?.();
        assert.deepEqual(await listKeys(store.driver), ["k0", "k1", "k2"]);
        // A value may have come whole, and its process died before it could say so: one of all, the next.
        let unsaid = 0;
        for (const [key, fill] of last) {
          const found = await fillOf(store.driver, key);
          if (found === fill % 256) continue;
          assert.equal(found, (fill + 3) % 256, `${key} was lost`);
          unsaid++;
        }
        assert(unsaid <= 1, `${unsaid} values that nobody has said`);
        assert.equal(last.size, 3);
        assert.deepEqual(leftovers(folder), []);
      }
    }));
}

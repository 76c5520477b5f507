import assert from "node:assert/strict";
import { encodeText } from "../../core/bytes.ts";
import type { Change } from "../../repositories/driver.ts";
import { fileDriver } from "../../repositories/files.ts";

/** More than the system keeps for a watcher that does not look. */
const BURST = 25_000;

Deno.test("a watch that the system cannot keep up with tells to scan again, or every key", async () => {
  const dir = await Deno.makeTempDir({
    dir: await Deno.stat("/dev/shm").then(() => "/dev/shm", () => "/tmp"),
  });
  const controller = new AbortController();
  try {
    const changes = fileDriver(dir).watch!({ signal: controller.signal })[Symbol.asyncIterator]();
    let next = changes.next();
    // Without an await in between: nobody reads what the system tells.
    for (let i = 0; i < BURST; i++) Deno.writeFileSync(`${dir}/key-${i}`, new Uint8Array());
    const keys = new Set<string>();
    for (;;) {
      const { value } = await next as { value: Change };
      if (value === "rescan") break;
      keys.add(value.key);
      if (keys.size === BURST) break;
      next = changes.next();
    }
    controller.abort();
    await changes.return?.();
  } finally {
    controller.abort();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a watch of an absent folder makes it and tells to scan", async () => {
  const dir = await Deno.makeTempDir();
  const controller = new AbortController();
  try {
    const driver = fileDriver(`${dir}/values`, { extension: ".txt" });
    const changes = driver.watch!({ signal: controller.signal })[Symbol.asyncIterator]();
    assert.deepEqual(await changes.next(), { done: false, value: "rescan" });
    const next = changes.next();
    await Deno.writeTextFile(`${dir}/values/other.yaml`, "x");
    await Deno.mkdir(`${dir}/values/_failed`);
    await driver.write("one", encodeText("1"));
    assert.deepEqual(await next, { done: false, value: { key: "one", present: true } });
    controller.abort();
    for (let rest = await changes.next(); !rest.done; rest = await changes.next());
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

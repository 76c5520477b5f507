import assert from "node:assert/strict";
import { memoryBlobDriver } from "../../repositories/memory.ts";
import type { BlobDriver } from "../../repositories/driver.ts";
import { stopsWith } from "../../testing/signals.ts";
import { testBlobDriver } from "../../testing/blob_suite.ts";

/** What the suite says of a driver in one case. */
async function verdict(change: (inner: BlobDriver) => Partial<BlobDriver>, title: string): Promise<string> {
  const cases = new Map<string, () => Promise<void>>();
  const make = (): BlobDriver => {
    const inner = memoryBlobDriver();
    return { ...inner, ...change(inner) };
  };
  testBlobDriver("mine", { make, test: (name, run) => void cases.set(name, run) });
  return await cases.get(`mine ${title}`)!().then(() => "well", (error) => error.message);
}

Deno.test("the suite says of a driver that ignores its signal what was promised, what it saw, and what to do", async () => {
  const title = "does nothing under a signal that is already aborted";
  assert.equal(await verdict(() => ({}), title), "well");
  assert.equal(
    await verdict((inner) => ({ has: (key) => inner.has(key) }), title),
    "has() must stop soon after its signal is aborted and throw the signal's reason, and it went on as if nothing had happened; begin with options?.signal?.throwIfAborted(), and hand the signal to whatever waits",
  );
  assert.equal(
    await verdict(() => ({ delete: () => Promise.reject(new Error("no")) }), title),
    "delete() must stop soon after its signal is aborted and throw the signal's reason, called off, and it threw something else: no; when options.signal.aborted, throw options.signal.reason",
  );
});

Deno.test("an operation that throws the reason is well, however late it is asked", async () => {
  const reason = new Error("called off");
  await stopsWith("it", reason, Promise.reject(reason));
});

import assert from "node:assert/strict";
import { Channel } from "../../core/channel.ts";

Deno.test("Channel hands out all values in order, pushed before or while it is read", async () => {
  const channel = new Channel<number>();
  for (let i = 0; i < 3_000; i++) channel.push(i);
  assert.equal(channel.size, 3_000);
  const read = Array.fromAsync(channel);
  await Promise.resolve();
  channel.push(3_000);
  channel.close();
  channel.push(3_001);
  assert.deepEqual(await read, Array.from({ length: 3_001 }, (_, i) => i));
  assert(channel.closed);
});

Deno.test("Channel gives an error after what was pushed before it", async () => {
  const channel = new Channel<number>();
  channel.push(1);
  channel.close({ reason: new Error("broken") });
  assert.deepEqual(await channel.next(), { done: false, value: 1 });
  await assert.rejects(channel.next(), { message: "broken" });
});

Deno.test("Channel rejects a reader that waits when it fails", async () => {
  const channel = new Channel<number>();
  const next = channel.next();
  channel.close({ reason: new Error("broken") });
  await assert.rejects(next, { message: "broken" });
});

Deno.test("Channel tells when its reader leaves", async () => {
  let left = 0;
  const channel = new Channel<number>(() => left++);
  channel.push(1);
  channel.push(2);
  for await (const value of channel) {
    assert.equal(value, 1);
    break;
  }
  assert.equal(left, 1);
  assert.deepEqual(await channel.next(), { done: true, value: undefined });
});

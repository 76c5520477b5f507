/** Tests of the clock that is turned by hand. */
import assert from "node:assert/strict";
import { sleep } from "../../core/clock.ts";
import { manualClock } from "../../testing/manual_clock.ts";

Deno.test("manualClock stands still until it is turned", () => {
  const clock = manualClock("2001-02-03T04:05:06Z");
  assert.equal(clock.now(), Date.UTC(2001, 1, 3, 4, 5, 6));
  assert.equal(clock.monotonic(), 0);
  clock.advance("1m");
  assert.equal(clock.now(), Date.UTC(2001, 1, 3, 4, 6, 6));
  assert.equal(clock.monotonic(), 60_000);
});

Deno.test("advance calls timers in the order of their times, each at its time", () => {
  const clock = manualClock(0);
  const seen: string[] = [];
  const note = (name: string) => () => seen.push(`${name}@${clock.monotonic()}`);
  clock.after(30, note("c"));
  clock.after(10, note("a"));
  clock.after(30, note("d"));
  clock.after(20, () => {
    note("b")();
    clock.after(5, note("b2"));
    clock.after(500, note("late"));
  });
  assert.equal(clock.next, 10);
  assert.equal(clock.advance(100), 5);
  assert.deepEqual(seen, ["a@10", "b@20", "b2@25", "c@30", "d@30"]);
  assert.equal(clock.monotonic(), 100);
  assert.equal(clock.waiting, 1);
});

Deno.test("after calls nothing within the call, and nothing that was called off", () => {
  const clock = manualClock();
  let called = 0;
  clock.after(0, () => called++);
  const cancel = clock.after(0, () => called += 10);
  cancel();
  assert.equal(called, 0);
  clock.advance(0);
  assert.equal(called, 1);
});

Deno.test("advanceToNext goes to the next timer, and says when there is none", () => {
  const clock = manualClock();
  const seen: number[] = [];
  for (const ms of [50, 50, 70]) clock.after(ms, () => seen.push(ms));
  assert.equal(clock.advanceToNext(), true);
  assert.deepEqual(seen, [50, 50]);
  assert.equal(clock.advanceToNext(), true);
  assert.equal(clock.advanceToNext(), false);
  assert.equal(clock.next, undefined);
});

Deno.test("advance stands at the time of a timer that throws", () => {
  const clock = manualClock();
  clock.after(10, () => {
    throw new Error("no");
  });
  assert.throws(() => clock.advance(20), /no/);
  assert.equal(clock.monotonic(), 10);
});

Deno.test("sleep by a manual clock ends when the clock is turned, or when it is aborted", async () => {
  const clock = manualClock();
  const nap = sleep(clock, 1000);
  clock.advance(1000);
  await nap;
  const aborter = new AbortController();
  const second = sleep(clock, 1000, aborter.signal);
  aborter.abort(new Error("enough"));
  await assert.rejects(second, /enough/);
  assert.equal(clock.waiting, 0);
});

Deno.test("manualClock refuses what is no time", () => {
  assert.throws(() => manualClock("soon"), {
    message:
      'Cannot set a clock to "soon"; write milliseconds since 1970, or a date such as "2001-01-01T00:00:00Z"',
  });
});

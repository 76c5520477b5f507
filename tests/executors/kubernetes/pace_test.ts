import assert from "node:assert/strict";
import { Pace } from "../../../executors/kubernetes/pace.ts";
import { manualClock } from "../../../testing/manual_clock.ts";

/** How many of many turns have come. */
class Turns {
  come = 0;

  constructor(pace: Pace, many: number) {
    for (let i = 0; i < many; i++) void pace.turn().then(() => this.come++);
  }
}

/** Lets everything happen that waits for no clock. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("A pace lets a second's worth go at once after a pause, and the others evenly after them", async () => {
  const clock = manualClock();
  clock.advance("1h");
  const pace = new Pace(20, clock);
  const turns = new Turns(pace, 100);
  await settled();
  assert.equal(turns.come, 20);
  for (let each = 1; each <= 80; each++) {
    clock.advance(49);
    await settled();
    assert.equal(turns.come, 19 + each);
    clock.advance(1);
    await settled();
    assert.equal(turns.come, 20 + each);
  }
  clock.advance("1h");
  const later = new Turns(pace, 30);
  await settled();
  assert.equal(later.come, 20, "no more than a second's worth is saved up");
  clock.advance("1s");
  await settled();
  assert.equal(later.come, 30);
});

Deno.test("Whoever stops waiting for a turn is told why", async () => {
  const clock = manualClock();
  const pace = new Pace(1, clock);
  const aborter = new AbortController();
  const waiting = pace.turn(aborter.signal);
  aborter.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  assert.equal(clock.waiting, 0);
});

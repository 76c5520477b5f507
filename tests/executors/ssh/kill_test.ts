import assert from "node:assert/strict";
import { killCoordinator } from "../children.ts";
import { address, Place, sshTest } from "./server.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 5);

sshTest(`sshExecutor() decides every run after its coordinator was killed, ${KILLS} times`, async (stack) => {
  const place = new Place(stack);
  const program = new URL("killed_coordinator.ts", import.meta.url);
  const options = JSON.stringify({ ...address, root: place.root });
  let adopted = 0;
  for (let round = 0; round < KILLS; round++) {
    await killCoordinator(program, [place.state, `${round}`, options], Math.random() * 100);
    await using inner = new AsyncDisposableStack();
    const executor = await place.opened(inner);
    const found = await Array.fromAsync(executor.list());
    adopted += found.length;
    for (const { attempt, notes } of found) {
      const n = Number(attempt.job.split("-")[1]);
      assert.deepEqual(notes, { n: String(n) });
      const status = await executor.wait(attempt);
      // A request that was under way may have been made, or not begun at all: never half.
      if (status.state === "finished") assert.equal(status.exitCode, n % 4);
      else assert.match(status.reason, /^it was never begun/);
      await executor.forget(attempt);
    }
    assert.deepEqual(await Array.fromAsync(executor.list()), []);
    assert.deepEqual(place.leftovers().filter((path) => !/\/work$/.test(path)), []);
    const marks = Deno.readTextFileSync(`${place.state}/marks`).trim().split("\n");
    assert.equal(new Set(marks).size, marks.length, "a run was executed twice");
  }
  assert(adopted > 0, "the coordinator was always killed too early to leave a run");
});

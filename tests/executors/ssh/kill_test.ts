import assert from "node:assert/strict";
import { address, Place, sshTest } from "./server.ts";
import { killIfThere } from "../children.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 5);

async function killOne(place: Place, round: number, ms: number): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("killed_coordinator.ts", import.meta.url).pathname,
      place.state,
      `${round}`,
      JSON.stringify({ ...address, root: place.root }),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, ms));
  killIfThere(child);
  await reader.cancel();
  await child.status;
}

sshTest(`sshExecutor() decides every run after its coordinator was killed, ${KILLS} times`, async (stack) => {
  const place = new Place(stack);
  let adopted = 0;
  for (let round = 0; round < KILLS; round++) {
    await killOne(place, round, Math.random() * 100);
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

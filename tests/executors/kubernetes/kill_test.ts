import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { clusterTest, image, type Place } from "./cluster.ts";
import { freshState, optionsOf } from "./kit.ts";
import { killIfThere } from "../children.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 3);

async function killOne(place: Place, state: string, round: number, ms: number): Promise<void> {
  const program = new URL("killed_coordinator.ts", import.meta.url).pathname;
  // So slow that a kill meets pods which are only half made, too.
  const options = JSON.stringify({ ...optionsOf(place), podsPerSecond: 5 });
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, state, `${round}`, image, options],
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

clusterTest(
  `kubernetesExecutor() decides every run after its coordinator was killed, ${KILLS} times`,
  async (place) => {
    const state = freshState(place.stack);
    let adopted = 0;
    for (let round = 0; round < KILLS; round++) {
      await killOne(place, state, round, Math.random() * 300);
      const executor = kubernetesExecutor(optionsOf(place));
      await executor.open({ state });
      place.stack.defer(() => executor.close());
      const found = await Array.fromAsync(executor.list());
      adopted += found.length;
      for (const { attempt, notes } of found) {
        const n = Number(attempt.job.split("-")[1]);
        assert.deepEqual(notes, { n: String(n) });
        const status = await executor.wait(attempt);
        // A pod that was held back has never begun; all others are seen to their end, and are run once.
        if (status.state === "finished") {
          assert.equal(status.exitCode, n % 4);
          assert.equal(await new Response(await executor.logs(attempt)).text(), `${attempt.job}\n`);
        } else assert.match(status.reason, /never started/);
        await executor.forget(attempt);
      }
      assert.deepEqual(await Array.fromAsync(executor.list()), []);
    }
    assert(adopted > 0, "the coordinator was always killed too early to leave a run");
  },
);

import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { clusterTest, image } from "./cluster.ts";
import { freshState, optionsOf } from "./kit.ts";
import { killCoordinator } from "../children.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 3);

for (const as of ["pod", "job"] as const) {
  clusterTest(
    `kubernetesExecutor({ as: "${as}" }) decides every run after its coordinator was killed, ${KILLS} times`,
    async (place) => {
      const state = freshState(place.stack);
      const program = new URL("killed_coordinator.ts", import.meta.url);
      // So slow that a kill meets runs which are only half made, too.
      const options = JSON.stringify({ ...optionsOf(place), as, podsPerSecond: 5 });
      let adopted = 0;
      for (let round = 0; round < KILLS; round++) {
        await killCoordinator(program, [state, `${round}`, image, options], Math.random() * 300);
        const executor = kubernetesExecutor({ ...optionsOf(place), as });
        await executor.open({ state });
        place.stack.defer(() => executor.close());
        const found = await Array.fromAsync(executor.list());
        adopted += found.length;
        for (const { attempt, notes } of found) {
          const n = Number(attempt.job.split("-")[1]);
          assert.deepEqual(notes, { n: String(n) });
          const status = await executor.wait(attempt);
          // What is only half made has never begun; all others are seen to their end, and are run once.
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
}

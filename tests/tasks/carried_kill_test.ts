/** Kills coordinators while a body elsewhere reads a stream and publishes items, and sees that the next one brings all to its end. */
import assert from "node:assert/strict";
import { killCoordinator } from "../executors/children.ts";
import { taken } from "../executors/kubernetes/cluster.ts";
import { things } from "../executors/kubernetes/kit.ts";
import { runAll } from "../pipeline/kit.ts";
import { CARRIED } from "./body_places.ts";
import { arrived, type At, began, chaptersOf } from "./carried_coordinator.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 3);

/**
 * Kills the coordinator somewhere on its way, and sees that the run goes on with the next, and that nothing is lost or done twice.
 *
 * @returns Whether it was on its way still.
 */
async function survives(at: At, ms: number): Promise<boolean> {
  const dir = await Deno.makeTempDir();
  try {
    const chapters = chaptersOf(dir, at);
    await began(chapters);
    const program = new URL("carried_coordinator.ts", import.meta.url);
    const killed = await killCoordinator(program, [dir, JSON.stringify(at)], ms);
    const { summary, events } = await runAll(chapters.pipeline);
    assert.deepEqual([summary.failed, summary.stuck], [0, 0], JSON.stringify(events));
    await arrived(chapters, JSON.stringify(events));
    return killed;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** How long a round takes about where nobody is killed, in milliseconds: a kill may come anywhere in it. */
const whole = (place: string): number => place === "on Kubernetes" ? 4500 : 1500;

for (const { name: place, there } of CARRIED) {
  Deno.test({
    name:
      `a streaming body ${place} goes on with the next coordinator, and nothing is lost or done twice, ${KILLS} times`,
    ignore: !there,
    async fn() {
      await using stack = new AsyncDisposableStack();
      const pods = place === "on Kubernetes" ? await taken(stack) : undefined;
      const at = pods ? { place, namespace: pods.namespace } : { place };
      let killed = 0;
      for (let round = 0; round < KILLS; round++) {
        if (await survives(at, ((round % 3) + Math.random()) * whole(place) / 3)) killed++;
      }
      assert(killed > 0, "the coordinator was always over before it was killed");
      if (pods) assert.deepEqual((await things(pods)).filter((name) => name.startsWith("pods/")), []);
    },
  });
}

/** Values on their way to pods and back, while the apiserver is killed and connections are cut. */
import assert from "node:assert/strict";
import { CuttingProxy } from "../../kit/cutting_proxy.ts";
import { freePort } from "../../kit/own_process.ts";
import { pause } from "../../kit/waiting.ts";
import { runAll } from "../../pipeline/kit.ts";
import { arrived, began, chaptersOf } from "../../tasks/carried_coordinator.ts";
import { onKubernetes } from "../places.ts";
import { random, travels } from "../travel.ts";
import { clusterTest, fault, faultTest, hostAddress, type Place } from "./cluster.ts";
import { freshState, things } from "./kit.ts";

/** How often the apiserver is killed at the most. */
const RESTARTS = 3;

/** Kills the apiserver now and then, and starts it again with nothing remembered of the past. */
async function restarting(over: AbortSignal): Promise<number> {
  let restarts = 0;
  while (restarts < RESTARTS) {
    await pause(500 + random() * 2000, over);
    if (over.aborted) break;
    await fault("restart-apiserver", "-KILL");
    restarts++;
  }
  return restarts;
}

async function nothingLeft(place: Place): Promise<void> {
  assert.deepEqual((await things(place)).filter((name) => name.startsWith("pods/")), []);
}

faultTest(
  "values of pods arrive once, whole, and use up no attempt, while the apiserver is killed and started again",
  async (place) => {
    let restarts = 0;
    await travels(onKubernetes(place), { hostname: hostAddress }, async (over) => {
      restarts = await restarting(over);
    });
    assert(restarts > 0, "all was over before the apiserver was killed");
    await nothingLeft(place);
  },
);

faultTest(
  "a streaming body in a pod reads and publishes all once while the apiserver is killed and started again",
  async (place) => {
    const { namespace, stack } = place;
    const chapters = chaptersOf(freshState(stack), { place: "on Kubernetes", namespace });
    await began(chapters);
    const over = new AbortController();
    const restarts = restarting(over.signal);
    const { summary, events } = await runAll(chapters.pipeline);
    over.abort();
    assert(await restarts > 0, "all was over before the apiserver was killed");
    const told = JSON.stringify(events);
    assert.deepEqual([summary.failed, summary.stuck], [0, 0], told);
    await arrived(chapters, told);
    await nothingLeft(place);
  },
);

clusterTest(
  "values of pods arrive once, whole, and use up no attempt, while connections to the agent are cut",
  async (place) => {
    const port = freePort();
    const budgets = Array.from({ length: 40 }, () => Math.round(300 * 10_000 ** random()));
    const proxy = place.stack.use(new CuttingProxy(() => port, budgets, hostAddress));
    const agentAddress = `http://${hostAddress}:${proxy.port}`;
    await travels(onKubernetes(place, { agentAddress }), { port }, async () => {});
    assert(proxy.cuts > 10, `${proxy.cuts} cuts`);
    await nothingLeft(place);
  },
);

/** Pipelines whose jobs run in pods, while the cluster fails. */
import assert from "node:assert/strict";
import { runAll } from "../../pipeline/kit.ts";
import { until } from "../../kit/waiting.ts";
import { fault, faultTest } from "./cluster.ts";
import { asTwoProcesses } from "./kit.ts";

faultTest("a job on a node that is silent says so, and goes on when the node is back", async (place) => {
  const [pipeline, other] = await asTwoProcesses(place, "sleep", "sleep 15");
  const told = runAll(pipeline);
  const running = async () => (await other.status()).tasks[0]!.running[0];
  const pods = `/api/v1/namespaces/${place.namespace}/pods`;
  await until("it runs", async () => (await place.cluster.list(pods))[0]?.["status"].phase === "Running");
  place.stack.defer(() => fault("start", "kubelet"));
  await fault("stop", "kubelet", "-KILL");
  await until("the node is missed", async () => /not answer/.test((await running())?.waiting ?? ""));
  const { text } = await other.why("sleep", "emma");
  assert.match(
    text,
    /^It is running \(pod \S+ on (\S+)\): its node \1 does not answer, .*"kubectl delete node \1"\): then/,
  );
  await fault("start", "kubelet");
  const { summary, events } = await told;
  assert.deepEqual([summary.succeeded, summary.started], [1, 1], JSON.stringify(events));
});

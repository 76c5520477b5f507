import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { clusterTest, config } from "./cluster.ts";
import { freshState } from "./kit.ts";

clusterTest("kubernetesExecutor() acts for all the groups of a kubeconfig", async ({ namespace, stack }) => {
  const state = freshState(stack);
  const acting = async (...groups: string[]) => {
    const path = `${state}/${crypto.randomUUID()}`;
    const user = `user: { as: ada, as-groups: ${JSON.stringify(groups)}, `;
    Deno.writeTextFileSync(path, Deno.readTextFileSync(config).replace("user: { ", user));
    return await kubernetesExecutor({ kubeconfig: path, namespace }).probe();
  };
  // Only the last of them may do anything.
  assert.deepEqual(await acting("readers", "system:masters"), { healthy: true });
  const { healthy, reason } = await acting("readers", "writers");
  assert(!healthy);
  assert.match(reason!, /may not create pods/);
});

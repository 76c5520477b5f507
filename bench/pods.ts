/**
 * What thousands of pods cost that wait for a node: run by `deno run -A --v8-flags=--expose-gc bench/pods.ts [pods] [per second]` with
 * `KUBERNETES_TEST_CONFIG` and `KUBERNETES_TEST_IMAGE` set. No node has what they ask for, so that none of them runs.
 *
 * @module
 */
import { kubernetesExecutor } from "../executors/kubernetes/mod.ts";
import { idleContainer } from "./context.ts";
import { figure, say } from "./figure.ts";

const kubeconfig = Deno.env.get("KUBERNETES_TEST_CONFIG");
const image = Deno.env.get("KUBERNETES_TEST_IMAGE");
if (!kubeconfig || !image) {
  throw new Error(
    'set KUBERNETES_TEST_CONFIG and KUBERNETES_TEST_IMAGE: eval "$(.ci/services/kubernetes.sh)"',
  );
}
const pods = Number(Deno.args[0] ?? 3000);
const podsPerSecond = Number(Deno.args[1] ?? 50);

const state = await Deno.makeTempDir();
const executor = kubernetesExecutor({
  kubeconfig,
  namespace: "default",
  podsPerSecond,
  nodeSelector: { "datatask-bench": "no-such-node" },
});
await executor.open({ state });
const attempts = Array.from(
  { length: pods },
  (_, i) => ({ task: "bench", job: `job-${i}`, replica: 0, attempt: 1 }),
);
const memory = (): number => {
  (globalThis as { gc?: () => void }).gc?.();
  return Deno.memoryUsage().heapUsed;
};
const before = memory();
const begun = performance.now();
const aborter = new AbortController();
const waits: Promise<unknown>[] = [];
await Promise.all(attempts.map(async (attempt) => {
  await executor.start(attempt, idleContainer(image), { quota: {} });
  waits.push(executor.wait(attempt, { signal: aborter.signal }).catch(() => {}));
}));
const seconds = (performance.now() - begun) / 1000;
figure("pods created, of the rate that is allowed", pods / seconds / podsPerSecond, "x", { atMost: 1.05 });
figure("kept in memory for each pod that waits", (memory() - before) / pods / 1024, "KiB", { atMost: 16 });
say("memory of the whole process", `${(Deno.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`);
let listed = 0;
for await (const _ of executor.list()) listed++;
say("pods that are listed", `${listed}`);
aborter.abort();
await Promise.all(waits);
const ending = performance.now();
const queue = attempts.values();
await Promise.all(Array.from({ length: 32 }, async () => {
  for (const attempt of queue) {
    await executor.stop(attempt, { graceMs: 0 });
    await executor.forget(attempt);
  }
}));
say("removed", `${(pods / (performance.now() - ending) * 1000).toFixed(0)} pods/s`);
await executor.close();
await Deno.remove(state, { recursive: true });

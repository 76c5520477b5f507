/**
 * A coordinator of pods that a test kills.
 *
 * @module
 */
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { startForever } from "../endless.ts";

const [state, round, image, options] = Deno.args as [string, string, string, string];
const executor = kubernetesExecutor(JSON.parse(options));
await executor.open({ state });
await startForever(executor, round, 2, (attempt, n) =>
  executor.start(attempt, {
    kind: "container",
    image,
    script: `echo ${attempt.job}; exit ${n % 4}`,
    environment: {},
    mergeStderr: true,
    notes: { n: `${n}` },
  }, { quota: {} }));

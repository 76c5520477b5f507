/**
 * A coordinator that a test kills: starts pods and awaits their ends until then.
 *
 * @module
 */
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";

const [state, round, image, options] = Deno.args as [string, string, string, string];
const executor = kubernetesExecutor(JSON.parse(options));
await executor.open({ state });
let next = 0;

async function lane(): Promise<void> {
  while (true) {
    const n = next++;
    const attempt = { task: "work", job: `r${round}-${n}`, replica: 0, attempt: 1 };
    await executor.start(attempt, {
      kind: "container",
      image,
      script: `echo ${attempt.job}; exit ${n % 4}`,
      environment: {},
      mergeStderr: true,
      notes: { n: String(n) },
    }, { quota: {} });
    if (n === 0) console.log("begun");
    if (n % 3 !== 0) continue;
    await executor.wait(attempt);
    if (n % 2 === 0) await executor.forget(attempt);
  }
}

await Promise.all([lane(), lane()]);

/**
 * How quick pods are, as ratios to the bare calls (create, watch until the end, remove) in the same minutes: run by
 * `deno run -A bench/kubernetes.ts [jobs for each at a time]` with `KUBERNETES_TEST_CONFIG` and `KUBERNETES_TEST_IMAGE` set. Rounds are interleaved, so
 * that whatever else the machine does falls on all alike.
 *
 * @module
 */
import { accessOf } from "../executors/kubernetes/access.ts";
import { Api } from "../executors/kubernetes/api.ts";
import { findCluster } from "../executors/kubernetes/kubeconfig.ts";
import { kubernetesExecutor } from "../executors/kubernetes/mod.ts";
import { idleContainer } from "./context.ts";
import { figure, say } from "./figure.ts";
import { inRounds } from "./rounds.ts";

const kubeconfig = Deno.env.get("KUBERNETES_TEST_CONFIG");
const image = Deno.env.get("KUBERNETES_TEST_IMAGE");
if (!kubeconfig || !image) {
  throw new Error(
    'set KUBERNETES_TEST_CONFIG and KUBERNETES_TEST_IMAGE: eval "$(.ci/services/kubernetes.sh)"',
  );
}

/** How many rounds of each; the median of the ratios counts. */
const ROUNDS = 3;
/** How long a node may take to clear away what is removed, in milliseconds. */
const CLEARING = 4000;

const state = await Deno.makeTempDir();
const executor = kubernetesExecutor({ kubeconfig, namespace: "default", podsPerSecond: 1000 });
await executor.open({ state });
const api = new Api(await accessOf(await findCluster({ kubeconfig, namespace: "default" })));
let next = 0;

const ways = {
  async "bare API"() {
    const name = `bench-${crypto.randomUUID()}`;
    const containers = [{ name: "main", image, command: ["/bin/sh", "-c", ":"] }];
    const spec = { restartPolicy: "Never", automountServiceAccountToken: false, containers };
    await api.call({ method: "POST", path: api.path("pods"), body: { metadata: { name }, spec } });
    const query = { watch: "1", fieldSelector: `metadata.name=${name}` };
    let text = "";
    for await (const chunk of await api.stream({ path: api.path("pods"), query })) {
      text += new TextDecoder().decode(chunk);
      // As soon as the container has ended; the phase of the pod follows a second later.
      if (/"terminated":/.test(text)) break;
    }
    await api.call({ method: "DELETE", path: api.path("pods", name), body: { gracePeriodSeconds: 0 } });
  },
  async "kubernetesExecutor"() {
    const attempt = { task: "bench", job: `job-${next++}`, replica: 0, attempt: 1 };
    await executor.start(attempt, idleContainer(image), { quota: {} });
    await executor.wait(attempt);
    await executor.forget(attempt);
  },
};

// Many waves a round: a kubelet looks for containers that have ended once a second, so that a pod takes one of its seconds or two.
const jobs = Number(Deno.args[0] ?? 24);
for (const call of Object.values(ways)) await call();
for (const width of [1, 4]) {
  const paces = await inRounds(ways, { jobs: jobs * width, width, rounds: ROUNDS, pauseMs: CLEARING });
  const what = `pods, ${width} at a time`;
  for (const [name, { ms }] of Object.entries(paces)) say(`${what}: ${name}`, `${ms.toFixed(0)} ms per pod`);
  const { ratio } = paces.kubernetesExecutor;
  figure(`${what}: throughput as a part of that of the bare API`, ratio, "x", { atLeast: 0.8 });
}
api.close();
await executor.close();
await Deno.remove(state, { recursive: true });

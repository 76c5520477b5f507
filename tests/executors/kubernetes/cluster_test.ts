/** The cluster does what the tests of the executor take for granted. */
import assert from "node:assert/strict";
import {
  ApiFault,
  Cluster,
  type ClusterObject,
  clusterTest,
  denoImage,
  fault,
  faultTest,
  hostAddress,
  image,
  type Place,
} from "./cluster.ts";

/** Runs a script in a pod and waits for its end. */
async function run(
  { cluster, namespace }: Place,
  script: string,
  container: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly code: number; readonly log: string; readonly pod: ClusterObject }> {
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const { metadata: { name } } = await cluster.call("POST", pods, {
    metadata: { generateName: "run-" },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image, command: ["/bin/sh", "-c", script], ...container }],
    },
  });
  const pod = await cluster.until(`${pods}/${name}`, ({ status }) => /Succeeded|Failed/.test(status.phase));
  return {
    code: pod["status"].containerStatuses[0].state.terminated.exitCode,
    log: await cluster.text("GET", `${pods}/${name}/log`),
    pod,
  };
}

clusterTest("the cluster runs pods, says what they wrote and how they ended", async (place) => {
  const { code, log } = await run(place, "echo out; echo err >&2; exit 7");
  assert.deepEqual({ code, lines: log.split("\n").sort() }, { code: 7, lines: ["", "err", "out"] });
});

clusterTest("the cluster holds containers to their memory", async (place) => {
  const { code, pod } = await run(place, "tail /dev/zero", { resources: { limits: { memory: "20Mi" } } });
  assert.deepEqual([code, pod["status"].containerStatuses[0].state.terminated.reason], [137, "OOMKilled"]);
});

clusterTest("the cluster lets pods reach this machine, with Deno and with curl", async (place) => {
  const server = Deno.serve(
    { hostname: "0.0.0.0", port: 0, onListen: () => {} },
    async (request) => new Response(`${request.method} ${await request.text()}`),
  );
  place.stack.defer(() => server.shutdown());
  const url = `http://${hostAddress}:${server.addr.port}/`;
  const { code, log } = await run(
    place,
    `curl -sS -T - ${url} <<END && echo && deno eval 'console.log(await (await fetch("${url}")).text())'\nhello\nEND`,
    { image: denoImage },
  );
  assert.deepEqual({ code, log }, { code: 0, log: "PUT hello\n\nGET \n" });
});

clusterTest("the cluster lets pods ask the apiserver as their account", async (place) => {
  const { code, log } = await run(
    place,
    `at=/var/run/secrets/kubernetes.io/serviceaccount
    curl -sS --cacert $at/ca.crt -H "Authorization: Bearer $(cat $at/token)" -o /dev/null -w '%{http_code} ' \
      https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version \
      https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/nodes -o /dev/null`,
    { image: denoImage },
  );
  assert.deepEqual({ code, log }, { code: 0, log: "200 403 " });
});

clusterTest(
  "the cluster has accounts that may do what was said, and no more",
  async ({ cluster, namespace }) => {
    using user = new Cluster(
      await cluster.account(namespace, [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }]),
    );
    assert.deepEqual(await user.list(`/api/v1/namespaces/${namespace}/pods`), []);
    await assert.rejects(
      user.list(`/api/v1/namespaces/${namespace}/secrets`),
      (error) => error instanceof ApiFault && error.status === 403,
    );
  },
);

faultTest("the cluster forgets old versions in an outage", async ({ cluster, namespace }) => {
  const maps = `/api/v1/namespaces/${namespace}/configmaps`;
  const old = (await cluster.call("POST", maps, { metadata: { name: "one" } })).metadata.resourceVersion;
  await cluster.call("POST", maps, { metadata: { name: "two" } });
  await fault("restart-apiserver", "-KILL");
  const event = JSON.parse(
    await cluster.text("GET", `${maps}?watch=1&resourceVersion=${old}&timeoutSeconds=5`),
  );
  assert.deepEqual([event.type, event.object.code], ["ERROR", 410]);
});

faultTest("the cluster notices when a node is gone, and that it is back", async ({ cluster, stack }) => {
  const [node] = await cluster.list("/api/v1/nodes");
  const path = `/api/v1/nodes/${node!.metadata.name}`;
  const ready = (object: ClusterObject) =>
    object["status"].conditions.find(({ type }: { type: string }) => type === "Ready").status;
  stack.defer(() => fault("start", "kubelet"));
  await fault("stop", "kubelet", "-KILL");
  await cluster.until(path, (object) => ready(object) === "Unknown");
  await fault("start", "kubelet");
  await cluster.until(path, (object) => ready(object) === "True");
});

/** A coordinator in a pod, with the role and the flags of docs/kubernetes.md and nothing else. */
import assert from "node:assert/strict";
import { clusterTest, denoImage, type Place } from "./cluster.ts";
import { documentedCoordinator, documentedRole } from "./documented.ts";
import { freshState } from "./kit.ts";

/** The coordinator and all its modules, as one text. What it loads for kubeconfigs that name a program stays outside. */
async function bundled({ stack }: Place): Promise<string> {
  const path = `${freshState(stack)}/coordinator.js`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--external=*/kubernetes_client.ts", "--output", path],
      new URL("in_cluster_coordinator.ts", import.meta.url).pathname,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return await Deno.readTextFile(path);
}

/** Runs the coordinator in a pod to its end. */
async function inPod(place: Place, serviceAccountName: string): Promise<{ code: number; log: string }> {
  const { cluster, namespace } = place;
  const all = `/api/v1/namespaces/${namespace}`;
  const data = { "pipeline.ts": await bundled(place) };
  await cluster.call("POST", `${all}/configmaps`, { metadata: { name: "pipeline" }, data });
  const pod = documentedCoordinator();
  const [container] = pod.containers;
  await cluster.call("POST", `${all}/pods`, {
    metadata: { name: "coordinator" },
    spec: {
      ...pod,
      serviceAccountName,
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 0,
      containers: [{
        ...container,
        image: denoImage,
        // Its own words in place of the last, which is for the command line.
        command: [...container.command.slice(0, -1), "/data", denoImage],
        volumeMounts: [{ name: "data", mountPath: "/data" }, { name: "pipeline", mountPath: "/pipeline" }],
      }],
      volumes: [{ name: "data", emptyDir: {} }, { name: "pipeline", configMap: { name: "pipeline" } }],
    },
  });
  const { status } = await cluster.until(
    `${all}/pods/coordinator`,
    ({ status }) => status.phase === "Succeeded" || status.phase === "Failed",
  );
  const code = status.containerStatuses[0].state.terminated.exitCode;
  return { code, log: await cluster.text("GET", `${all}/pods/coordinator/log`) };
}

clusterTest("a coordinator in a pod finds its cluster, and runs a job in another pod", async (place) => {
  const { cluster, namespace } = place;
  const { code, log } = await inPod(place, await cluster.serviceAccount(namespace, documentedRole()));
  assert.equal(code, 0, log);
  assert.match(log, /^succeeded in pod \S+ on \S+\nEMMA WOODHOUSE\n$/);
  const pods = await cluster.list(`/api/v1/namespaces/${namespace}/pods`);
  assert.deepEqual(pods.map(({ metadata }) => metadata.name), ["coordinator"]);
});

clusterTest("a coordinator in a pod says what its service account may not", async (place) => {
  const { cluster, namespace } = place;
  const role = documentedRole().filter(({ resources }) => !resources!.includes("secrets"));
  const { log } = await inPod(place, await cluster.serviceAccount(namespace, role));
  assert.match(
    log,
    new RegExp(
      `the service account of this pod may not create secrets in the namespace ${namespace}; give it a role`,
    ),
  );
});

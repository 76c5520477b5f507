/** What an executor of pods is told of nodes, registries and volumes, as it reaches the cluster. */
import assert from "node:assert/strict";
import type { Attempt } from "../../../core/attempt.ts";
import { inFolder } from "../../kit/folder.ts";
import { clusterTest } from "./cluster.ts";
import { opened, work } from "./kit.ts";

const attempt: Attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

clusterTest(
  "kubernetesExecutor() tells the cluster of nodes, taints, logins and claims, and what a claim holds stays",
  (place) =>
    inFolder(async (folder) => {
      const { cluster, namespace, stack } = place;
      // Pods run as who they want to.
      await Deno.chmod(folder, 0o777);
      const name = `test-${crypto.randomUUID().slice(0, 8)}`;
      const size = { storage: "1Mi" };
      const common = { accessModes: ["ReadWriteOnce"], storageClassName: "" };
      stack.defer(async () => void await cluster.call("DELETE", `/api/v1/persistentvolumes/${name}`));
      await cluster.call("POST", "/api/v1/persistentvolumes", {
        metadata: { name },
        spec: {
          ...common,
          capacity: size,
          hostPath: { path: folder },
          persistentVolumeReclaimPolicy: "Retain",
          claimRef: { namespace, name: "books" },
        },
      });
      const claims = `/api/v1/namespaces/${namespace}/persistentvolumeclaims`;
      await cluster.call("POST", claims, {
        metadata: { name: "books" },
        spec: { ...common, volumeName: name, resources: { requests: size } },
      });
      await cluster.until(`${claims}/books`, ({ status }) => status.phase === "Bound");
      const tolerations = [
        { key: "test/spot", operator: "Exists", effect: "NoSchedule" },
        { key: "test/slow", operator: "Equal", value: "very", effect: "NoExecute", tolerationSeconds: 7 },
      ] as const;
      const nodeSelector = { "kubernetes.io/os": "linux" };
      const { executor } = await opened(place, {
        nodeSelector,
        tolerations,
        imagePullSecrets: ["login", "other"],
        volumes: { shelf: { persistentVolumeClaim: { claimName: "books" } } },
      });
      const run = async (script: string, source: string, readOnly: boolean): Promise<string> => {
        const mounts = [{ source, target: "/shelf", readOnly }];
        await executor.start(attempt, work(script, { mounts }), { quota: {} });
        const status = await executor.wait(attempt);
        const log = await new Response(await executor.logs(attempt)).text();
        assert(status.state === "finished" && status.exitCode === 0, JSON.stringify({ status, log }));
        return log;
      };
      await run("echo a tale >/shelf/emma", "books", false);
      const [pod] = await cluster.list(`/api/v1/namespaces/${namespace}/pods`);
      assert.deepEqual(pod!.spec.nodeSelector, nodeSelector);
      assert.deepEqual(pod!.spec.imagePullSecrets, [{ name: "login" }, { name: "other" }]);
      const found = pod!.spec.tolerations as readonly { readonly key: string }[];
      assert.deepEqual(found.filter(({ key }) => key.startsWith("test/")), tolerations);
      const claim = { persistentVolumeClaim: { claimName: "books" } };
      assert(
        pod!.spec.volumes.some((volume: typeof claim) => volume.persistentVolumeClaim?.claimName === "books"),
        JSON.stringify(pod!.spec.volumes),
      );
      await executor.forget(attempt);
      assert.equal(await Deno.readTextFile(`${folder}/emma`), "a tale\n");
      const log = await run("cat /shelf/emma; ! touch /shelf/other 2>&1", "shelf", true);
      assert.match(log, /^a tale\n.*Read-only file system/);
      await executor.forget(attempt);
    }),
);

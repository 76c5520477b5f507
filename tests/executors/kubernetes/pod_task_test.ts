/** Pods from manifests, in whole pipelines. */
import assert from "node:assert/strict";
import {
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  podTask,
  sh,
} from "../../../mod.ts";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { clusterTest, denoImage, hostAddress, image } from "./cluster.ts";
import { freshState, optionsOf, things } from "./kit.ts";
import { runAll } from "../../pipeline/kit.ts";

clusterTest("podTask reads and writes links in one container of a pod of several", async (place) => {
  const texts = new MemoryBlobRepository("texts");
  const copies = new MemoryBlobRepository("copies");
  for (const key of ["emma", "moby-dick"]) await texts.put(key, `the text of ${key}`);
  const task = podTask("copy", {
    done: new MemoryMetadataRepository("done"),
    quota: { cpu: 0 },
    links: { texts: input(texts), copies: output(copies) },
    executor: kubernetesExecutor(optionsOf(place)),
    manifest: ({ job, texts }) => `
      apiVersion: v1
      kind: Pod
      metadata: { labels: { book: ${job} }, name: ignored }
      spec:
        restartPolicy: Always
        initContainers:
          - name: first
            image: ${image}
            command: [sh, -c, 'echo "${texts} by ${job}" >/shared/made']
            volumeMounts: [{ name: shared, mountPath: /shared }]
        containers:
          - { name: beside, image: "${image}", command: [sleep, "600"] }
          - name: it
            image: ${denoImage}
            volumeMounts: [{ name: shared, mountPath: /shared }]
        volumes: [{ name: shared, emptyDir: {} }]
    `,
    container: "it",
    script: ({ texts, copies }) => sh`cat ${texts} /shared/made >${copies}`,
  });
  const state = freshState(place.stack);
  const { events } = await runAll(new Pipeline({ tasks: [task], state, agent: { hostname: hostAddress } }));
  const outcomes = events.flatMap((event) => event.type === "finished" ? [event.outcome] : []);
  assert.deepEqual(outcomes.map(({ reason, error }) => [reason, error?.message]), [
    ["succeeded", undefined],
    ["succeeded", undefined],
  ]);
  for (const key of ["emma", "moby-dick"]) {
    assert.equal(await copies.text(key), `the text of ${key}/datatask/in/texts by ${key}\n`);
  }
  assert.deepEqual((await things(place)).filter((thing) => thing.startsWith("pods/")), []);
});

clusterTest("podTask fails jobs whose manifests are wrong, each with what is wrong", async (place) => {
  const manifests = new MemoryBlobRepository("manifests");
  const done = new MemoryMetadataRepository("done");
  await manifests.put("kind", "{ kind: Job, spec: {} }");
  await manifests.put("yaml", "spec: [");
  await manifests.put(
    "port",
    `{ spec: { containers: [{ name: main, image: "${image}", ports: [{ containerPort: 0 }] }] } }`,
  );
  await manifests.put("good", `{ spec: { containers: [{ name: main, image: "${image}" }] } }`);
  const task = podTask("made", {
    done,
    quota: { cpu: 0 },
    links: { manifests: input(manifests, { as: "key" }) },
    executor: kubernetesExecutor(optionsOf(place)),
    manifest: ({ job }) => manifests.text(job),
    script: "exit 0",
  });
  const state = freshState(place.stack);
  await runAll(new Pipeline({ tasks: [task], state, agent: { hostname: hostAddress } }));
  const said = async (job: string): Promise<string> => {
    const outcome = await task.outcomes.done.get(job);
    return outcome.error?.message ?? outcome.reason;
  };
  assert.match(await said("kind"), /Task made has a manifest of a Job \(v1\), and not of a Pod/);
  assert.match(await said("yaml"), /Task made has a manifest that is no YAML/);
  assert.match(await said("port"), /containerPort/);
  assert.equal(await said("good"), "succeeded");
});

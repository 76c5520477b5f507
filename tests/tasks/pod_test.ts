/** Tasks whose pods are made from manifests, as far as they are told what is wrong before a cluster is asked. */
import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../executors/kubernetes/mod.ts";
import {
  DefinitionError,
  localExecutor,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  type PodManifest,
  podTask,
} from "../../mod.ts";
import { insidePod } from "../../tasks/pod_inside.ts";
import type { PodTaskOptions } from "../../tasks/pod.ts";

const done = new MemoryMetadataRepository("done");
const executor = kubernetesExecutor({ kubeconfig: "/nowhere" });
const main = { name: "main", image: "alpine:3" };

/** What is wrong with manifests, and what is said. */
const wrong: readonly (readonly [unknown, RegExp, string?])[] = [
  [[], /^Task t has a manifest that is no mapping; write a Pod/],
  [null, /^Task t has a manifest that is empty/],
  [
    { kind: "Deployment", apiVersion: "apps/v1", spec: {} },
    /of a Deployment \(apps\/v1\), and not of a Pod \(v1\); give it the template/,
  ],
  [{ apiVersion: "v2", spec: { containers: [main] } }, /of a Pod \(v2\)/],
  [{}, /without containers; write at least one/],
  [{ spec: { containers: [] } }, /without containers/],
  [{ spec: { containers: [{ image: "alpine:3" }] } }, /with a container that has no name/],
  [
    { spec: { containers: [main, { ...main, name: "other" }] } },
    /has no container it; it has main, other/,
    "it",
  ],
  [
    { spec: { containers: [main, { ...main, name: "datatask-stderr" }] } },
    /container datatask-stderr, which is the name of one/,
  ],
  [
    { spec: { containers: [main], volumes: [{ name: "datatask" }] } },
    /volume datatask, which is the name of one that is added/,
  ],
  [
    { spec: { containers: [{ ...main, volumeMounts: [{ name: "v", mountPath: "/datatask/in" }] }] } },
    /mount at \/datatask\/in, where its own links and script lie/,
  ],
];

Deno.test("podTask says what is wrong with a manifest", async () => {
  for (const [manifest, message, container] of wrong) {
    const options = { done, executor, script: ":", ...(container !== undefined && { container }) };
    const refused = (error: unknown): boolean =>
      error instanceof DefinitionError && message.test(error.message);
    assert.throws(
      () => podTask("t", { ...options, manifest: manifest as PodManifest }),
      refused,
      String(message),
    );
    for (const made of [() => manifest, JSON.stringify(manifest)]) {
      const inside = insidePod(
        "t",
        { ...options, manifest: made } as unknown as PodTaskOptions<Record<never, never>>,
      );
      const process = {
        kind: "process" as const,
        script: ":",
        environment: {},
        mergeStderr: true,
        notes: {},
      };
      const started = { process, wrapped: false, placed: [], context: {} };
      await assert.rejects(Promise.resolve(inside.work(started)), refused, String(message));
    }
  }
  const inside = insidePod("t", { done, executor, script: ":", manifest: "a: [" });
  const process = { kind: "process" as const, script: ":", environment: {}, mergeStderr: true, notes: {} };
  await assert.rejects(
    Promise.resolve(inside.work({ process, wrapped: false, placed: [], context: {} })),
    /^DefinitionError: Task t has a manifest that is no YAML: line 1/,
  );
});

Deno.test("podTask says what is wrong with the rest, or does not compile", () => {
  const manifest = { spec: { containers: [main] } };
  assert.equal(podTask("t", { done, executor, manifest, script: ":" }).kind, "pod");
  assert.throws(
    () => podTask("t", { done, executor, manifest, script: ":", entrypoint: [] }),
    /Task t has an empty entrypoint/,
  );
  assert.throws(
    // @ts-expect-error an executor of processes runs no pods
    () => podTask("t", { done, executor: localExecutor(), manifest, script: ":" }),
    /Task t runs on local, which takes no pods; use one that does, such as kubernetesExecutor\(\)/,
  );
  // @ts-expect-error a pod has a manifest
  assert.throws(() => podTask("t", { done, executor, script: ":", manifest: null }), /that is empty/);
});

Deno.test("podTask says what a run on every node cannot have", () => {
  const manifest = { spec: { containers: [main] } };
  const blobs = new MemoryBlobRepository("blobs");
  const options = { done, executor, manifest, script: ":", everywhere: true };
  assert.equal(podTask("t", options).longRunning, true);
  const wrong = {
    links: { out: output(blobs) },
    stdin: blobs,
    stdout: blobs,
    longRunning: false,
    replicas: 2,
  };
  assert.throws(() => podTask("t", { ...options, ...wrong }), (error) => {
    assert(error instanceof DefinitionError);
    assert.match(error.message, /runs on every node, where none can write the one value of its output out/);
    for (const word of ["no stdin", "no stdout", "long-running", "no replicas"]) {
      assert(error.message.includes(word), word);
    }
    return true;
  });
});

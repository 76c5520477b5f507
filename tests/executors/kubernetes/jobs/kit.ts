/** What the tests of runs that are Jobs share. */
import assert from "node:assert/strict";
import type { Attempt } from "../../../../core/attempt.ts";
import type { RunStatus } from "../../../../executors/executor.ts";
import { ApiFault, type ClusterObject, clusterTest, image, type Place } from "../cluster.ts";
import { opened, type PodExecutor, things } from "../kit.ts";

/** The attempt of most tests. */
export const attempt: Attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

/** A place with an executor whose runs are Jobs. */
export type Opened = Place & Awaited<ReturnType<typeof opened>>;

/** A test with an open executor in a namespace of its own. */
export function jobTest(name: string, body: (opened: Opened) => Promise<void>): void {
  clusterTest(
    `kubernetesExecutor({ as: "job" }) ${name}`,
    async (place) => await body({ ...place, ...await opened(place, { as: "job" }) }),
  );
}

/** The path of the Jobs of a namespace. */
export function jobs({ namespace }: Pick<Place, "namespace">): string {
  return `/apis/batch/v1/namespaces/${namespace}/jobs`;
}

/** The path of the pods of a namespace. */
export function pods({ namespace }: Pick<Place, "namespace">): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}

/** The path of the only Job there is. */
export async function theJob(place: Place): Promise<string> {
  const [found, ...others] = await place.cluster.list(jobs(place));
  assert(found !== undefined && others.length === 0);
  return `${jobs(place)}/${found.metadata.name}`;
}

/** The path of the only pod there is, once it is as wanted. */
export async function thePod(place: Place, holds: (pod: ClusterObject) => boolean): Promise<string> {
  await place.cluster.until(pods(place), ({ items }) => items.length === 1 && holds(items[0]));
  const [found] = await place.cluster.list(pods(place));
  return `${pods(place)}/${found!.metadata.name}`;
}

/** Whether the script of a pod runs. */
export const runs = ({ status }: ClusterObject): boolean => status.phase === "Running";

/** Changes an object. */
export async function change({ cluster }: Place, path: string, body: unknown): Promise<void> {
  await cluster.call("PATCH", path, body, "application/merge-patch+json");
}

/** Waits until nothing is left of any run. */
export async function cleared(place: Place): Promise<void> {
  for (let left: readonly string[], late = Date.now() + 20_000; (left = await things(place)).length > 0;) {
    assert(Date.now() < late, left.join(", "));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What a run has written. */
export async function said(executor: PodExecutor): Promise<string> {
  return await new Response(await executor.logs(attempt)).text();
}

/** Sees that a run is lost, and for which reason. */
export function assertLost(status: RunStatus, reason: RegExp): void {
  assert(status.state === "lost", JSON.stringify(status));
  assert.match(status.reason, reason);
}

/**
 * Brings a rule for the Jobs of a namespace into force, for as long as the test lasts.
 *
 * @param place Which namespace.
 * @param kind `Mutating` or `Validating`.
 * @param spec What the policy does, besides which Jobs it is for.
 * @param holds Whether it is in force, seen from what the cluster answers to a Job that is tried.
 */
export async function rule(
  { cluster, namespace, stack }: Place,
  kind: "Mutating" | "Validating",
  spec: Readonly<Record<string, unknown>>,
  holds: (answer: ClusterObject | ApiFault) => boolean,
): Promise<void> {
  const name = `${namespace}.test`, metadata = { name };
  const base = `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}admissionpolic`;
  const resourceRules = [
    { apiGroups: ["batch"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["jobs"] },
  ];
  const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": namespace } };
  await cluster.call("POST", `${base}ies`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: `${kind}AdmissionPolicy`,
    metadata,
    spec: { matchConstraints: { resourceRules }, ...spec },
  });
  stack.defer(async () => void await cluster.text("DELETE", `${base}ies/${name}`));
  await cluster.call("POST", `${base}ybindings`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: `${kind}AdmissionPolicyBinding`,
    metadata,
    spec: {
      policyName: name,
      matchResources: { namespaceSelector },
      ...(kind === "Validating" && { validationActions: ["Deny"] }),
    },
  });
  stack.defer(async () => void await cluster.text("DELETE", `${base}ybindings/${name}`));
  const template = { spec: { restartPolicy: "Never", containers: [{ name: "main", image }] } };
  const trial = { metadata: { name: "trial" }, spec: { template } };
  for (const late = Date.now() + 60_000;;) {
    const answer = await cluster.call("POST", `${jobs({ namespace })}?dryRun=All`, trial)
      .catch((error) => error as ApiFault);
    if (holds(answer)) return;
    assert(Date.now() < late, `the rule does not come into force: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

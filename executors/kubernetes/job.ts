/**
 * A run that is a Job: the document, and what must hold before it counts as started.
 *
 * A Job begins when its cluster, or a queue, wants it to: it cannot be held back until its Secret is there, because whoever queues Jobs holds them back in
 * the same way. Its pod waits for the Secret by itself. So that a Job whose maker was cut off is found, it says that it is unsure until the Secret is there.
 *
 * @module
 */
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import type { Owner } from "./identity.ts";
import { GATE, secretName, type Tree } from "./manifest.ts";
import type { Job } from "./objects.ts";

/** Where Jobs are. */
export const BATCH = "apis/batch/v1";

const unsure = ({ label }: Owner): string => `${label}.unsure`;

/** The document of a pod, as far as it is read here. */
interface PodDocument extends Tree {
  readonly metadata: { readonly labels: Tree; readonly annotations: Tree };
  readonly spec: Tree & { readonly schedulingGates: readonly { readonly name: string }[] };
}

/**
 * The Job of a run.
 *
 * @param owner Whose it is.
 * @param name The name of the run.
 * @param pod The pod that it makes.
 * @returns The document for the apiserver.
 */
export function jobDocument(owner: Owner, name: string, pod: Tree): Tree {
  const { metadata: { labels, annotations }, spec } = pod as PodDocument;
  const schedulingGates = spec.schedulingGates.filter((gate) => gate.name !== GATE);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, labels, annotations: { ...annotations, [unsure(owner)]: "true" } },
    spec: {
      completions: 1,
      parallelism: 1,
      // One pod, whatever becomes of it: another attempt is another Job.
      backoffLimit: 0,
      podReplacementPolicy: "Failed",
      // It says then of a pod that is gone that the cluster has taken it away.
      podFailurePolicy: {
        rules: [{ action: "FailJob", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] }],
      },
      template: { metadata: { labels, annotations }, spec: { ...spec, schedulingGates } },
    },
  };
}

/**
 * What is changed of a Job when its Secret is there.
 *
 * @param owner Whose it is.
 * @param uid The identity of the Job.
 * @returns The change.
 */
export function madeSure(owner: Owner, uid: string): Tree {
  return { metadata: { uid, annotations: { [unsure(owner)]: null } } };
}

/** Whether the Secret of a Job may not be there. */
export function isUnsure(owner: Owner, job: Job): boolean {
  return job.metadata.annotations?.[unsure(owner)] !== undefined;
}

/**
 * Asks whether the Secret of a run is there, without the right to read it: it cannot be made a second time.
 *
 * @param api Where.
 * @param run The name of the run, and which call has made it.
 * @param signal When to stop.
 * @returns Whether it is there.
 */
export async function hasSecret(
  api: Api,
  run: { readonly name: string; readonly start: string },
  signal: AbortSignal,
): Promise<boolean> {
  const body = { metadata: { name: secretName(run) } };
  try {
    await api.call({ method: "POST", path: api.path("secrets"), query: { dryRun: "All" }, body, signal });
    return false;
  } catch (error) {
    if (error instanceof ApiFault && error.status === 409) return true;
    throw error;
  }
}

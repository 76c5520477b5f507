/**
 * What a run is in the cluster: a pod, or a Job that makes one.
 *
 * @module
 */
import type { Api } from "./api.ts";
import type { Owner } from "./identity.ts";
import { BATCH, jobDocument, madeSure } from "./job.ts";
import { GATE, type Tree } from "./manifest.ts";
import type { Carrier, Job, Pod } from "./objects.ts";
import type { Removable } from "./removal.ts";
import type { Runs } from "./runs.ts";

/** How runs of one form are made. */
export interface Form {
  readonly apiVersion: string;
  readonly kind: string;
  /** Where they are, or one of them is. */
  path(api: Api, name?: string): string;
  /** The document, made from that of the pod. */
  document(owner: Owner, name: string, pod: Tree): Tree;
  /** What is changed when its Secret is there. */
  ready(owner: Owner, made: Carrier): Tree;
  /** Takes in what it looks like now. */
  seen(runs: Runs, made: Carrier): void;
  /** What must be removed of it. */
  parts(made: Carrier): Removable;
}

/** A run is a pod, which a gate holds back until its Secret is there. */
export const podForm: Form = {
  apiVersion: "v1",
  kind: "Pod",
  path: (api, name) => api.path("pods", name),
  document: (_owner, _name, pod) => pod,
  ready(_owner, made) {
    const { metadata: { uid }, spec } = made as Pod;
    const schedulingGates = (spec.schedulingGates ?? []).filter(({ name }) => name !== GATE);
    return { metadata: { uid }, spec: { schedulingGates } };
  },
  seen: (runs, made) => void runs.pods.seen(made as Pod),
  parts: ({ metadata: { name, uid } }) => ({ name, pod: name, uid }),
};

/** A run is a Job. */
export const jobForm: Form = {
  apiVersion: "batch/v1",
  kind: "Job",
  path: (api, name) => api.path("jobs", name, BATCH),
  document: jobDocument,
  ready: (owner, made) => madeSure(owner, made.metadata.uid),
  seen: (runs, made) => void runs.jobs.seen(made as Job),
  parts: ({ metadata: { name, uid } }) => ({ name, pod: "", uid: "", job: { uid } }),
};

/**
 * Runs that are on every node: a daemon set makes their pods.
 *
 * Such a run has a pod of its own all the same, which is held back for ever and needs no node: it carries what is to be known of the run, the daemon
 * set and the Secret belong to it, and when it is removed they go with it. So a run on every node is found, adopted and forgotten as any other.
 *
 * @module
 */
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import type { Entry } from "./entry.ts";
import type { RunStatus } from "../executor.ts";
import type { Identity } from "./identity.ts";
import { Linked } from "./linked.ts";
import { GATE, type PodOrder } from "./manifest.ts";
import type { Pod } from "./objects.ts";
import type { Runs } from "./runs.ts";
import { judge } from "./status.ts";
import { listing, type Subject, watchAll } from "./watch.ts";

/** Holds the pod back that stands for such a run. */
const EVERYWHERE = "datatask/everywhere";
const APPS = "apis/apps/v1";
/** How long the pods of such a run may take to leave when nobody says, in seconds. */
const GRACE = 300;
/** How long the end of killed pods may take, in milliseconds. */
const KILLED = 20_000;

type Tree = Readonly<Record<string, unknown>>;
/** The document of a pod, as far as it is changed here. */
interface PodDocument extends Tree {
  readonly metadata: {
    readonly labels: Record<string, string>;
    readonly annotations: Record<string, string>;
  };
  readonly spec: Tree & { readonly containers: readonly (Tree & { readonly name: string })[] };
}

/**
 * The pod that stands for a run on every node.
 *
 * @param pod The pod that runs on each node.
 * @returns A pod that never begins.
 */
export function standIn(pod: Tree): Tree {
  const { spec } = pod as PodDocument;
  const { name, image } = spec.containers[0]!;
  return {
    ...pod,
    spec: {
      automountServiceAccountToken: false,
      restartPolicy: "Never",
      schedulingGates: [{ name: GATE }, { name: EVERYWHERE }],
      containers: [{ name, image }],
    },
  };
}

/**
 * The daemon set of a run.
 *
 * @param order What it is made from.
 * @param pod The pod that runs on each node.
 * @param uid The identity of the pod that stands for the run.
 * @returns The document for the apiserver.
 */
export function daemonSetOf({ owner, name }: PodOrder, pod: Tree, uid: string): Tree {
  const { metadata, spec } = pod as PodDocument;
  const chosen = { [`${owner.label}.everywhere`]: name };
  // Without the labels of runs: its pods are none.
  const foreign = (words: Record<string, string>): Tree =>
    Object.fromEntries(Object.entries(words).filter(([key]) => !key.startsWith(`${owner.label}.`)));
  const node = { name: "DATATASK_NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } };
  const { schedulingGates: _, ...rest } = spec;
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: {
      name,
      labels: { "app.kubernetes.io/managed-by": owner.label },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name, uid }],
    },
    spec: {
      selector: { matchLabels: chosen },
      template: {
        metadata: {
          labels: { ...foreign(metadata.labels), ...chosen },
          annotations: foreign(metadata.annotations),
        },
        spec: {
          terminationGracePeriodSeconds: GRACE,
          ...rest,
          restartPolicy: "Always",
          containers: spec.containers.map((each) => ({
            ...each,
            env: [...each.env as readonly Tree[] ?? [], node],
          })),
        },
      },
    },
  };
}

/**
 * Makes the daemon set of a run.
 *
 * @param api Where.
 * @param runs Where runs are kept.
 * @param body The document.
 */
export async function spread(api: Api, runs: Runs, body: Tree): Promise<void> {
  await runs.patiently(async (again) => {
    try {
      await api.call({ method: "POST", path: api.path("daemonsets", undefined, APPS), body });
    } catch (error) {
      if (!(again && error instanceof ApiFault && error.status === 409)) throw error;
    }
  });
}

/**
 * The pods of a run on every node.
 *
 * @param api Where.
 * @param label The word before labels.
 * @param name The name of the run.
 * @returns What to list or watch.
 */
export function podsOf(api: Api, label: string, name: string): Subject {
  return { path: api.path("pods"), labelSelector: `${label}.everywhere=${name}` };
}

/**
 * Sees on how many nodes a run is.
 *
 * @param api Where.
 * @param runs Where runs are kept.
 * @param label The word before labels.
 * @param pod The pod that stands for it.
 * @param identity What is known of it.
 * @param status Its status, as that pod says.
 * @param signal When to stop.
 * @returns Its status: what it waits for, or that its daemon set is gone.
 */
export async function spreadStatus(
  api: Api,
  runs: Runs,
  label: string,
  pod: Pod,
  identity: Identity,
  status: RunStatus & { state: "running" },
  signal: AbortSignal | undefined,
): Promise<RunStatus> {
  const { name } = pod.metadata;
  const set = await api.find<{ readonly status?: Readonly<Record<string, number>> }>({
    path: api.path("daemonsets", name, APPS),
    signal,
  });
  const waiting = (why: string): RunStatus => ({ ...status, waiting: why });
  runs.pods.seen(pod);
  if (set === undefined) return runs.missed(name, "its daemon set is gone") ?? status;
  const { desiredNumberScheduled: wanted = 0, numberReady: ready = 0 } = set.status ?? {};
  if (wanted === 0) return waiting("no node takes it");
  if (ready >= wanted) return status;
  let why = "";
  for await (const each of listing<Pod>(api, podsOf(api, label, name), signal)) {
    const said = reasonOf(each, identity);
    if (said !== undefined) why = `: ${each.spec.nodeName ?? each.metadata.name}: ${said}`;
  }
  return waiting(`it runs on ${ready} of ${wanted} nodes${why}`);
}

function reasonOf(pod: Pod, identity: Identity): string | undefined {
  const main = pod.status?.containerStatuses?.find(({ name }) => name === identity.container);
  // Until it is begun anew, a node says that it is held back, or only how it has ended.
  const again = main?.state?.terminated !== undefined && (main.restartCount ?? 0) > 0;
  if (again || main?.state?.waiting?.reason === "CrashLoopBackOff") {
    return "its script ends again and again, see its log";
  }
  const { status } = judge(pod, { ...identity, everywhere: false }, true);
  return status.state === "running" ? status.waiting : status.reason;
}

/**
 * Ends a run on every node: politely, then by force.
 *
 * @param api Where.
 * @param runs Where it is kept.
 * @param subject Its pods.
 * @param entry Which.
 * @param graceMs How long it may take to leave politely, in milliseconds.
 * @param signal When to stop waiting.
 */
export async function withdraw(
  api: Api,
  runs: Runs,
  subject: Subject,
  entry: Entry,
  graceMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const remove = (path: string, body: Tree): Promise<unknown> =>
    runs.patiently(() => api.find({ method: "DELETE", path, body, signal }), signal);
  const removed = new Set<string>();
  const there = new Set<string>();
  const end = async (pod: Pod, seconds: number): Promise<void> => {
    await remove(api.path("pods", pod.metadata.name), {
      gracePeriodSeconds: seconds,
      preconditions: { uid: pod.metadata.uid },
    }).catch((error) => {
      // Another of the same name: it is seen by itself.
      if (!(error instanceof ApiFault && error.status === 409)) throw error;
    });
  };
  const polite = Math.max(1, Math.ceil(graceMs / 1000));
  // Before the daemon set, whose end would give them a time of grace that is not this one. A pod that is leaving is not replaced.
  for await (const pod of listing<Pod>(api, subject, signal)) {
    removed.add(pod.metadata.uid);
    await end(pod, polite);
  }
  await remove(api.path("daemonsets", entry.pod, APPS), { propagationPolicy: "Background" });
  using all = new Linked(signal, runs.closing);
  const timer = setTimeout(() => all.abort(LATE), graceMs + KILLED);
  const fail = (error: unknown): void => all.abort(error);
  const done = (): void => {
    if (there.size === 0) all.abort(DONE);
  };
  try {
    await runs.patiently(() =>
      watchAll<Pod>(api, subject, {
        listing: () => there.clear(),
        seen(pod) {
          const { uid } = pod.metadata;
          there.add(uid);
          if (removed.has(uid)) return;
          removed.add(uid);
          end(pod, polite).catch(fail);
        },
        gone(pod) {
          there.delete(pod.metadata.uid);
          done();
        },
        listed: done,
      }, all.signal), all.signal);
  } catch (error) {
    if (error === LATE) { for await (const pod of listing<Pod>(api, subject, signal)) await end(pod, 0); }
    else if (error !== DONE) throw error;
  } finally {
    clearTimeout(timer);
  }
}

const DONE = new DOMException("All pods are gone", "AbortError");
const LATE = new DOMException("Some pods do not leave", "AbortError");

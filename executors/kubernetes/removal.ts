/**
 * Removing what a run is made of.
 *
 * @module
 */
import type { Api } from "./api.ts";
import type { Entry } from "./entry.ts";
import { BATCH } from "./job.ts";
import { podsOfJob } from "./jobs.ts";
import type { Pod } from "./objects.ts";
import type { Runs } from "./runs.ts";
import { listing } from "./watch.ts";

/** What is removed. */
export type Removable = Pick<Entry, "name" | "pod" | "uid"> & {
  readonly job?: { readonly uid: string } | undefined;
};

/**
 * Removes the Job and the pod of a run, at once. The Secret belongs to them, and is removed with them by the cluster.
 *
 * @param api Where.
 * @param runs Where runs are kept.
 * @param run Which.
 * @param signal When to stop.
 */
export async function removeRun(
  api: Api,
  runs: Runs,
  { name, pod, uid, job }: Removable,
  signal?: AbortSignal,
): Promise<void> {
  const remove = (path: string, uid: string, how: Readonly<Record<string, unknown>>): Promise<unknown> =>
    runs.patiently(
      () => api.find({ method: "DELETE", path, body: { preconditions: { uid }, ...how }, signal }),
      signal,
    );
  const removePod = (pod: string, uid: string): Promise<unknown> =>
    remove(api.path("pods", pod), uid, { gracePeriodSeconds: 0 });
  // Before its pod, so that it makes no other, and whoever comes after a coordinator that is killed here finds nothing: the cluster removes the pod.
  if (job) await remove(api.path("jobs", name, BATCH), job.uid, { propagationPolicy: "Background" });
  if (uid !== "") await removePod(pod, uid);
  else if (job) {
    runs.pods.unwant(job.uid);
    for await (const { metadata } of listing<Pod>(api, podsOfJob(api, job.uid), signal)) {
      await removePod(metadata.name, metadata.uid);
    }
  }
}

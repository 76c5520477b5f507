/**
 * What the cluster has said about a pod that does not begin, or a Job that has none: some troubles are told nowhere else.
 *
 * @module
 */
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import type { Carrier, Job, Pod } from "./objects.ts";

interface Event {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** For how long it is given time before events are asked for, in milliseconds. */
const EARLY = 5_000;

/**
 * Finds the last warning about a pod that is bound to a node and does not begin.
 *
 * @param api Where.
 * @param pod Which.
 * @param signal When to stop.
 * @returns The warning; nothing when there is none, or events may not be read.
 */
export async function eventOf(api: Api, pod: Pod, signal?: AbortSignal): Promise<string | undefined> {
  const silent = !pod.status?.containerStatuses?.some(({ state }) => state?.waiting?.message);
  if (!pod.spec.nodeName || pod.status?.phase !== "Pending" || !silent) return undefined;
  return await lastWarning(api, pod, "its containers are being made", signal);
}

/**
 * Finds the last warning about a Job that makes no pod: mostly it is what the cluster says to that pod.
 *
 * @param api Where.
 * @param job Which.
 * @param signal When to stop.
 * @returns The warning; nothing when there is none, or events may not be read.
 */
export async function jobEventOf(api: Api, job: Job, signal?: AbortSignal): Promise<string | undefined> {
  if (job.spec.suspend) return undefined;
  return await lastWarning(api, job, "its Job has no pod yet", signal);
}

async function lastWarning(
  api: Api,
  { metadata: { creationTimestamp, name, uid } }: Carrier,
  what: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (Date.now() - Date.parse(creationTimestamp) < EARLY) return undefined;
  try {
    const fieldSelector = `involvedObject.name=${name},involvedObject.uid=${uid},type=Warning`;
    const { items } = await api.call<{ readonly items: readonly Event[] }>({
      path: api.path("events"),
      query: { fieldSelector },
      signal,
    });
    const last = items.at(-1);
    return last?.message && `${what}: ${last.reason}: ${last.message}`;
  } catch (error) {
    if (error instanceof ApiFault) return undefined;
    throw error;
  }
}

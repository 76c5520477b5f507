/**
 * What the cluster has said about a pod that does not begin: some troubles are told nowhere else.
 *
 * @module
 */
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import type { Pod } from "./objects.ts";

interface Event {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** For how long a pod is given time before events are asked for, in milliseconds. */
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
  const { creationTimestamp, name, uid } = pod.metadata;
  const silent = !pod.status?.containerStatuses?.some(({ state }) => state?.waiting?.message);
  if (
    !pod.spec.nodeName || pod.status?.phase !== "Pending" || !silent ||
    Date.now() - Date.parse(creationTimestamp) < EARLY
  ) return undefined;
  try {
    const fieldSelector = `involvedObject.name=${name},involvedObject.uid=${uid},type=Warning`;
    const { items } = await api.call<{ readonly items: readonly Event[] }>({
      path: api.path("events"),
      query: { fieldSelector },
      signal,
    });
    const last = items.at(-1);
    return last?.message && `its containers are being made: ${last.reason}: ${last.message}`;
  } catch (error) {
    if (error instanceof ApiFault) return undefined;
    throw error;
  }
}

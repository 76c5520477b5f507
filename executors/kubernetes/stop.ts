/**
 * Ending a run: politely, then by force, and so that its pod stays and tells how it has ended.
 *
 * Signals go to all processes of the pod, by a shell in the container. Where there is none the node is made to end the pod, by a deadline that is over.
 *
 * @module
 */
import { systemClock, within } from "../../core/clock.ts";
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import { Linked } from "./linked.ts";
import type { Ended, Entry } from "./entry.ts";
import { podsOf, withdraw } from "./everywhere.ts";
import { lastLines } from "./node_logs.ts";
import { removeRun } from "./removal.ts";
import type { Runs } from "./runs.ts";

/** How long the end of a killed process may take, in milliseconds. */
const KILLED = 20_000;
/** How long the logs of pods that are gone may take to end, in milliseconds. */
const LAST_LINES = 5_000;

/**
 * Ends a run.
 *
 * @param api Where it is.
 * @param runs Where it is kept.
 * @param label The word before labels.
 * @param entry Which.
 * @param graceMs How long it may take to leave politely, in milliseconds.
 * @param signal When to stop waiting.
 */
export async function stopRun(
  api: Api,
  runs: Runs,
  label: string,
  entry: Entry,
  graceMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (entry.ended) return;
  if (entry.everywhere) return await stopEverywhere(api, runs, label, entry, graceMs, signal);
  const late = performance.now() + graceMs;
  const ended = (signal: AbortSignal): Promise<unknown> => runs.ended(entry, signal);
  // What a node says of its containers is a second old: whether one runs is seen by asking it. All are held still until each has its signal, so that
  // no shell tells of the death of its child before its own.
  if (!await tell(api, runs, entry, "STOP TERM CONT", signal)) {
    if (!entry.judged.begun) {
      return await cancel(api, runs, entry, "SIGKILL", "it was stopped before it began", signal);
    }
    await expire(api, runs, entry, signal);
  }
  if (await within(systemClock, late - performance.now(), signal, ended)) return;
  await tell(api, runs, entry, "STOP KILL", signal);
  if (await within(systemClock, KILLED, signal, ended)) return;
  await cancel(api, runs, entry, "SIGKILL", "its node did not confirm its end", signal);
}

/** Its pods first, so that whoever comes after a coordinator which is killed here finds a run whose daemon set is gone. */
async function stopEverywhere(
  api: Api,
  runs: Runs,
  label: string,
  entry: Entry,
  graceMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  entry.stopping = true;
  using reading = new Linked(signal, runs.closing);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const subject = podsOf(api, label, entry.name);
    const last = await runs.patiently(() => lastLines(api, subject, entry, reading.signal), signal);
    await withdraw(api, runs, subject, entry, graceMs, signal);
    timer = setTimeout(() => reading.abort(), LAST_LINES);
    entry.kept = await last();
    await cancel(api, runs, entry, "SIGTERM", undefined, signal);
  } finally {
    clearTimeout(timer);
    entry.stopping = false;
  }
}

/**
 * Sends the signals that are its arguments, one after the other, to all processes that see the files of the container: not to those of other
 * containers, or of the node.
 */
const TELL =
  'n=1;for s in "$@";do for d in /proc/[0-9]*;do p=${d#/proc/};[ "$p" = $$ ]&&continue;[ "$d/ns/mnt" -ef /proc/$$/ns/mnt ]||continue;' +
  'kill -$s "$p"&&n=0;done;done;exit $n';

/** Has a shell in the container send signals. Says whether some process has got them. */
async function tell(
  api: Api,
  runs: Runs,
  entry: Entry,
  signals: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!entry.judged.placed) return false;
  const command = ["/bin/sh", "-c", TELL, "sh", ...signals.split(" ")];
  try {
    return await runs.patiently(() => api.exec(entry.pod, entry.container, command, signal), signal);
  } catch (error) {
    if (!(error instanceof ApiFault) || error.status === undefined) throw error;
    return false;
  }
}

/** The node sends SIGTERM to the first process of each container, and SIGKILL when the pod's own time of grace is over. */
async function expire(api: Api, runs: Runs, entry: Entry, signal: AbortSignal | undefined): Promise<void> {
  await runs.patiently(() =>
    api.find({
      method: "PATCH",
      path: api.path("pods", entry.pod),
      body: { metadata: { uid: entry.uid }, spec: { activeDeadlineSeconds: 1 } },
      signal,
    }), signal);
}

/** Removes a run that tells nothing. What is known of its run is remembered until it is forgotten. */
async function cancel(
  api: Api,
  runs: Runs,
  entry: Entry,
  how: string,
  reason: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { attempt, since, where, notes } = entry.judged.status;
  const ended: Ended = {
    attempt,
    since,
    where,
    notes,
    state: "finished",
    until: Date.now(),
    signal: how,
    reason,
  };
  runs.conclude(entry, ended);
  await removeRun(api, runs, entry, signal);
}

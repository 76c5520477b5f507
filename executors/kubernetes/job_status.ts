/**
 * What the state of a Job says of a run that has no pod, or whose pod is gone.
 *
 * @module
 */
import type { Identity } from "./identity.ts";
import type { Job, PodCondition } from "./objects.ts";
import type { Judged, StatusBase } from "./status.ts";

/**
 * The state of a run that has a Job and no pod.
 *
 * @param job The Job.
 * @param identity What its annotations say.
 * @returns The state.
 */
export function judgeJob(job: Job, { attempt, notes }: Identity): Judged {
  const { metadata: { name, creationTimestamp }, spec, status } = job;
  const base: StatusBase = { attempt, notes, since: Date.parse(creationTimestamp), where: `job ${name}` };
  const judged = { placed: false, begun: false };
  const { conditions = [], completionTime } = status ?? {};
  const holds = (...types: readonly string[]): PodCondition | undefined =>
    conditions.find(({ type, status }) => types.includes(type) && status === "True");
  if (holds("Complete", "SuccessCriteriaMet")) {
    const until = Date.parse(completionTime ?? "");
    const ended = { state: "finished" as const, until: until > 0 ? until : Date.now(), exitCode: 0 };
    return { ...judged, status: { ...base, ...ended } };
  }
  const failed = holds("Failed", "FailureTarget");
  if (failed) return { ...judged, status: { ...base, ...endOf(failed) } };
  const waiting = spec.suspend
    ? "its Job is suspended: it begins when whoever holds it back, such as a queue, lets it go"
    : "its Job has no pod yet";
  return { ...judged, status: { ...base, state: "running", waiting } };
}

/** How a run has failed, when nobody knows any more how its script has. */
function endOf({ reason, message = "" }: PodCondition): End {
  if (reason === "PodFailurePolicy") {
    return {
      state: "finished",
      until: Date.now(),
      reason: `its cluster has taken its pod away: ${message}`,
      infrastructure: true,
    };
  }
  if (reason === "DeadlineExceeded") {
    return {
      state: "finished",
      until: Date.now(),
      reason: "it ran longer than the activeDeadlineSeconds of its Job allow",
    };
  }
  return { state: "lost", reason: `its pod is gone, and its Job does not know how it has ended: ${message}` };
}

type End =
  | {
    readonly state: "finished";
    readonly until: number;
    readonly reason: string;
    readonly infrastructure?: boolean;
  }
  | { readonly state: "lost"; readonly reason: string };

/**
 * What the state of a pod says of a run: a function of the pod alone, so that every coordinator comes to the same.
 *
 * @module
 */
import type { RunStatus } from "../executor.ts";
import { signalName } from "../signals.ts";
import type { Identity } from "./identity.ts";
import { imageFault } from "./images.ts";
import { GATE } from "./manifest.ts";
import type { ContainerStatus, Pod, PodCondition } from "./objects.ts";

/** What is said of a run in every state. */
export type StatusBase = Pick<RunStatus, "attempt" | "since" | "where" | "notes">;

/** How a run stands. */
export interface Judged {
  readonly status: RunStatus;
  /** Whether a node has taken it. */
  readonly placed: boolean;
  /** Whether its script is known to have begun. */
  readonly begun: boolean;
  /** Trouble that may pass by itself, and shall not last for ever. */
  readonly trouble?: string | undefined;
}

/** Why a run is lost whose pod is gone. */
export const REMOVED = "its pod was removed by somebody else";

type Terminated = NonNullable<NonNullable<ContainerStatus["state"]>["terminated"]>;
type End = Omit<RunStatus & { state: "finished" }, keyof StatusBase | "state" | "until">;

/** Reasons of a pod that was taken off its node for the sake of others, or with the node. */
const TAKEN = new Set([
  "Evicted",
  "NodeLost",
  "NodeShutdown",
  "Terminated",
  "Shutdown",
  "Preempting",
  "UnexpectedAdmissionError",
  "NodeAffinity",
  "OutOfcpu",
  "OutOfmemory",
  "OutOfpods",
  "OutOfephemeral-storage",
]);

/**
 * The state of a run that has a pod.
 *
 * @param pod The pod.
 * @param identity What its annotations say.
 * @param starting Whether this process is about to start it.
 * @returns The state.
 */
export function judge(pod: Pod, identity: Identity, starting: boolean): Judged {
  const { attempt, notes, container } = identity;
  const main = pod.status?.containerStatuses?.find(({ name }) => name === container)?.state;
  const terminated = main?.terminated;
  const begun = Date.parse(terminated?.startedAt ?? main?.running?.startedAt ?? "");
  const base: StatusBase = {
    attempt,
    notes,
    since: begun > 0 ? begun : Date.parse(pod.metadata.creationTimestamp),
    where: `pod ${pod.metadata.name}${pod.spec.nodeName ? ` on ${pod.spec.nodeName}` : ""}`,
  };
  const placed = pod.spec.nodeName !== undefined;
  const finished = (end: End, at: string | null | undefined): Judged => {
    const until = Date.parse(at ?? "");
    const status = { ...base, state: "finished" as const, until: until > 0 ? until : Date.now(), ...end };
    return { status, placed, begun: begun > 0 };
  };
  if (terminated) {
    if (wasRemoved(pod, terminated)) {
      return { status: { ...base, state: "lost", reason: REMOVED }, placed, begun: begun > 0 };
    }
    return finished(endOf(pod, terminated, container), terminated.finishedAt);
  }
  const over = withoutEnd(pod);
  if (over) return finished(over, undefined);
  if (main?.running) {
    const waiting = silent(pod);
    return { status: { ...base, state: "running", ...(waiting && { waiting }) }, placed, begun: true };
  }
  const held = pod.spec.schedulingGates?.some(({ name }) => name === GATE);
  if (held && !starting) {
    const reason = "its pod was made and never started: whoever did that was cut off";
    return { status: { ...base, state: "lost", reason }, placed, begun: false };
  }
  // It stands for pods on every node, and never begins itself.
  if (identity.everywhere) {
    const where = `daemon set ${pod.metadata.name}`;
    return { status: { ...base, where, state: "running" }, placed: false, begun: true };
  }
  return waiting(pod, base, finished, main?.waiting);
}

/** Whether a script ended because somebody has removed its pod. A script that succeeds all the same has done its work. */
function wasRemoved(pod: Pod, { exitCode, finishedAt }: Terminated): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
  if (deletionTimestamp === undefined || exitCode === 0 || takenAway(pod)) return false;
  return Date.parse(finishedAt ?? "") >= Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1000;
}

/** Whether its cluster takes a pod away. */
export function isDisrupted({ status }: Pod): boolean {
  return disruption(status?.conditions) !== undefined;
}

function disruption(conditions: readonly PodCondition[] = []): PodCondition | undefined {
  return conditions.find(({ type, status }) => type === "DisruptionTarget" && status === "True");
}

/** How the container of a script has ended. */
function endOf(pod: Pod, terminated: Terminated, container: string): End {
  const { exitCode: code, reason = "", message = "" } = terminated;
  if (code === 0) return { exitCode: 0, ...used(message) };
  if (reason === "ContainerStatusUnknown") {
    return { reason: `its node no longer knows how it has ended: ${message}`, infrastructure: true };
  }
  if (reason === "StartError" || reason === "ContainerCannotRun") {
    const image = pod.spec.containers.find(({ name }) => name === container)?.image ?? "";
    return {
      exitCode: code,
      reason: `the script could not be started in the image ${image} (${
        message.split(": ").slice(-3).join(": ").trim()
      }); name a program that it has as entrypoint, or in the first line of the script`,
    };
  }
  // A shell says with which code it leaves; without that a high code is the number of a signal.
  const own = /^exit (\d+)$/m.exec(message)?.[1] === String(code);
  const how: End = code > 128 && code <= 192 && !own
    ? { signal: signalName(code - 128) }
    : { exitCode: code };
  const taken = takenAway(pod);
  if (taken) return { ...how, ...taken };
  if (reason === "OOMKilled") {
    const limit = pod.spec.containers.find(({ name }) => name === container)?.resources?.limits?.memory;
    return {
      ...how,
      ...used(message),
      reason: `out of memory${
        limit === undefined ? "" : `: it may use ${limit} bytes; give it a larger quota`
      }`,
    };
  }
  return { ...how, ...used(message) };
}

/** What a shell has said about what was used. */
function used(message: string): Pick<End, "resources"> {
  const times = [...message.matchAll(/(\d+)m([\d.]+)s/g)].map(([, minutes, seconds]) =>
    Number(minutes) * 60 + Number(seconds)
  );
  const peak = /^peak (\d+)$/m.exec(message)?.[1];
  if (times.length === 0 && peak === undefined) return {};
  return {
    resources: {
      ...(times.length > 0 && { cpuSeconds: times.reduce((sum, time) => sum + time, 0) }),
      ...(peak !== undefined && { peakMemoryBytes: Number(peak) }),
    },
  };
}

/** Why a pod was ended by its cluster; nothing when it was not. */
function takenAway(pod: Pod): End | undefined {
  const { reason = "", message = "", conditions = [] } = pod.status ?? {};
  if (reason === "DeadlineExceeded") {
    return { reason: "it ran longer than the activeDeadlineSeconds of its pod allow" };
  }
  // More on the disk than was asked for is the run's own doing.
  if (reason === "Evicted" && /exceeds? the (total )?limit/i.test(message)) {
    return { reason: `it was evicted: ${message}; give it a larger limit` };
  }
  if (TAKEN.has(reason)) return { reason: `${words(reason)}: ${message}`, infrastructure: true };
  const disrupted = disruption(conditions);
  if (!disrupted) return undefined;
  return { reason: `${words(disrupted.reason ?? "")}: ${disrupted.message ?? ""}`, infrastructure: true };
}

function words(reason: string): string {
  return ({
    Evicted: "it was evicted from its node",
    EvictionByEvictionAPI: "it was evicted from its node",
    TerminationByKubelet: "it was ended by its node",
    PreemptionByScheduler: "it had to make room for a pod of higher priority",
    DeletionByTaintManager: "its node was lost, or closed to it",
    DeletionByPodGC: "its node is gone",
    NodeLost: "its node was lost",
    NodeShutdown: "its node was shut down",
    Terminated: "its node was shut down",
  } as Record<string, string>)[reason] ?? `its node would not have it (${reason})`;
}

/** A pod that is over although the end of its script is not known. */
function withoutEnd(pod: Pod): End | undefined {
  const { phase, conditions = [], initContainerStatuses = [], reason, message } = pod.status ?? {};
  if (phase === "Succeeded") return { exitCode: 0 };
  if (phase === "Failed") {
    const taken = takenAway(pod);
    if (taken) return taken;
    const init = initContainerStatuses.find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
    if (init) {
      return { reason: `the init container ${init.name} left with code ${init.state!.terminated!.exitCode}` };
    }
    return {
      reason: `its pod failed${reason ? ` (${reason})` : ""}: ${message ?? "no reason is known"}`,
      infrastructure: true,
    };
  }
  // A node that is lost confirms nothing any more.
  return disruption(conditions)?.reason === "DeletionByTaintManager" ? takenAway(pod) : undefined;
}

/**
 * What is to be said of a script that was begun on a node of which nothing is heard.
 *
 * Where a node goes silent the cluster says that its pods are not ready, and says no more; a node itself would give a reason. Nothing is taken away from
 * it as long as no other node answers either.
 */
function silent(pod: Pod): string | undefined {
  const { conditions = [] } = pod.status ?? {};
  const is = (type: string, value: string): PodCondition | undefined =>
    conditions.find((each) => each.type === type && each.status === value);
  const ready = is("Ready", "False");
  if (!ready || ready.reason || !is("ContainersReady", "True")) return undefined;
  const { nodeName } = pod.spec;
  return `its node ${nodeName} does not answer, so that nobody knows how it goes on there; see that the node is up, or take it out of the cluster ("kubectl delete node ${nodeName}"): then the job runs elsewhere`;
}

/** A pod whose script has not begun. */
function waiting(
  pod: Pod,
  base: StatusBase,
  finished: (end: End, at: undefined) => Judged,
  main: { readonly reason?: string; readonly message?: string } | undefined,
): Judged {
  const held = (why: string, trouble?: string): Judged => ({
    status: { ...base, state: "running", waiting: why },
    placed: pod.spec.nodeName !== undefined,
    begun: false,
    trouble,
  });
  const { conditions = [], initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  // The first container that says what is wrong speaks for all.
  const faulty = [...initContainerStatuses, ...containerStatuses].find(({ state }) =>
    /^(Err|Image|InvalidImage|Create|Run)\w*(Error|BackOff|Pull|Name)/.test(state?.waiting?.reason ?? "")
  );
  const { reason = "", message = "" } = faulty?.state?.waiting ?? main ?? {};
  if (/Image/.test(reason)) {
    const image = pod.spec.containers.find(({ name }) => name === faulty?.name)?.image ?? "";
    const fault = imageFault(image, reason, message);
    return fault.passing ? held(fault.reason, fault.reason) : finished({ reason: fault.reason }, undefined);
  }
  if (/Error$/.test(reason)) {
    const why = `its container cannot be made (${reason}): ${message}`;
    if (/deadline exceeded|timed out|is reserved for|unavailable|connection/i.test(message)) {
      return held(why, why);
    }
    return finished(
      { reason: `${why}; correct the task, or bring what it names into the namespace` },
      undefined,
    );
  }
  const scheduled = conditions.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") {
    return held(
      scheduled.reason === "SchedulingGated"
        ? "something else holds it back: a scheduling gate"
        : `no node takes it: ${scheduled.message ?? "the scheduler gives no reason"}`,
    );
  }
  if (!pod.spec.nodeName) return held("the scheduler has not looked at it yet");
  return held("its containers are being made");
}

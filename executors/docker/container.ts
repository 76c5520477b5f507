/**
 * A run as a container: the name and the labels that carry its identity, and what the engine is asked to make.
 *
 * @module
 */
import type { Attempt } from "../../core/attempt.ts";
import type { Quota } from "../../core/quota.ts";
import type { ContainerWork } from "../container_work.ts";
import { CARRIER } from "./carried_script.ts";
import { type Command, WORKDIR } from "./script.ts";

/** Whose containers these are: the word before names and labels, and the identity of the state folder. */
export interface Owner {
  /** The word before names and labels: `datatask`. */
  readonly label: string;
  /** The identity of the state folder. Pipelines with other state never see each other's containers. */
  readonly state: string;
}

/**
 * The name of the container of an attempt. The engine lets no two have the same.
 *
 * @param owner Whose.
 * @param attempt Which.
 * @returns The name.
 */
export async function nameOf(owner: Owner, { task, job, replica, attempt }: Attempt): Promise<string> {
  const text = new TextEncoder().encode(JSON.stringify([owner.state, task, job, replica, attempt]));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text)).subarray(0, 10);
  // For people; the digest is what makes it unique.
  return `${owner.label}-${task.slice(0, 40)}-${job.slice(0, 60)}-${digest.toHex()}`;
}

/**
 * The labels of a run.
 *
 * @param owner Whose.
 * @param attempt Which.
 * @param work What it runs.
 * @param made What tells the one call that has made the container.
 * @returns The labels.
 */
export function labelsOf(
  { label, state }: Owner,
  attempt: Attempt,
  work: ContainerWork,
  made: string,
): Record<string, string> {
  return {
    [`${label}.state`]: state,
    [`${label}.task`]: attempt.task,
    [`${label}.job`]: attempt.job,
    [`${label}.replica`]: String(attempt.replica),
    [`${label}.attempt`]: String(attempt.attempt),
    [`${label}.made`]: made,
    [`${label}.notes`]: JSON.stringify(work.notes),
    [`${label}.streams`]: work.mergeStderr ? "merged" : "apart",
  };
}

/** What labels say of a run. */
export interface Labelled {
  readonly attempt: Attempt;
  readonly notes: Readonly<Record<string, string>>;
  readonly merged: boolean;
}

/**
 * Reads the labels of a container.
 *
 * @param owner Whose.
 * @param labels The labels.
 * @returns What they say; nothing when it is none of these.
 */
export function readLabels(
  { label, state }: Owner,
  labels: Readonly<Record<string, string>>,
): Labelled | undefined {
  const get = (name: string): string => labels[`${label}.${name}`] ?? "";
  if (get("state") !== state || get("task") === "" || get("job") === "") return undefined;
  return {
    attempt: {
      task: get("task"),
      job: get("job"),
      replica: Number(get("replica")),
      attempt: Number(get("attempt")),
    },
    notes: JSON.parse(get("notes") || "{}"),
    merged: get("streams") === "merged",
  };
}

/**
 * What the engine is asked to make.
 *
 * @param owner Whose it is.
 * @param attempt Which attempt it is.
 * @param work What it runs.
 * @param command How its script is run.
 * @param quota What it may use.
 * @param made What tells the one call that makes it.
 * @returns The document for the engine.
 */
export function containerOf(
  owner: Owner,
  attempt: Attempt,
  work: ContainerWork,
  { argv, text, carried }: Command,
  quota: Quota,
  made: string,
): unknown {
  const memory = quota.memory === undefined ? undefined : Math.floor(quota.memory);
  return {
    Image: work.image,
    Entrypoint: argv.slice(0, 1),
    Cmd: argv.slice(1),
    // A polite stop reaches every process of the script, not just the first.
    Env: [
      "TINI_KILL_PROCESS_GROUP=1",
      ...Object.entries(work.environment).map(([name, value]) => `${name}=${value}`),
      ...carried ? [`${CARRIER}=${text}`] : [],
    ],
    Labels: labelsOf(owner, attempt, work, made),
    WorkingDir: work.workdir ?? WORKDIR,
    StopSignal: "SIGTERM",
    // An image's health check would only cost time.
    Healthcheck: { Test: ["NONE"] },
    ...(work.user !== undefined && { User: work.user }),
    HostConfig: {
      Init: true,
      Privileged: work.privileged ?? false,
      // The other drivers that can be read lose bytes that are no text, or the beginning of a long log.
      LogConfig: { Type: "local", Config: { "max-size": "1000000g", "max-file": "1", "compress": "false" } },
      Mounts: (work.mounts ?? []).map(({ source, target, readOnly }) => ({
        Type: source.startsWith("/") ? "bind" : "volume",
        Source: source,
        Target: target,
        ReadOnly: readOnly ?? false,
      })),
      RestartPolicy: { Name: "no" },
      ...(work.network !== undefined && { NetworkMode: work.network }),
      ...(quota.cpu !== undefined && { NanoCpus: Math.max(1e7, Math.round(quota.cpu * 1e9)) }),
      // As much with swap as without: no swap.
      ...(memory !== undefined && { Memory: memory, MemorySwap: memory }),
    },
  };
}

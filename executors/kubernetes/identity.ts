/**
 * The name, the labels and the annotations that carry the identity of a run.
 *
 * @module
 */
import type { Attempt } from "../../core/attempt.ts";
import type { Carrier } from "./objects.ts";

/** Whose pods these are. */
export interface Owner {
  /** The word before names, labels and annotations: `datatask`. */
  readonly label: string;
  /** The identity of the state folder. Pipelines with other state never see each other's pods. */
  readonly state: string;
}

/** What is remembered of a run. */
export interface Identity {
  readonly attempt: Attempt;
  readonly notes: Readonly<Record<string, string>>;
  /** Whether standard error goes into the log of standard output. */
  readonly merged: boolean;
  /** The container whose end is the end of the run. */
  readonly container: string;
  /** Whether logs begin with a line that says so; without it a log that was cut cannot be told from a whole one. */
  readonly headed: boolean;
  /** Whether it is on every node. */
  readonly everywhere: boolean;
  /** Which call has made it. */
  readonly start: string;
}

/** Keys may have capital letters, dots and underscores, and 128 characters; names of pods not. */
function slug(text: string, length: number): string {
  const plain = text.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, length).replace(/^-|-$/g, "");
  return plain === "" ? "x" : plain;
}

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(bytes).subarray(0, 8).toHex();
}

/**
 * The name of the pod of an attempt: valid for every key, and no two have the same.
 *
 * @param owner Whose.
 * @param attempt Which.
 * @returns The name, of 63 characters at the most.
 */
export async function nameOf(owner: Owner, { task, job, replica, attempt }: Attempt): Promise<string> {
  // The beginning is for people; the digest is what makes it unique.
  const unique = await digest(JSON.stringify([owner.state, task, job, replica, attempt]));
  return `${owner.label}-${slug(task, 12)}-${slug(job, 14)}-${unique}`;
}

/** A task's name as the value of a label, which may have 63 characters. */
async function labelValue(task: string): Promise<string> {
  return task.length <= 63
    ? task
    : `${task.slice(0, 40).replace(/[^A-Za-z0-9]+$/, "")}-${await digest(task)}`;
}

/**
 * Chooses the pods of a state folder, or of one of its tasks.
 *
 * @param owner Whose.
 * @param task Which task. Default: all.
 * @returns The selector.
 */
export async function selectorOf({ label, state }: Owner, task?: string): Promise<string> {
  return `${label}.state=${state}${task === undefined ? "" : `,${label}.task=${await labelValue(task)}`}`;
}

/**
 * The labels of a run.
 *
 * @param owner Whose.
 * @param task Its task.
 * @param name The name of its pod.
 * @returns The labels.
 */
export async function labelsOf(
  { label, state }: Owner,
  task: string,
  name: string,
): Promise<Record<string, string>> {
  return {
    "app.kubernetes.io/managed-by": label,
    [`${label}.state`]: state,
    [`${label}.task`]: await labelValue(task),
    [`${label}.run`]: name,
  };
}

/**
 * The annotations of a run.
 *
 * @param owner Whose.
 * @param identity What is to be remembered.
 * @returns The annotations.
 */
export function annotationsOf({ label }: Owner, identity: Identity): Record<string, string> {
  const { attempt, notes, merged, container, headed, everywhere, start } = identity;
  return {
    [`${label}.task`]: attempt.task,
    [`${label}.job`]: attempt.job,
    [`${label}.replica`]: String(attempt.replica),
    [`${label}.attempt`]: String(attempt.attempt),
    [`${label}.notes`]: JSON.stringify(notes),
    [`${label}.container`]: container,
    [`${label}.logs`]: `${merged ? "merged" : "apart"} ${headed ? "headed" : "plain"}`,
    ...(everywhere && { [`${label}.everywhere`]: "true" }),
    [`${label}.start`]: start,
  };
}

/** The name of the run of a pod or a Job. */
export function runOf({ label }: Owner, carrier: Carrier): string | undefined {
  return carrier.metadata.labels?.[`${label}.run`];
}

/**
 * Reads the annotations of a pod or a Job.
 *
 * @param owner Whose it should be.
 * @param carrier It.
 * @returns What they say; nothing when it is none of these.
 */
export function readIdentity({ label, state }: Owner, carrier: Carrier): Identity | undefined {
  const { labels = {}, annotations = {} } = carrier.metadata;
  const get = (name: string): string => annotations[`${label}.${name}`] ?? "";
  if (labels[`${label}.state`] !== state || get("task") === "" || get("job") === "") return undefined;
  const logs = get("logs").split(" ");
  return {
    attempt: {
      task: get("task"),
      job: get("job"),
      replica: Number(get("replica")),
      attempt: Number(get("attempt")),
    },
    notes: JSON.parse(get("notes") || "{}"),
    merged: logs.includes("merged"),
    container: get("container"),
    headed: logs.includes("headed"),
    everywhere: get("everywhere") === "true",
    start: get("start"),
  };
}

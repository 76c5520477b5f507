/**
 * The links of a process task, as the paths, documents and keys that a script works with.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import { RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Link, Links } from "./link.ts";
import { linkKey } from "./resolve.ts";
import type { Script } from "./script.ts";

/** A link as a script sees it: a file or a folder. It is its own path wherever a text is wanted. */
export interface BoundPath {
  /** Where it lies, absolute. For an output: where the script must put it. */
  readonly path: string;
  /** Its key in the repository. */
  readonly key: Key;
  /** The path. */
  toString(): string;
}

/** A link to many values as a script sees it: a folder, in which they appear or are put. It is its own path wherever a text is wanted. */
export interface BoundFolder {
  /** Where it lies, absolute. */
  readonly path: string;
  /** The path. */
  toString(): string;
}

/** What a link becomes for a script. */
export type ProcessLink<K extends Link> = K extends Link<infer R, infer _D, infer V, infer C>
  ? V extends "key" ? Key
  : V extends "value" ? (R extends MetadataRepository<infer T> ? T : never)
  : V extends "lookup" ? Script
  : V extends "stream" | "items" ? BoundFolder & { readonly [N in keyof C]: BoundFolder }
  : V extends "none" ? never
  : BoundPath & { readonly [N in keyof C]: BoundPath }
  : never;

/** What the links of a task become for a script. */
export type ProcessLinks<L extends Links> = { readonly [N in keyof L]: ProcessLink<L[N]> };

/** One value that a job brings in or takes out. `reports.index` is the cokeyed `index` of the link `reports`. */
export interface Slot {
  /** The name of the link, or the link and the cokeyed repository. */
  readonly name: string;
  /** Which way it goes. */
  readonly direction: "in" | "out";
  /** The repository. */
  readonly repository: Repository;
  /** The key there. */
  readonly key: Key;
  /** Whether the job has failed without it. */
  readonly expected: boolean;
  /** Whether the script sees it as a path. */
  readonly bound: boolean;
}

/** Whether a link is for many values, which come and go while a job runs. */
export function isMany({ view }: Link): boolean {
  return view === "lookup" || view === "stream" || view === "items";
}

/** All links of a job. */
export interface Slots {
  /** What is brought in and taken out. */
  readonly slots: readonly Slot[];
  /** What the script sees that is no path: documents and keys. */
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Finds the keys of all links of a job, and the documents that the script sees.
 *
 * @param attempt Which job.
 * @param links The links of its task.
 * @param signal When to stop.
 * @returns What is brought in and taken out, and what is seen besides.
 * @throws {RepositoryError} When a link has no key for the job, or a document is not there.
 */
export async function slotsOf(attempt: Attempt, links: Links, signal: AbortSignal): Promise<Slots> {
  const slots: Slot[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, link] of Object.entries(links)) {
    if (link.view === "none" || isMany(link)) continue;
    const key = link.key ? await linkKey(attempt.task, links, name, attempt.job, signal) : attempt.job;
    if (key === undefined) throw noKey(attempt, name, link);
    const bound = link.view === "bound";
    if (link.view === "key") values[name] = key;
    if (link.view === "value") {
      values[name] = await (link.repository as MetadataRepository).get(key, { signal });
    }
    if (!bound && link.direction === "in") continue;
    const direction = link.direction === "in" ? "in" : "out";
    const expected = link.direction === "out" && link.expected;
    slots.push({ name, direction, repository: link.repository, key, expected, bound });
    for (const [other, repository] of Object.entries(link.cokeyed)) {
      slots.push({ name: `${name}.${other}`, direction, repository, key, expected: false, bound });
    }
  }
  return { slots, values };
}

function noKey({ job, task }: Attempt, name: string, link: Link): RepositoryError {
  return new RepositoryError(
    "invalid-key",
    `Cannot find the key of job "${job}" in link ${task}.${name}: ${link.key!.label} gives none`,
    { operation: "find the key", subject: task, key: job },
  );
}

/** A place for a value. */
export interface Placed extends Slot {
  /** Where it lies, or shall lie. */
  readonly path: string;
}

/** A path with the members that scripts of a link with cokeyed repositories see. */
class LinkPath implements BoundPath {
  readonly path: string;
  readonly key: Key;

  constructor(path: string, key: Key) {
    this.path = path;
    this.key = key;
  }

  toString(): string {
    return this.path;
  }
}

/**
 * The folders of a link to many values.
 *
 * @param attempt Of which job.
 * @param folder The folder of its values, as the run sees it.
 * @param name The name of the link.
 * @param link The link.
 * @returns The folder of the link, and those of what lies under the same keys; none for other links.
 */
export function manyOf({ job: key }: Attempt, folder: string, name: string, link: Link): Placed[] {
  if (link.view !== "stream" && link.view !== "items") return [];
  const direction = link.view === "stream" ? "in" : "out";
  const path = `${folder}/${link.view}/${name}`;
  const { repository } = link;
  const one = { name, direction, repository, key, expected: false, bound: true, path } as const;
  return [
    one,
    ...Object.entries(link.cokeyed).map(([other, repository]) => ({
      ...one,
      name: `${name}.${other}`,
      repository,
      path: `${path}.${other}`,
    })),
  ];
}

/**
 * What the function that makes the script gets of the links.
 *
 * @param placed Where everything lies.
 * @param values What is no path.
 * @returns The links by name.
 */
export function boundPaths(
  placed: readonly Placed[],
  values: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const bound: Record<string, unknown> = { ...values };
  for (const { name, path, key, bound: seen } of placed) {
    if (!seen) continue;
    const [link, other] = name.split(".");
    const value = new LinkPath(path, key);
    if (other === undefined) bound[link!] = value;
    else Object.defineProperty(bound[link!], other, { value, enumerable: true });
  }
  return bound;
}

/**
 * The environment variables that tell a script of any language who it is and where its links lie.
 *
 * @param attempt Which attempt.
 * @param quota What it may use: cores, and bytes of memory.
 * @param placed Where everything lies.
 * @returns The variables: `DATATASK_JOB`, `DATATASK_INPUT_BOOKS`, and so on.
 */
export function scriptEnvironment(
  attempt: Attempt,
  quota: Readonly<Record<string, number>>,
  placed: readonly Placed[],
): Record<string, string> {
  const environment: Record<string, string> = {
    DATATASK_TASK: attempt.task,
    DATATASK_JOB: attempt.job,
    DATATASK_REPLICA: String(attempt.replica),
    DATATASK_ATTEMPT: String(attempt.attempt),
  };
  if (quota.cpu !== undefined) environment.DATATASK_CPU = String(quota.cpu);
  if (quota.memory !== undefined) environment.DATATASK_MEMORY = String(Math.floor(quota.memory));
  for (const { name, direction, path, bound } of placed) {
    if (!bound) continue;
    const word = name.replace(/[.$]/g, "_").toUpperCase();
    environment[`DATATASK_${direction === "in" ? "INPUT" : "OUTPUT"}_${word}`] = path;
  }
  return environment;
}

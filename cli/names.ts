/**
 * Names on the command line: tasks, repositories and keys, with what somebody may have meant when there is none of that name.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import { isKey, type Key, MAX_KEY_LENGTH } from "../core/key.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Task } from "../tasks/task.ts";
import type { Context } from "./spec.ts";
import { didYouMean, nearest } from "./suggest.ts";

/** How many names an error lists. */
const LISTED = 8;
/** How many keys are looked through for one that somebody may have meant. */
const LOOKED_THROUGH = 50_000;

/** States of jobs that are written like repositories, `task.running`, where keys are listed. Those of jobs that are over are repositories. */
export const JOB_STATES = ["waiting", "ready", "running", "retrying", "blocked"] as const;

/** The task and the state that a name stands for, when it does. */
export function jobsNamed(
  name: string,
  pipeline: Pipeline,
): { readonly task: string; readonly state: (typeof JOB_STATES)[number] } | undefined {
  const at = name.lastIndexOf(".");
  const task = name.slice(0, at);
  const state = JOB_STATES.find((each) => each === name.slice(at + 1));
  return at > 0 && state && pipeline.tasks.has(task) ? { task, state } : undefined;
}

function listed(names: readonly string[]): string {
  return names.length <= LISTED ? names.join(", ") : `${names.slice(0, LISTED).join(", ")}, …`;
}

/** The hint that follows: what is near, else what there is; and how to see it all. */
function hint(typed: string, names: readonly string[], what: string, see: string): string {
  const meant = didYouMean(typed, names);
  if (meant) return `${meant} List them with "${see}"`;
  return names.length > LISTED ? `; list them with "${see}"` : `; ${what} are ${names.join(", ")}`;
}

/**
 * A task.
 *
 * @param pipeline Of which pipeline.
 * @param name Its name.
 * @param context For hints.
 * @returns The task.
 * @throws {UsageError} When there is none of that name.
 */
export function taskOf(pipeline: Pipeline, name: string, context: Context): Task {
  const task = pipeline.tasks.get(name);
  if (task) return task;
  const names = [...pipeline.tasks.keys()];
  const see = `${context.program} status${context.repeat}`;
  throw new UsageError(`There is no task "${name}"${hint(name, names, "the tasks", see)}`);
}

/**
 * Checks the tasks that a run is told to do, and to leave out.
 *
 * @param pipeline Of which pipeline.
 * @param choice The names: of those to do (none: all), and of those to leave out.
 * @param context For hints.
 * @throws {UsageError} When there is none of a name, or none is left.
 */
export function checkChoice(
  pipeline: Pipeline,
  { task, notTask }: { readonly task: readonly string[]; readonly notTask: readonly string[] },
  context: Context,
): void {
  const given = [
    ...task.map((name) => ["-t", name] as const),
    ...notTask.map((name) => ["-T", name] as const),
  ];
  for (const [flag, name] of given) {
    const each = name.split(",");
    if (each.length > 1 && each.every((part) => pipeline.tasks.has(part))) {
      throw new UsageError(
        `There is no task "${name}"; give each by a flag of its own: ${flag} ${each.join(` ${flag} `)}`,
      );
    }
    taskOf(pipeline, name, context);
  }
  const wanted = task.length > 0 ? task : [...pipeline.tasks.keys()];
  if (notTask.length === 0 || wanted.some((name) => !notTask.includes(name))) return;
  const all = [...new Set(wanted)].map((name) => `"${name}"`).join(", ");
  throw new UsageError(
    `No task is left: ${task.length > 0 ? "--task names" : "there is"} ${all}, and --not-task leaves ${
      all.includes(",") ? "them" : "it"
    } out; take one of them away`,
  );
}

/**
 * A repository.
 *
 * @param pipeline Of which pipeline.
 * @param name `task.link`, or `task.link.cokeyed`.
 * @param context For hints.
 * @returns The repository.
 * @throws {UsageError} When there is none of that name.
 */
export function repositoryOf(pipeline: Pipeline, name: string, context: Context): Repository {
  const repositories = pipeline.repositories();
  const repository = repositories.get(name);
  if (repository) return repository;
  throw unknownRepository(name, pipeline, repositories, context);
}

/** The error for a repository that is not there. */
export function unknownRepository(
  name: string,
  pipeline: Pipeline,
  repositories: ReadonlyMap<string, unknown>,
  context: Context,
): UsageError {
  const see = `${context.program} ls${context.repeat}`;
  const names = [...repositories.keys()];
  if (pipeline.tasks.has(name)) {
    const own = names.filter((known) => known.startsWith(`${name}.`));
    return new UsageError(`"${name}" is a task, and a repository is wanted; write one of ${listed(own)}`);
  }
  const task =
    [...pipeline.tasks.keys()].filter((known) => name.startsWith(`${known}.`)).sort((a, b) =>
      b.length - a.length
    )[0];
  if (task !== undefined) {
    const link = name.slice(task.length + 1);
    const links = names.filter((known) => known.startsWith(`${task}.`)).map((known) =>
      known.slice(task.length + 1)
    );
    const meant = didYouMean(link, links, (near) => `"${task}.${near}"`);
    return new UsageError(
      `Task "${task}" has no link "${link}"${meant || `; its links are ${listed(links)}`}`,
    );
  }
  const meant = didYouMean(name, names);
  return new UsageError(
    `There is no repository "${name}"${meant || ";"} ${meant ? "List" : "list"} them with "${see}"`,
  );
}

/**
 * A key.
 *
 * @param text What was typed.
 * @param what What it is: `"job"`, `"key"`.
 * @returns The key.
 * @throws {UsageError} When it cannot be one.
 */
export function keyOf(text: string, what = "job"): Key {
  if (isKey(text)) return text;
  throw new UsageError(
    `${
      JSON.stringify(text)
    } cannot be a ${what}; use 1 to ${MAX_KEY_LENGTH} of A-Z a-z 0-9 . _ - with a letter or digit at both ends`,
  );
}

/**
 * A clause that names the keys somebody may have meant.
 *
 * @param typed What was typed.
 * @param repositories Where to look; at most some ten thousand keys are looked through.
 * @returns `; did you mean "emma"?`, or nothing.
 */
export async function similarKeys(typed: string, repositories: Iterable<Repository>): Promise<string> {
  const found = new Set<string>();
  let looked = 0;
  for (const repository of new Set(repositories)) {
    try {
      for await (const page of repository.pages({ onSkipped: () => {} })) {
        for (const key of nearest(typed, page)) found.add(key);
        if ((looked += page.length) > LOOKED_THROUGH) break;
      }
    } catch {
      // A hint is not worth another error.
    }
    if (looked > LOOKED_THROUGH) break;
  }
  return didYouMean(typed, found);
}

/**
 * The error for a job that a task does not know.
 *
 * @param task Which task.
 * @param job Which job.
 * @param context For hints.
 * @returns The error.
 */
export async function unknownJob(task: Task, job: string, context: Context): Promise<UsageError> {
  const inputs = Object.entries(task.allLinks).filter(([, link]) => link.direction !== "out");
  const meant = await similarKeys(job, inputs.map(([, link]) => link.repository));
  const first = inputs.find(([, link]) => link.direction === "in")?.[0] ?? "done";
  return new UsageError(
    `Task "${task.name}" knows no job "${job}"${meant || ";"} ${
      meant ? "List" : "list"
    } its keys with "${context.program} ls${context.repeat} ${task.name}.${first}"`,
  );
}

/**
 * Makes a task anew over other repositories.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { Repository } from "../repositories/repository.ts";
import { type FunctionRunner, functionTask, type FunctionTaskOptions } from "../tasks/function.ts";
import type { Link, Links } from "../tasks/link.ts";
import type { Task } from "../tasks/task.ts";

/** The body of a function task, of whatever links. */
export type Body = (context: never) => unknown;

/**
 * Makes a task anew over other repositories: with its own body when it is a function task, or with another one.
 *
 * @param task The task.
 * @param replace Gives the repository to put in place of one.
 * @param body What to do for a job, in place of the task's own.
 * @param watch Put around the body.
 * @returns A function task that is like the task in all else.
 * @throws {DefinitionError} When it has no body of its own and none is given.
 */
export function remakeTask(
  task: Task,
  replace: (repository: Repository) => Repository,
  body: Body | undefined,
  watch: (body: Body) => Body,
): Task {
  const own = (task.runner as Partial<FunctionRunner>).body;
  const chosen = body ?? own;
  if (!chosen && !task.disabled) {
    throw new DefinitionError(
      `Task ${task.name} is a ${task.kind} task, which runs outside of the test; give it a body with fakes: [fake(task, body)]`,
    );
  }
  const links = Object.fromEntries(
    Object.entries(task.links).map(([name, link]) => [name, remakeLink(link, replace)]),
  );
  const pool = own ? { pool: task.runner.pool } : {};
  const watched = watch(chosen ?? (() => {}));
  return functionTask(task.name, { ...optionsOf(task, links, replace), ...pool }, watched as () => unknown);
}

function remakeLink(link: Link, replace: (repository: Repository) => Repository): Link {
  const cokeyed = Object.entries(link.cokeyed).map(([name, repository]) => [name, replace(repository)]);
  return { ...link, repository: replace(link.repository), cokeyed: Object.fromEntries(cokeyed) };
}

/** What the task was told, as far as it can be told again. */
function optionsOf(
  task: Task,
  links: Links,
  replace: (repository: Repository) => Repository,
): FunctionTaskOptions<Links> {
  const { retry, spawnRate, outcomes } = task;
  const documents = (repository: unknown): MetadataRepository =>
    replace(repository as Repository) as MetadataRepository;
  return {
    done: {
      success: documents(outcomes.success),
      failed: documents(outcomes.failed),
      attempts: documents(outcomes.attempts),
    },
    links,
    quota: task.quota,
    priority: task.priority,
    concurrency: task.concurrency,
    retry: {
      attempts: retry.attempts,
      delay: retry.delayMs,
      factor: retry.factor,
      maxDelay: retry.maxDelayMs,
      jitter: retry.jitter,
      when: retry.when,
    },
    grace: task.graceMs,
    replicas: task.replicas,
    failureOk: task.failureOk,
    longRunning: task.longRunning,
    disabled: task.disabled,
    ...(spawnRate && { spawnRate: { count: spawnRate.count, per: spawnRate.perMs } }),
    ...(task.timeoutMs !== Infinity && { timeout: task.timeoutMs }),
    ...(task.totalTimeoutMs !== Infinity && { totalTimeout: task.totalTimeoutMs }),
    ...(task.logs && { logs: replace(task.logs) as BlobRepository }),
    ...(task.description !== undefined && { description: task.description }),
  };
}

/**
 * What can be wrong with a pipeline as it is written.
 *
 * @module
 */
import { isKey } from "../core/key.ts";
import { exceeded, type Quota } from "../core/quota.ts";
import type { KeyDriver } from "../repositories/driver.ts";
import { agentFaults, type AgentOptions } from "../tasks/agent_options.ts";
import type { Task } from "../tasks/task.ts";

/** A pipeline as far as it can be wrong. */
export interface Definition {
  readonly name: string;
  readonly tasks: readonly Task[];
  /** The state folder; nothing when there is none. */
  readonly state: string | undefined;
  /** Named resources that all tasks share. */
  readonly resources: Quota;
  /** Where the agent listens, and what it bears. */
  readonly agent: AgentOptions | undefined;
}

/**
 * Finds all that is wrong with a pipeline.
 *
 * @param definition The pipeline.
 * @returns What is wrong, a sentence each, with what to do.
 */
export function faultsOf({ name, tasks, state, resources, agent }: Definition): string[] {
  const faults: string[] = [];
  if (!isKey(name)) {
    faults.push(
      `The pipeline name ${JSON.stringify(name)} is not valid; use letters, digits, ".", "_" and "-"`,
    );
  }
  if (agent) faults.push(...agentFaults(agent));
  const twice = new Set(tasks.filter((task, at) => tasks.indexOf(task) < at));
  faults.push(...[...twice].map(({ name }) => `Task ${name} is given twice; give it once`));
  const names = new Set<string>();
  const outcomes = new Map<string, Task>();
  for (const task of new Set(tasks)) {
    if (names.has(task.name)) {
      faults.push(`There are two tasks named ${task.name}; give one of them another name`);
    }
    names.add(task.name);
    faults.push(...outcomeFaults(task, outcomes));
    if (!Object.values(task.links).some((link) => link.start === "present" && !link.key)) {
      faults.push(
        `Task ${task.name} requires nothing under the job's own key, so that it has no jobs; add an input(...) or requires(...)`,
      );
    }
    if (task.runner.find && state === undefined) {
      faults.push(
        `Task ${task.name} starts processes that outlive the coordinator, which needs a state folder; leave out { state: null }`,
      );
    }
    faults.push(...quotaFaults(task, resources), ...streamFaults(task, tasks));
  }
  return faults;
}

/** A stream of keys that were allocated needs somebody who allocates them. */
function streamFaults(task: Task, tasks: readonly Task[]): string[] {
  return Object.entries(task.links).flatMap(([link, { stream, repository }]) => {
    if (stream?.of?.kind !== "allocated") return [];
    const stores = repository.footprint();
    const allocates = tasks.some((other) =>
      Object.values(other.links).some((output) =>
        (output.items?.keys === "allocated" || output.key?.kind === "allocated") &&
        [output.repository, ...Object.values(output.cokeyed)].some((written) =>
          [...written.footprint().keys()].some((store) => stores.has(store))
        )
      )
    );
    return allocates ? [] : [
      `Link ${task.name}.${link} finds items by the job that their keys were allocated for, but no task allocates keys in ${repository.name}; see that its outputs(...) has no { keys }`,
    ];
  });
}

/** No two tasks, and no two kinds of outcome, share a store. `seen` has the stores of the tasks before. */
function outcomeFaults(task: Task, seen: Map<string, Task>): string[] {
  const { success, failed, attempts } = task.outcomes;
  for (const repository of [success, failed, attempts]) {
    const identity = storeOf(repository.driver);
    const other = seen.get(identity);
    if (other === task) {
      return [
        `Task ${task.name} keeps outcomes of two kinds in one repository, ${repository.name}; give { success, failed, attempts } a repository each`,
      ];
    }
    // Tasks of one name are a fault of their own.
    if (other !== undefined && other.name !== task.name) {
      return [
        `Tasks ${other.name} and ${task.name} keep their outcomes in the same repository, ${repository.name}; give each its own`,
      ];
    }
    seen.set(identity, task);
  }
  return [];
}

/** A job that can never fit would wait for ever. */
function quotaFaults(task: Task, resources: Quota): string[] {
  const faults: string[] = [];
  const { pool } = task.runner;
  for (const [resource, amount] of Object.entries(task.quota)) {
    for (
      const [whose, capacity] of [[`pool ${pool.name}`, pool.capacity], ["the pipeline", resources]] as const
    ) {
      if (!exceeded({ [resource]: amount }, capacity)) continue;
      faults.push(
        `Task ${task.name} needs ${resource} ${amount}, but ${whose} has ${
          capacity[resource]
        }; lower its quota, or raise the capacity`,
      );
    }
    const known = resource === "cpu" || resource === "memory" || pool.capacity[resource] !== undefined;
    if (known || resources[resource] !== undefined) continue;
    faults.push(
      `Task ${task.name} needs ${resource}, which neither pool ${pool.name} nor the pipeline has; add { resources: { ${resource}: ... } } to the pipeline`,
    );
  }
  return faults;
}

/** The identity of the store that a driver's values lie in, under whatever layers that leave the keys as they are. */
function storeOf(driver: KeyDriver): string {
  const { derived, identity } = driver;
  return derived?.by === "same" ? storeOf(derived.parts[0]!) : identity;
}

/**
 * Makes the stores of a pipeline ready before it runs.
 *
 * @module
 */
import type { PrepareOptions } from "../repositories/driver.ts";
import { BlobRepository } from "../repositories/blob.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Task } from "../tasks/task.ts";

/** Of so many attempts it is looked for what is left of their logs. */
const MAX_ATTEMPTS = 32;

/**
 * Makes the stores of tasks ready. What no task writes into need not be writable.
 *
 * @param tasks Whose stores.
 * @param logs Where the logs of a task go; they are made when they are first needed, and only swept here.
 * @param options Whether to look for what dead processes have left.
 */
export async function prepareStores(
  tasks: Iterable<Task>,
  logs: (task: string) => BlobRepository | undefined,
  options: PrepareOptions,
): Promise<void> {
  const stores = new Map<string, { readonly repository: Repository; write: boolean }>();
  const add = (repository: Repository, write: boolean): void => {
    const { identity } = repository.driver;
    const known = stores.get(identity);
    if (known) known.write ||= write;
    else stores.set(identity, { repository, write });
  };
  for (const { name, links, outcomes, retry, logs: own } of tasks) {
    for (const { repository, cokeyed, direction } of Object.values(links)) {
      for (const one of [repository, ...Object.values(cokeyed)]) {
        add(one, direction === "out" || direction === "status");
      }
    }
    for (const one of [outcomes.success, outcomes.failed, outcomes.attempts]) add(one, true);
    const kept = own ?? (options.sweep === false ? undefined : logs(name));
    if (kept) add(kept, true);
    if (options.sweep === false) continue;
    // Logs of attempts that were followed by others lie beside; where there are none they are left absent.
    for (let n = 1; n < Math.min(retry.attempts, MAX_ATTEMPTS); n++) {
      const beside = kept?.driver.beside?.(`attempt-${n}`);
      if (beside) add(new BlobRepository(beside), false);
    }
  }
  await Promise.all(
    [...stores.values()].map(({ repository, write }) => repository.prepare({ ...options, write })),
  );
}

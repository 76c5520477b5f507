/**
 * What a job needs, for explanations.
 *
 * @module
 */
import { formatAmount, type Quota } from "../core/quota.ts";
import type { Task } from "../tasks/task.ts";

/**
 * What a job needs of what its pool has, and of what the whole pipeline has.
 *
 * @param task Of which task.
 * @param resources What all tasks share.
 * @returns The rest of a sentence, or nothing.
 */
export function needsText({ quota, runner: { pool } }: Task, resources: Quota): string {
  const needsOf = (there: Quota): string =>
    Object.entries(quota).filter(([name, amount]) => amount > 0 && there[name] !== undefined)
      .map(([name, amount]) => `${formatAmount(name, amount)} of ${formatAmount(name, there[name]!)} ${name}`)
      .join(" and ");
  const [here, shared] = [needsOf(pool.capacity), needsOf(resources)];
  if (here === "" && shared === "") return "";
  if (here === "") return ` in the pipeline: it needs ${shared}`;
  return ` in pool ${pool.name}: it needs ${here}${shared && `, and ${shared} of the pipeline`}`;
}

/**
 * What a group is made of: whether its members can stand for each other, and what they have together.
 *
 * @module
 */
import type { Quota } from "../../core/quota.ts";
import type { Executor, Work } from "../executor.ts";
import type { ExecutorGroupOptions } from "./group.ts";

/** What is wrong with the definition of a group, a sentence each. */
export function faultsOf<W extends Work>({ name, executors }: ExecutorGroupOptions<W>): readonly string[] {
  if (executors.length === 0) return [`Executor group ${name} has no members; give it executors`];
  const names = executors.map((executor) => executor.name);
  const twice = names.find((each, i) => names.indexOf(each) !== i);
  const faults: string[] = [];
  if (twice !== undefined) {
    faults.push(`Executor group ${name} has two members named ${twice}; give each a name of its own`);
  }
  const [first, ...others] = executors;
  for (const other of others) {
    const differ = first!.sees !== other.sees || first!.textLogs !== other.textLogs ||
      (first!.reach === undefined) !== (other.reach === undefined) ||
      [...first!.accepts].sort().join() !== [...other.accepts].sort().join();
    if (differ) {
      faults.push(
        `Executor group ${name} has members of different kinds: ${
          first!.name
        } and ${other.name}; make a group for each kind`,
      );
    }
  }
  return faults;
}

/** What all members have together; what one of them does not limit has no limit. */
export function together(executors: readonly Executor[]): Quota {
  const sums: Record<string, number> = {};
  for (const name of Object.keys(executors[0]!.capacity)) {
    const amounts = executors.map(({ capacity }) => capacity[name]);
    if (amounts.every((amount) => amount !== undefined)) sums[name] = amounts.reduce((a, b) => a! + b!, 0)!;
  }
  return sums;
}

/**
 * What the largest member has: that with the most cores, and among those the most memory. Of what not all members limit nobody knows how much there is.
 */
export function largest(executors: readonly Executor[]): Quota {
  const known = Object.keys(together(executors));
  const [best] = executors.map(({ capacity, most = capacity }) => most).sort((a, b) =>
    (b.cpu ?? 0) - (a.cpu ?? 0) || (b.memory ?? 0) - (a.memory ?? 0)
  );
  return Object.fromEntries(known.flatMap((name) => best![name] === undefined ? [] : [[name, best![name]]]));
}

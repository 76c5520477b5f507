/**
 * Runs bodies elsewhere whose links are here: the body gets the same bound links as in this process, and uses them from afar.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import { DatataskError } from "../core/errors.ts";
import type { FunctionEnd, FunctionExecutor } from "../executors/function_work.ts";
import { type Permissions, withAllowance } from "../executors/permissions.ts";
import { givesAtOnce } from "../executors/workers/marshal.ts";
import { type FunctionContext, runBody } from "./function.ts";
import type { Links } from "./link.ts";
import type { Ending, RunContext } from "./runner.ts";

/** What is run where. */
export interface ModulePlan {
  /** The name of the task. */
  readonly task: string;
  /** The address of the module. */
  readonly module: string;
  /** Where it runs. */
  readonly executor: FunctionExecutor;
  /** What it may do besides using its links. */
  readonly permissions: Permissions;
}

/**
 * Runs one attempt.
 *
 * @param attempt Which.
 * @param context What the run gets from the scheduler.
 * @param links The links of the task.
 * @param plan What is run where.
 * @returns How it has ended.
 */
export async function runModule(
  attempt: Attempt,
  context: RunContext,
  links: Links,
  { task, module, executor, permissions }: ModulePlan,
): Promise<Ending> {
  let running: Promise<FunctionEnd> | undefined;
  const body = async (bound: FunctionContext): Promise<void> => {
    const { signal: _, log: __, ...rest } = bound as FunctionContext & Record<string, unknown>;
    running = executor.run(attempt, { module, permissions, context: prepared(rest) }, context);
    const { error } = await running;
    if (error) throw explained(error.reason, task);
  };
  const ending = await runBody(attempt, context, links, body);
  // Whatever the body was told, nothing of it is left when this returns; and a run that could not be started has not failed.
  const resources = (await running)?.resources;
  return resources ? { ...ending, resources } : ending;
}

/** The bound links, with those functions marked that do not give a promise. */
function prepared(context: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  for (const value of Object.values(context)) mark(value);
  return context;
}

/** Marks what a bound link, and those that go with it, give at once. */
function mark(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const { create, keys, exists, has } = value as Partial<Record<string, (...args: never[]) => never>>;
  if (exists && create) givesAtOnce(create, "writable");
  if (has && keys) givesAtOnce(keys, "iterable");
  if (exists) { for (const other of Object.values(value)) mark(other); }
}

/** An error of a body, with what to declare when it was refused something. */
function explained(reason: unknown, task: string): unknown {
  if (!(reason instanceof Error)) return reason;
  const { name, message, stack } = reason;
  const said = withAllowance(message, task);
  if (said === message) return reason;
  const error = new DatataskError("denied", said, { operation: "run", subject: task, cause: reason });
  error.name = name;
  Object.defineProperty(error, "stack", { value: stack?.replace(message, said) });
  return error;
}

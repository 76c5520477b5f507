/**
 * Function tasks whose body runs elsewhere.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import type { FunctionExecutor } from "../executors/function_work.ts";
import { permissionFaults, type Permissions } from "../executors/permissions.ts";
import type { FunctionRunner } from "./function.ts";
import type { Links } from "./link.ts";
import { inThisProcess, type ModuleBody } from "./module_body.ts";
import type { TaskOptions } from "./task.ts";

/** What a function task can be told whose body is named by its module. */
export interface ModuleTaskOptions<L extends Links> extends TaskOptions<L> {
  /** Where its jobs run: `workerPool()`. Default: in this process. */
  readonly executor?: FunctionExecutor;
  /** What its body may do besides using its links. Default: nothing. */
  readonly permissions?: Permissions;
}

/**
 * What runs the attempts of such a task.
 *
 * @param name The name of the task.
 * @param options What it was told.
 * @param body Its body.
 * @param links Gives the links of the task.
 * @returns The runner; nothing when the body runs in this process.
 * @throws {DefinitionError} When it has permissions that nobody enforces, or that Deno cannot be told.
 */
export function moduleRunner<L extends Links>(
  name: string,
  options: ModuleTaskOptions<L>,
  body: ModuleBody<never>,
  links: () => Links,
): FunctionRunner | undefined {
  const { executor, permissions = {} } = options;
  if (!executor) {
    if (options.permissions === undefined) return undefined;
    throw new DefinitionError(
      `Task ${name} has permissions, but its body runs in this process, which has its own; give it an executor: workerPool()`,
    );
  }
  const faults = permissionFaults(permissions).map((fault) => `Task ${name} has ${fault}`);
  if (faults.length > 0) throw new DefinitionError(faults);
  const plan = { task: name, module: body.module, executor, permissions };
  let open = false;
  return {
    pool: { name: executor.name, capacity: executor.capacity, width: executor.width },
    defaultQuota: {},
    body: inThisProcess(body),
    async open() {
      if (!open) await executor.open();
      open = true;
    },
    async close() {
      if (open) await executor.close();
      open = false;
    },
    async run(attempt, context) {
      const { runModule } = await import("./module_runner.ts");
      return await runModule(attempt, context, links(), plan);
    },
  };
}

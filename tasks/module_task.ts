/**
 * Function tasks whose body runs elsewhere.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import type { ContainerWork } from "../executors/container_work.ts";
import type { Executor, ProcessWork } from "../executors/executor.ts";
import type { FunctionExecutor } from "../executors/function_work.ts";
import { permissionFaults, type Permissions } from "../executors/permissions.ts";
import { containerPlan, type ContainerTaskOptions } from "./container.ts";
import type { FunctionRunner } from "./function.ts";
import type { Links } from "./link.ts";
import { inThisProcess, type ModuleBody } from "./module_body.ts";
import type { Bundle } from "./module_bundle.ts";
import { asProcess, PROCESSES, type ProcessTaskOptions, scriptPlan } from "./process.ts";
import type { ScriptAgent } from "./module_script.ts";
import { scriptRunner } from "./script_runner.ts";
import type { TaskOptions } from "./task.ts";

/** What a function task can be told whose body is named by its module. */
export interface ModuleTaskOptions<L extends Links>
  extends TaskOptions<L>, Pick<ProcessTaskOptions<L>, "patience" | "cache"> {
  /** Where its jobs run: `workerPool()`, or an executor of processes whose machine has Deno: `localExecutor()`, `sshExecutor(...)`. Default: in this process. */
  readonly executor?: FunctionExecutor | Executor<ProcessWork>;
  /** What its body may do besides using its links. Default: nothing. */
  readonly permissions?: Permissions;
  /** The program of Deno, where an executor of processes runs it. Default: `deno`. */
  readonly deno?: string;
  /** An image is for an executor of containers. */
  readonly image?: never;
}

/** What a function task can be told whose body runs in containers. */
export interface ModuleContainerOptions<L extends Links>
  extends
    Omit<ModuleTaskOptions<L>, "executor" | "image">,
    Pick<ContainerTaskOptions<L>, "mounts" | "user" | "workdir" | "network" | "pull" | "environment"> {
  /** Where its containers run: `dockerExecutor()`. */
  readonly executor: Executor<ContainerWork>;
  /** Which image; it has a shell and Deno. */
  readonly image: string;
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
  options: ModuleTaskOptions<L> | ModuleContainerOptions<L>,
  body: ModuleBody<never>,
  links: () => Links,
): FunctionRunner | undefined {
  const { executor, permissions = {} } = options;
  if (!executor || "run" in executor) {
    const useless = (["patience", "cache", "deno"] as const).filter((option) =>
      options[option] !== undefined
    );
    if (useless.length > 0) {
      throw new DefinitionError(
        useless.map((option) =>
          `Task ${name} has the option ${option}, which is for bodies that run as processes or in containers, and it runs ${
            executor ? `in the pool ${executor.name}` : "in this process"
          }; leave it out, or give it another executor: localExecutor()`
        ),
      );
    }
  }
  if (!executor) {
    if (options.permissions === undefined) return undefined;
    throw new DefinitionError(
      `Task ${name} has permissions, but its body runs in this process, which has its own; give it an executor: workerPool()`,
    );
  }
  const faults = permissionFaults(permissions).map((fault) => `Task ${name} has ${fault}`);
  if (faults.length > 0) throw new DefinitionError(faults);
  if (!("run" in executor)) return scriptOf(name, options as ModuleContainerOptions<L>, body);
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

/** What runs such a body as a script that brings it along. */
function scriptOf<L extends Links>(
  name: string,
  options: ModuleContainerOptions<L>,
  body: ModuleBody<never>,
): FunctionRunner {
  const { executor, permissions = {}, deno = "deno", image } = options;
  const plain = options as unknown as ContainerTaskOptions<Links>;
  // Made by `carry`.
  const script = "";
  const plan = image === undefined
    ? scriptPlan(name, { ...plain, script }, executor, PROCESSES)
    : containerPlan(name, { ...plain, script });
  const carry = async () => {
    const [{ carriedScript }, { carriedBundle }, { documents }] = await Promise.all([
      import("./module_script.ts"),
      import("./module_bundle.ts"),
      import("./carried/documents.ts"),
    ]);
    let reading: Promise<Bundle> | undefined;
    const modules = (): Promise<Bundle> => {
      reading ??= carriedBundle(body.module);
      // The next job looks again.
      reading.catch(() => reading = undefined);
      return reading;
    };
    const carried = { modules, links: plan.links, permissions, deno };
    return {
      ...plan,
      documents,
      modules,
      script: (seen: unknown, agent: ScriptAgent | undefined) => carriedScript(carried, seen as never, agent),
    };
  };
  const processes = executor as unknown as Executor<ProcessWork>;
  const runner = image === undefined
    ? scriptRunner(processes, async () => ({
      ...await carry(),
      executor: processes,
      inside: asProcess,
      together: false,
    }))
    : scriptRunner(executor, async () => {
      const { insideContainer } = await import("./container_inside.ts");
      return { ...await carry(), executor, inside: insideContainer(plain), together: true };
    });
  return Object.assign(runner, { body: inThisProcess(body) });
}

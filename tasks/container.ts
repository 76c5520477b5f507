/**
 * Tasks whose body is a script that runs in a container.
 *
 * @module
 */
import { definedBy, DefinitionError } from "../core/errors.ts";
import type { ContainerMount, ContainerWork, PullPolicy } from "../executors/container_work.ts";
import type { Executor } from "../executors/executor.ts";
import type { Links } from "./link.ts";
import { type ProcessContext, type ProcessTaskOptions, scriptPlan } from "./process.ts";
import type { ProcessLinks } from "./process_links.ts";
import { scriptRunner } from "./script_runner.ts";
import { defineTask, type Task } from "./task.ts";

/** What a container task can be told besides what a process task can. */
export interface ContainerTaskOptions<L extends Links> extends Omit<ProcessTaskOptions<L>, "executor"> {
  /** Where its containers run: `dockerExecutor()`. */
  readonly executor: Executor<ContainerWork>;
  /** Which image: `alpine:3`. A function chooses one for a job. */
  readonly image: string | ((context: ProcessContext & ProcessLinks<L>) => string | Promise<string>);
  /** Who runs the script: a program of the image and its arguments; the path of the script is put after them. Default: as the script's first line says, or `/bin/sh`. */
  readonly entrypoint?: readonly string[];
  /** What containers see besides the links and the image. Default: nothing. */
  readonly mounts?: readonly ContainerMount[];
  /** Who containers run as: `1000:1000`. Default: as the image says. */
  readonly user?: string;
  /** Where the script begins: an absolute path in the container. Default: an empty folder of its own. */
  readonly workdir?: string;
  /** Which network containers are on: `none`, `host`, or the name of one. Default: as the engine says. */
  readonly network?: string;
  /** Whether containers may do all that the engine's machine allows. Default: `false`. */
  readonly privileged?: boolean;
  /** When the image is pulled. Default: when it is missing. */
  readonly pull?: PullPolicy;
}

function check(name: string, options: ContainerTaskOptions<Links>): void {
  const faults: string[] = [];
  if (options.image === "") faults.push(`Task ${name} has an empty image; name one, such as "alpine:3"`);
  const absolute = (what: string, path: string | undefined): void => {
    if (path !== undefined && !path.startsWith("/")) {
      faults.push(
        `Task ${name} has ${what} ${JSON.stringify(path)}; write an absolute path in the container`,
      );
    }
  };
  absolute("workdir", options.workdir);
  for (const { source, target } of options.mounts ?? []) {
    absolute("a mount at", target);
    if (/^\/datatask(\/|$)/.test(target)) {
      faults.push(
        `Task ${name} has a mount at ${target}, where its own links and script lie; use another path`,
      );
    }
    if (!source.startsWith("/") && source.includes("/")) {
      faults.push(
        `Task ${name} has a mount of ${
          JSON.stringify(source)
        }; write an absolute path, or the name of a volume`,
      );
    }
  }
  if (options.entrypoint?.length === 0) {
    faults.push(`Task ${name} has an empty entrypoint; name a program of the image, or leave it out`);
  }
  if (faults.length > 0) throw new DefinitionError(faults);
}

/**
 * A task whose body is a script that runs in a container.
 *
 * It is told what a process task is told, and an image; a process task becomes a container task when its executor is changed and an image is named.
 * A link is a path in the container: inputs lie below `/datatask/in` and cannot be written, outputs must be put below `/datatask/out`.
 * The script finds the same variables in its environment as that of a process task. The container outlives the coordinator, and the next one takes it over.
 *
 * @param name Its name, unique in a pipeline.
 * @param options The image, the script, where it runs, where outcomes go, what it reads and writes, and what every task can be told.
 * @returns The task.
 * @throws {DefinitionError} With all that is wrong.
 * @example Counting words in a container
 * ```ts
 * import { containerTask, FileRepository, input, MemoryMetadataRepository, output, sh } from "@datatask/datatask";
 * import { dockerExecutor } from "@datatask/datatask/docker";
 * import assert from "node:assert/strict";
 *
 * const books = new FileRepository("./books", { extension: ".txt" });
 * const counts = new FileRepository("./counts", { extension: ".txt" });
 * const count = containerTask("count", {
 *   done: new MemoryMetadataRepository("done"),
 *   links: { books: input(books), counts: output(counts) },
 *   executor: dockerExecutor({ socket: "/var/run/docker.sock" }),
 *   image: "alpine:3",
 *   script: ({ books, counts }) => sh`wc -w < ${books} > ${counts}`,
 * });
 * assert.equal(count.kind, "container");
 * ```
 */
export function containerTask<const L extends Links = Record<never, never>>(
  name: string,
  options: ContainerTaskOptions<L>,
): Task<L> {
  return definedBy(containerTask, () => {
    const plain = options as unknown as ContainerTaskOptions<Links>;
    const plan = containerPlan(name, plain);
    const { executor } = options;
    const runner = scriptRunner(executor, async () => {
      const { insideContainer } = await import("./container_inside.ts");
      return { ...plan, executor, inside: insideContainer(plain), together: true };
    });
    return defineTask<L>(name, "container", { ...options, links: plan.links as L }, runner);
  });
}

/**
 * The plan of a script in containers.
 *
 * @param name The name of the task.
 * @param options What it was told.
 * @returns The plan, without the executor and what changes on the way to it.
 * @throws {DefinitionError} With all that is wrong.
 */
export function containerPlan(
  name: string,
  options: ContainerTaskOptions<Links>,
): ReturnType<typeof scriptPlan> {
  check(name, options);
  const wanted = { kind: "container", work: "containers", such: "dockerExecutor()" };
  return scriptPlan(name, options, options.executor, wanted);
}

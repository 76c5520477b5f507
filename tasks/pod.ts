/**
 * Tasks whose body is a script that runs in one container of a pod, which a manifest describes.
 *
 * @module
 */
import { definedBy, DefinitionError } from "../core/errors.ts";
import type { Executor } from "../executors/executor.ts";
import type { PodManifest, PodWork } from "../executors/pod_work.ts";
import type { Links } from "./link.ts";
import { manifestFaults } from "./pod_manifest.ts";
import { type ProcessContext, type ProcessTaskOptions, scriptPlan } from "./process.ts";
import type { ProcessLinks } from "./process_links.ts";
import { scriptRunner } from "./script_runner.ts";
import { defineTask, type Task } from "./task.ts";

/** A manifest: an object, or YAML. */
export type PodManifestInit = PodManifest | string;

/** What a pod task can be told besides what a process task can. */
export interface PodTaskOptions<L extends Links> extends Omit<ProcessTaskOptions<L>, "executor"> {
  /** Where its pods run: `kubernetesExecutor()`. */
  readonly executor: Executor<PodWork>;
  /** The pod, as Kubernetes has it. A function makes one for a job; a text is YAML and is read with the first job. */
  readonly manifest:
    | PodManifestInit
    | ((context: ProcessContext & ProcessLinks<L>) => PodManifestInit | Promise<PodManifestInit>);
  /** Which of its containers runs the script, in place of what its image would start. The run ends with it. Default: the first. */
  readonly container?: string;
  /**
   * Whether it runs on every node that the manifest fits, also on those that come later, and again when it ends: until its time is over, which
   * is a success, or it is stopped. Such a task is `longRunning`, has no outputs, and its quota is that of one node. Default: `false`.
   */
  readonly everywhere?: boolean;
  /** Who runs the script: a program of the image and its arguments; the path of the script is put after them. Default: as the script's first line says, or `/bin/sh`. */
  readonly entrypoint?: readonly string[];
}

function everywhereFaults(name: string, options: PodTaskOptions<Links>): string[] {
  const fault = (what: string): string => `Task ${name} runs on every node, ${what}`;
  const faults = Object.entries(options.links ?? {}).filter(([, { direction }]) => direction === "out")
    .map(([link]) =>
      fault(`where none can write the one value of its output ${link}; let it write to a store`)
    );
  for (const stream of ["stdin", "stdout", "stderr"] as const) {
    if (options[stream] !== undefined && options[stream] !== "stdout") {
      faults.push(fault(`which have one log together, and no ${stream}; leave it out`));
    }
  }
  for (const [resource, amount] of Object.entries(options.quota ?? {})) {
    if (amount === "max" || String(amount).endsWith("%")) {
      faults.push(
        fault(`and no node is known before; write an amount of ${resource} in place of "${amount}"`),
      );
    }
  }
  if (options.longRunning === false) faults.push(fault("and so is long-running; leave longRunning out"));
  if ((options.replicas ?? 1) > 1) faults.push(fault("and has no replicas besides; leave replicas out"));
  return faults;
}

function check(name: string, options: PodTaskOptions<Links>): void {
  const { manifest, container, entrypoint } = options;
  const faults = typeof manifest === "object" ? manifestFaults(name, manifest, container) : [];
  if (entrypoint?.length === 0) {
    faults.push(`Task ${name} has an empty entrypoint; name a program of the image, or leave it out`);
  }
  if (options.everywhere) faults.push(...everywhereFaults(name, options));
  if (faults.length > 0) throw new DefinitionError(faults);
}

/**
 * A task whose body is a script that runs in one container of a pod, which a manifest describes: with containers beside it, containers before it,
 * volumes, and all else that Kubernetes has.
 *
 * It is told what a process task is told, and a manifest. What identity, links and script need is added to the pod; its name and its
 * `restartPolicy` are not those of the manifest. The container that runs the script may have `resources` of its own; otherwise it has those of the quota.
 * Inputs lie below `/datatask/in`, outputs must be put below `/datatask/out`: links travel through the agent of the pipeline.
 *
 * @param name Its name, unique in a pipeline.
 * @param options The manifest, the script, where it runs, where outcomes go, what it reads and writes, and what every task can be told.
 * @returns The task.
 * @throws {DefinitionError} With all that is wrong. What is wrong with a manifest that a function or a text gives fails the job.
 * @example A script with a database beside it
 * ```ts
 * import { input, MemoryBlobRepository, MemoryMetadataRepository, podTask, sh } from "@datatask/datatask";
 * import { kubernetesExecutor } from "@datatask/datatask/kubernetes";
 * import assert from "node:assert/strict";
 *
 * const load = podTask("load", {
 *   done: new MemoryMetadataRepository("done"),
 *   links: { tables: input(new MemoryBlobRepository("tables")) },
 *   executor: kubernetesExecutor(),
 *   manifest: {
 *     spec: { containers: [{ name: "load", image: "postgres:17" }, { name: "database", image: "postgres:17" }] },
 *   },
 *   container: "load",
 *   script: ({ tables }) => sh`psql -h localhost -f ${tables}`,
 * });
 * assert.equal(load.kind, "pod");
 * ```
 */
export function podTask<const L extends Links = Record<never, never>>(
  name: string,
  options: PodTaskOptions<L>,
): Task<L> {
  return definedBy(podTask, () => {
    const plain = options as unknown as PodTaskOptions<Links>;
    check(name, plain);
    const wanted = { kind: "pod", work: "pods", such: "kubernetesExecutor()" };
    const plan = scriptPlan(name, plain, options.executor, wanted);
    const { executor } = options;
    const runner = scriptRunner(executor, async () => {
      const { insidePod } = await import("./pod_inside.ts");
      return { ...plan, executor, inside: insidePod(name, plain), together: true };
    });
    const whole = { ...options, ...(options.everywhere && { longRunning: true }), links: plan.links as L };
    return defineTask<L>(name, "pod", whole, runner);
  });
}

/**
 * What is started when a script runs in a pod.
 *
 * @module
 */
import { encodeText } from "../core/bytes.ts";
import { DefinitionError } from "../core/errors.ts";
import type { PodManifest, PodWork } from "../executors/pod_work.ts";
import { yaml } from "../repositories/yaml.ts";
import type { Links } from "./link.ts";
import type { PodTaskOptions } from "./pod.ts";
import { manifestFaults } from "./pod_manifest.ts";
import type { Inside } from "./process_runner.ts";

/** Reads and checks a manifest. */
async function read(task: string, given: unknown, container: string | undefined): Promise<PodManifest> {
  let manifest = given;
  try {
    if (typeof given === "string") manifest = await yaml.decode(encodeText(given));
  } catch (error) {
    throw new DefinitionError(`Task ${task} has a manifest that is no YAML: ${(error as Error).message}`);
  }
  const faults = manifestFaults(task, manifest, container);
  if (faults.length > 0) throw new DefinitionError(faults);
  return manifest as PodManifest;
}

/**
 * How a process task changes when it runs in a pod.
 *
 * @param task The name of the task, for errors.
 * @param options What it was told.
 * @returns What is started. Values do not lie on this machine, so that there is nothing to be seen elsewhere.
 */
export function insidePod(task: string, options: PodTaskOptions<Links>): Inside<PodWork> {
  const { entrypoint, container } = options;
  const make = options.manifest as unknown;
  return {
    interpreter: entrypoint,
    seen: (placed) => placed,
    work: async ({ process: { script, environment, mergeStderr, notes, stdin }, wrapped, context }) => ({
      kind: "pod",
      manifest: await read(task, typeof make === "function" ? await make(context) : make, container),
      container,
      everywhere: options.everywhere,
      script,
      entrypoint: wrapped ? undefined : entrypoint,
      environment,
      stdin,
      mergeStderr,
      notes,
    }),
  };
}

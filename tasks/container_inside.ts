/**
 * How the values of a job look from inside a container, and what is mounted so that they do.
 *
 * @module
 */
import type { ContainerMount, ContainerWork } from "../executors/container_work.ts";
import { isThere } from "../core/files.ts";
import { isKey } from "../core/key.ts";
import type { ContainerTaskOptions } from "./container.ts";
import type { Links } from "./link.ts";
import type { Placed } from "./process_links.ts";
import type { Inside } from "./process_runner.ts";

const IN = "/datatask/in";
const OUT = "/datatask/out";

/** Where a container sees a value. */
function target({ name, direction, path }: Placed, index: number): string {
  // Outputs have one folder for all: what they are called there, they are called in the container.
  if (direction === "out") return `${OUT}/${path.slice(path.lastIndexOf("/") + 1)}`;
  return `${IN}/${isKey(name) ? name : `link-${index}`}`;
}

/** What must be mounted: each input by itself, and the folder of all outputs, in which a script may rename what it makes. */
function mountsOf(placed: readonly Placed[]): ContainerMount[] {
  const mounts: ContainerMount[] = [];
  for (const [i, slot] of placed.entries()) {
    // An input that need not be there: the script sees that its path leads nowhere.
    if (slot.direction === "in") {
      if (isThere(slot.path)) mounts.push({ source: slot.path, target: target(slot, i), readOnly: true });
    } else if (!mounts.some((mount) => mount.target === OUT)) {
      mounts.push({ source: slot.path.slice(0, slot.path.lastIndexOf("/")), target: OUT });
    }
  }
  return mounts;
}

/**
 * How a process task changes when it runs in a container.
 *
 * @param options What the task was told.
 * @returns Where the script sees its values, and what is started.
 */
export function insideContainer(options: ContainerTaskOptions<Links>): Inside<ContainerWork> {
  const { entrypoint, user, workdir, network, privileged, pull } = options;
  const image = options.image as string | ((context: unknown) => string | Promise<string>);
  return {
    network,
    interpreter: entrypoint,
    seen: (placed) => placed.map((slot, i) => ({ ...slot, path: target(slot, i) })),
    work: async (
      { process: { script, environment, mergeStderr, notes, stdin }, wrapped, placed, context },
    ) => ({
      kind: "container",
      image: typeof image === "string" ? image : await image(context),
      script,
      entrypoint: wrapped ? undefined : entrypoint,
      environment,
      mounts: [...mountsOf(placed), ...options.mounts ?? []],
      user,
      workdir,
      network,
      privileged,
      pull,
      stdin,
      mergeStderr,
      notes,
    }),
  };
}

/**
 * What is wrong with the manifest of a pod, before a cluster is asked.
 *
 * @module
 */

type Tree = Readonly<Record<string, unknown>>;

const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Names that what is added to a pod has. */
const OWN_CONTAINER = "datatask-stderr";
const OWN_VOLUMES = ["datatask", "datatask-run"];

/**
 * Finds what is wrong with a manifest. What only the cluster knows is left to it.
 *
 * @param task The name of the task, for errors.
 * @param manifest The manifest.
 * @param container The container that runs the script. Default: the first.
 * @returns A sentence for each fault.
 */
export function manifestFaults(task: string, manifest: unknown, container: string | undefined): string[] {
  const fault = (what: string): string => `Task ${task} has a manifest ${what}`;
  if (!isTree(manifest)) {
    return [
      fault(
        `that is ${manifest === null ? "empty" : `no mapping`}; write a Pod: { spec: { containers: [...] } }`,
      ),
    ];
  }
  const { kind = "Pod", apiVersion = "v1", spec } = manifest;
  if (kind !== "Pod" || apiVersion !== "v1") {
    return [
      fault(
        `of a ${kind} (${apiVersion}), and not of a Pod (v1); give it the template of its pods, with metadata and spec`,
      ),
    ];
  }
  const containers = isTree(spec) ? spec.containers : undefined;
  if (!Array.isArray(containers) || containers.length === 0) {
    return [
      fault(
        "without containers; write at least one, with a name and an image: { spec: { containers: [...] } }",
      ),
    ];
  }
  const names = containers.map((each) => isTree(each) ? each.name : undefined);
  if (names.some((name) => typeof name !== "string" || name === "")) {
    return [fault("with a container that has no name; give each one, and an image")];
  }
  const faults: string[] = [];
  const at = container === undefined ? 0 : names.indexOf(container);
  if (at === -1) faults.push(fault(`that has no container ${container}; it has ${names.join(", ")}`));
  if (names.includes(OWN_CONTAINER)) {
    faults.push(
      fault(
        `with a container ${OWN_CONTAINER}, which is the name of one that may be added; use another name`,
      ),
    );
  }
  const { volumes } = spec as Tree;
  for (const { name } of (Array.isArray(volumes) ? volumes : []).filter(isTree)) {
    if (!OWN_VOLUMES.includes(String(name))) continue;
    faults.push(fault(`with a volume ${name}, which is the name of one that is added; use another name`));
  }
  const mounts = (containers[at] as Tree | undefined)?.volumeMounts;
  for (const { mountPath } of (Array.isArray(mounts) ? mounts : []).filter(isTree)) {
    if (!/^\/datatask(\/|$)/.test(String(mountPath))) continue;
    faults.push(fault(`with a mount at ${mountPath}, where its own links and script lie; use another path`));
  }
  return faults;
}

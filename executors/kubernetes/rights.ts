/**
 * What this executor must be allowed to do, and asking whether it is.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";

/** Something that is done to things of one kind. */
export interface Right {
  readonly verb: string;
  readonly group?: string;
  readonly resource: string;
  readonly subresource?: string;
}

const HAVE = ["get", "list", "watch", "patch", "delete"];

/** What is needed in the namespace of the pods, whoever makes them. */
const PODS: readonly Right[] = [
  ...HAVE.map((verb) => ({ verb, resource: "pods" })),
  { verb: "get", resource: "pods", subresource: "log" },
  // Signals reach a script through a command in its container. Which of the two is asked for depends on the version of the apiserver.
  { verb: "get", resource: "pods", subresource: "exec" },
  { verb: "create", resource: "pods", subresource: "exec" },
  { verb: "create", resource: "secrets" },
];

const JOBS: readonly Right[] = ["create", ...HAVE].map((verb) => ({
  verb,
  group: "batch",
  resource: "jobs",
}));

/**
 * Asks which rights are missing.
 *
 * @param api Where.
 * @param rights Which are needed.
 * @param signal When to stop.
 * @returns Each, as `create secrets`.
 */
async function missingRights(
  api: Api,
  rights: readonly Right[],
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const { namespace } = api.access;
  const asked = await Promise.all(
    rights.map(async (right) => {
      const body = {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes: { namespace, group: "", ...right } },
      };
      const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
      const review = await api.call<{ readonly status: { readonly allowed: boolean } }>({
        method: "POST",
        path,
        body,
        signal,
      });
      return review.status.allowed
        ? undefined
        : `${right.verb} ${right.resource}${right.subresource ? `/${right.subresource}` : ""}`;
    }),
  );
  return asked.filter((right) => right !== undefined);
}

/**
 * Whether the namespace of the pods is there, as far as this user may know.
 *
 * @param api Where.
 * @param signal When to stop.
 * @returns Whether it is; yes when it may not be asked.
 */
async function namespaceExists(api: Api, signal?: AbortSignal): Promise<boolean> {
  const path = `/api/v1/namespaces/${encodeURIComponent(api.access.namespace)}`;
  try {
    return await api.find({ path, signal }) !== undefined;
  } catch (error) {
    if (error instanceof ApiFault && error.status === 403) return true;
    throw error;
  }
}

/**
 * Whether this user may make Jobs, and so may have made some.
 *
 * @param api Where.
 * @param signal When to stop.
 * @returns Whether it may do all that is needed for them.
 */
export async function mayHaveJobs(api: Api, signal: AbortSignal | undefined): Promise<boolean> {
  return (await missingRights(api, JOBS, signal)).length === 0;
}

/**
 * Sees that there is a namespace, and that this user may do there what is needed: so that what is missing is said before anything is started.
 *
 * @param api Where.
 * @param jobs Whether runs are Jobs, and not pods.
 * @param action What it is for, for errors.
 * @param signal When to stop.
 * @throws {ExecutorError} When something is missing.
 */
export async function checkRights(
  api: Api,
  jobs: boolean,
  action: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const needed = [...(jobs ? JOBS : [{ verb: "create", resource: "pods" }]), ...PODS];
  const [missing, exists] = await Promise.all([
    missingRights(api, needed, signal),
    namespaceExists(api, signal),
  ]);
  const { source, namespace } = api.access;
  if (!exists) {
    throw new ExecutorError(
      "cannot-start",
      `Cannot ${action}: the cluster has no namespace ${namespace}; make it with "kubectl create namespace ${namespace}", or name another with the option namespace`,
      { operation: "open" },
    );
  }
  if (missing.length === 0) return;
  throw new ExecutorError(
    "denied",
    `Cannot ${action}: the ${source} may not ${
      missing.join(", ")
    } in the namespace ${namespace}; give it a role that allows it, as docs/kubernetes.md shows`,
    { operation: "open" },
  );
}

/**
 * From work to a pod: its manifest, and the Secret that brings its script, its environment and its standard input.
 *
 * @module
 */
import type { Attempt } from "../../core/attempt.ts";
import { concat, encodeText } from "../../core/bytes.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { Quota } from "../../core/quota.ts";
import type { ContainerMount, ContainerWork, PullPolicy } from "../container_work.ts";
import type { PodWork } from "../pod_work.ts";
import { annotationsOf, type Identity, labelsOf, type Owner } from "./identity.ts";
import { MAIN, STDERR } from "./objects.ts";
import type { KubernetesExecutorOptions } from "./options.ts";
import { type Command, HOME, LAST_WORDS, RUN, stderrCommand, WORKDIR } from "./script.ts";

/** What a Secret can hold, in bytes. */
const SECRET = 1 << 20;
/** What annotations can hold, with room for others. */
const NOTES = 200_000;
/** Holds a pod back until its Secret is there. */
export const GATE = "datatask/secret";

/** A part of a document. */
export type Tree = Readonly<Record<string, unknown>>;
type List = readonly Tree[];

/** What a pod is made from. */
export interface PodOrder {
  readonly owner: Owner;
  readonly name: string;
  readonly attempt: Attempt;
  readonly work: ContainerWork | PodWork;
  readonly command: Command;
  readonly quota: Quota;
  readonly options: KubernetesExecutorOptions;
  /** What is being done, for errors. */
  readonly action: string;
  /** Which call makes it. */
  readonly start: string;
}

const PULL: Readonly<Record<PullPolicy, string>> = {
  missing: "IfNotPresent",
  always: "Always",
  never: "Never",
};

function refusal(action: string, why: string): ExecutorError {
  return new ExecutorError("cannot-start", `Cannot ${action}: ${why}`, { operation: "start" });
}

/**
 * The manifest of the pod of a run.
 *
 * @param order What it is made from.
 * @returns The document for the apiserver.
 * @throws {ExecutorError} With code `cannot-start`, when the work asks for what no pod can have.
 */
export async function podOf(order: PodOrder): Promise<Tree> {
  const { owner, name, attempt, work, command, options, action } = order;
  const given = work.kind === "pod" ? work.manifest : { spec: plainSpec(order) };
  const spec = given.spec as Tree & { readonly containers: List };
  const container = (work.kind === "pod" ? work.container : undefined) ??
    String(spec.containers?.[0]?.name ?? MAIN);
  const main = spec.containers?.find((each) => each.name === container);
  if (main === undefined) throw refusal(action, `its manifest has no container ${container}`);
  const identity: Identity = {
    attempt,
    notes: work.notes,
    merged: work.mergeStderr,
    container,
    headed: command.headed,
    everywhere: isEverywhere(work),
    start: order.start,
  };
  if (JSON.stringify(work.notes).length > NOTES) {
    throw refusal(action, `its notes have more than ${NOTES} characters`);
  }
  const containers = spec.containers.map((each) => each === main ? dressed(order, main) : each);
  if (!work.mergeStderr) containers.push(stderrContainer(name, main));
  const { nodeSelector, tolerations = [], serviceAccount, imagePullSecrets } = options;
  const account = spec.serviceAccountName ?? serviceAccount;
  const { metadata } = given as {
    readonly metadata?: { readonly labels?: Tree; readonly annotations?: Tree };
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      labels: {
        ...options.metadata?.labels,
        ...metadata?.labels,
        ...await labelsOf(owner, attempt.task, name),
      },
      annotations: {
        ...options.metadata?.annotations,
        ...metadata?.annotations,
        ...annotationsOf(owner, identity),
      },
    },
    spec: {
      enableServiceLinks: false,
      // Nobody in the cluster, unless somebody was named.
      automountServiceAccountToken: account !== undefined,
      ...(imagePullSecrets && { imagePullSecrets: imagePullSecrets.map((secret) => ({ name: secret })) }),
      ...spec,
      ...(account !== undefined && { serviceAccountName: account }),
      nodeSelector: { ...nodeSelector, ...spec.nodeSelector as Tree | undefined },
      tolerations: [...tolerations, ...spec.tolerations as List ?? []],
      restartPolicy: "Never",
      // The processes of the machine must not be mixed up with those of the run.
      ...(spec.hostPID !== true && { shareProcessNamespace: true }),
      schedulingGates: [...spec.schedulingGates as List ?? [], { name: GATE }],
      containers,
      volumes: [
        ...spec.volumes as List ?? [],
        { name: "datatask", emptyDir: {} },
        // A part of the other (subPath) would cost the node more than a volume does.
        { name: "datatask-work", emptyDir: {} },
        {
          name: "datatask-run",
          secret: { secretName: secretName(order), defaultMode: 0o444, items: filesOf(order) },
        },
      ],
    },
  };
}

/** Whether work is to run on every node. */
export function isEverywhere(work: ContainerWork | PodWork): boolean {
  return work.kind === "pod" && work.everywhere === true;
}

/** Which parts of the Secret are files. */
function filesOf({ work }: PodOrder): List {
  return ["script", ...(work.stdin ? ["stdin"] : [])].map((key) => ({ key, path: key }));
}

/** The pod of a container task. */
function plainSpec(order: PodOrder): Tree {
  const work = order.work as ContainerWork;
  const { volumes, mounts } = volumesOf(work.mounts ?? [], order.options.volumes ?? {});
  return {
    ...(hostNetwork(order) && { hostNetwork: true }),
    volumes,
    containers: [{
      name: MAIN,
      image: work.image,
      imagePullPolicy: PULL[work.pull ?? "missing"],
      volumeMounts: mounts,
      ...(work.workdir !== undefined && { workingDir: work.workdir }),
      ...((work.privileged || work.user !== undefined) && { securityContext: securityOf(order) }),
    }],
  };
}

function hostNetwork({ work, action }: PodOrder): boolean {
  const { network } = work as ContainerWork;
  if (network === undefined || network === "host") return network === "host";
  throw refusal(
    action,
    `a pod cannot be put on the network ${network}; leave it out or write "host", and restrict pods with a NetworkPolicy`,
  );
}

function securityOf({ work, action }: PodOrder): Tree {
  const { privileged, user } = work as ContainerWork;
  const numbers = user === undefined ? [] : /^(\d+)(?::(\d+))?$/.exec(user)?.slice(1);
  if (numbers === undefined) {
    throw refusal(
      action,
      `Kubernetes knows users by their numbers only, not ${user}; write "1000" or "1000:1000"`,
    );
  }
  return {
    ...(privileged && { privileged: true }),
    ...(numbers[0] !== undefined && { runAsUser: Number(numbers[0]) }),
    ...(numbers[1] !== undefined && { runAsGroup: Number(numbers[1]) }),
  };
}

/** A path is one of the node; a name is a volume. What is mounted twice is one volume. */
function volumesOf(
  mounts: readonly ContainerMount[],
  known: Readonly<Record<string, Tree>>,
): { readonly volumes: List; readonly mounts: List } {
  const sources = [...new Set(mounts.map(({ source }) => source))];
  return {
    volumes: sources.map((source, i) => ({
      name: `mount-${i}`,
      ...source.startsWith("/")
        ? { hostPath: { path: source } }
        : known[source] ?? { persistentVolumeClaim: { claimName: source } },
    })),
    mounts: mounts.map(({ source, target, readOnly }) => ({
      name: `mount-${sources.indexOf(source)}`,
      mountPath: target,
      ...(readOnly && { readOnly: true }),
    })),
  };
}

/** The container that runs the script, with all that this needs. */
function dressed(order: PodOrder, main: Tree): Tree {
  const { work, command } = order;
  const variables = Object.keys(work.environment).map((variable, i) => ({
    name: variable,
    valueFrom: { secretKeyRef: { name: secretName(order), key: `env.${i}` } },
  }));
  return {
    workingDir: WORKDIR,
    ...main,
    command: command.argv,
    args: [],
    env: [...main.env as List ?? [], ...variables],
    resources: main.resources ?? resourcesOf(order),
    terminationMessagePath: LAST_WORDS,
    terminationMessagePolicy: "File",
    volumeMounts: [
      ...main.volumeMounts as List ?? [],
      { name: "datatask", mountPath: HOME },
      { name: "datatask-work", mountPath: WORKDIR },
      { name: "datatask-run", mountPath: RUN, readOnly: true },
    ],
  };
}

function resourcesOf({ quota, options }: PodOrder): Tree {
  const amounts: Record<string, number> = {};
  for (const [name, amount] of Object.entries(quota)) {
    const known = name === "cpu" || name === "memory" ? name : options.resources?.[name];
    if (known !== undefined && amount > 0) amounts[known] = known === "memory" ? Math.floor(amount) : amount;
  }
  return { requests: amounts, limits: amounts };
}

function stderrContainer(name: string, main: Tree): Tree {
  return {
    name: STDERR,
    image: main.image,
    ...(main.imagePullPolicy !== undefined && { imagePullPolicy: main.imagePullPolicy }),
    ...(main.securityContext !== undefined && { securityContext: main.securityContext }),
    command: stderrCommand(name),
    resources: { requests: { cpu: "1m", memory: "4Mi" }, limits: { memory: "64Mi" } },
    volumeMounts: [{ name: "datatask", mountPath: HOME }],
  };
}

/** The name of the Secret of a run. That of an attempt that was forgotten may still be there when the same attempt is started anew. */
export function secretName({ name, start }: Pick<PodOrder, "name" | "start">): string {
  return `${name}-${start.slice(0, 8)}`;
}

/**
 * The Secret of a run.
 *
 * @param order What it is made from.
 * @param data What it holds.
 * @param owned To what it belongs: the pod or the Job of the run.
 * @returns The document for the apiserver.
 */
export function secretOf(
  order: PodOrder,
  data: Tree,
  { apiVersion, kind, uid }: { readonly apiVersion: string; readonly kind: string; readonly uid: string },
): Tree {
  const ownerReferences = [{ apiVersion, kind, name: order.name, uid }];
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: secretName(order), ownerReferences },
    immutable: true,
    data,
  };
}

/**
 * What goes into the Secret of a run.
 *
 * @param order What it is made from.
 * @returns The data, in base64.
 * @throws {ExecutorError} With code `cannot-start`, when it is more than a Secret can hold.
 */
export async function secretData(order: PodOrder): Promise<Tree> {
  const { work, command, action } = order;
  const parts: Record<string, Uint8Array> = { script: encodeText(command.text) };
  for (const [i, value] of Object.values(work.environment).entries()) parts[`env.${i}`] = encodeText(value);
  let size = Object.values(parts).reduce((sum, part) => sum + part.length, 0);
  const check = (): void => {
    if (size <= SECRET) return;
    throw refusal(
      action,
      `its script, environment and standard input have more than ${SECRET} bytes together, which is all that a Secret of Kubernetes holds; bring what is large through a link`,
    );
  };
  check();
  if (work.stdin) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of work.stdin) {
      size += chunk.length;
      check();
      chunks.push(chunk);
    }
    parts.stdin = concat(chunks);
  }
  return Object.fromEntries(Object.entries(parts).map(([key, bytes]) => [key, bytes.toBase64()]));
}

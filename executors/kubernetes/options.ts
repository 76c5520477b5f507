/**
 * What an executor of pods is told.
 *
 * @module
 */
import { DefinitionError } from "../../core/errors.ts";
import type { QuotaInit } from "../../core/quota.ts";
import type { ClusterOptions } from "./kubeconfig.ts";

/** What a volume is, as the manifest of a pod has it: `{ persistentVolumeClaim: { claimName: "data" } }`, `{ emptyDir: {} }`, `{ secret: … }`. */
export type VolumeSource = Readonly<Record<string, unknown>>;

/** What makes a node's taint no hindrance. */
export interface Toleration {
  /** The key of the taint. Default: every key. */
  readonly key?: string;
  /** Default: `Equal`. */
  readonly operator?: "Exists" | "Equal";
  /** The value of the taint. */
  readonly value?: string;
  /** Default: every effect. */
  readonly effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  /** How long a pod stays on a node that gets the taint, in seconds. Default: for ever. */
  readonly tolerationSeconds?: number;
}

/** Words that are put on things of a cluster. */
export interface Metadata {
  /** Labels: `{ "kueue.x-k8s.io/queue-name": "team-a" }`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Options of `kubernetesExecutor`. */
export interface KubernetesExecutorOptions extends ClusterOptions {
  /** What people call it. Default: `kubernetes`. */
  readonly name?: string;
  /** What all its runs together may use. Default: no limit; pods wait until a node has room. */
  readonly capacity?: QuotaInit;
  /** The word before names, labels and annotations: up to 16 of `a-z 0-9 -`. Default: `datatask`. */
  readonly label?: string;
  /** What each run is in the cluster: a pod, or a Job with one pod, for clusters whose queues and rules want Jobs. Default: `pod`. */
  readonly as?: "pod" | "job";
  /** What every pod gets, and every Job; the manifest of a task goes before it. Default: nothing. */
  readonly metadata?: Metadata;
  /** Labels that a node must have. Default: any node. */
  readonly nodeSelector?: Readonly<Record<string, string>>;
  /** Taints that are no hindrance. Default: none. */
  readonly tolerations?: readonly Toleration[];
  /** Who pods are in the cluster. Default: nobody: pods get no token. */
  readonly serviceAccount?: string;
  /** Secrets that hold the logins to registries. Default: those of the service account. */
  readonly imagePullSecrets?: readonly string[];
  /** What the names in `mounts` mean. A name that is not here is that of a PersistentVolumeClaim. */
  readonly volumes?: Readonly<Record<string, VolumeSource>>;
  /** What amounts of a quota besides `cpu` and `memory` are called in the cluster: `{ gpu: "nvidia.com/gpu" }`. Others are counted, and not asked for. */
  readonly resources?: Readonly<Record<string, string>>;
  /** How many pods are made in a second at the most. Default: 20. */
  readonly podsPerSecond?: number;
  /** Whether nodes come when they are needed. If not, a quota that is too large for every node is refused. Default: `false`. */
  readonly autoscaled?: boolean;
  /** How long calls wait for an apiserver that has gone away, and pods for a registry that does not answer, in milliseconds. Default: two minutes. */
  readonly patienceMs?: number;
  /** Where pods find this machine: a host or an address, or a URL. Default: as the agent's own `url` says, or where it listens. */
  readonly agentAddress?: string;
}

/**
 * Sees that options make sense.
 *
 * @param name The name of the executor.
 * @param options What it was told.
 * @throws {DefinitionError} With all that is wrong.
 */
export function checkOptions(
  name: string,
  { as = "pod", label, podsPerSecond, patienceMs }: KubernetesExecutorOptions,
): void {
  const faults: string[] = [];
  if (label !== undefined && !/^[a-z](?:[a-z0-9-]{0,14}[a-z0-9])?$/.test(label)) {
    faults.push(
      `Executor ${name} has the label ${
        JSON.stringify(label)
      }; use up to 16 of a-z 0-9 -, a letter first and no - at the end`,
    );
  }
  if (as !== "pod" && as !== "job") {
    faults.push(`Executor ${name} has as: ${JSON.stringify(as)}; it must be "pod" or "job"`);
  }
  const positive = (what: string, value: number | undefined): void => {
    if (value !== undefined && !(value > 0)) {
      faults.push(`Executor ${name} has ${what} ${value}; it must be above zero`);
    }
  };
  positive("podsPerSecond", podsPerSecond);
  positive("patienceMs", patienceMs);
  if (faults.length > 0) throw new DefinitionError(faults);
}

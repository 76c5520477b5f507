/**
 * The parts of the objects of Kubernetes that are read here, as they are on the wire.
 *
 * @module
 */
import type { Thing } from "./watch.ts";

/** What happened to a container. */
export interface ContainerStatus {
  readonly name: string;
  /** How often it was begun anew. */
  readonly restartCount?: number;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: { readonly startedAt?: string };
    readonly terminated?: {
      readonly exitCode: number;
      readonly signal?: number;
      readonly reason?: string;
      readonly message?: string;
      readonly startedAt?: string | null;
      readonly finishedAt?: string | null;
    };
  };
}

/** Something that is so, or not so, of a pod or a Job. */
export interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/** A container, as far as it is read. */
export interface PodContainer {
  readonly name: string;
  readonly image?: string;
  readonly resources?: { readonly limits?: Readonly<Record<string, string | number>> };
}

/** Something that carries the identity of a run: a pod, or a Job. */
export interface Carrier extends Thing {
  readonly metadata: Thing["metadata"] & {
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly deletionGracePeriodSeconds?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly uid: string }[];
  };
}

/** A Job. */
export interface Job extends Carrier {
  readonly spec: { readonly suspend?: boolean };
  readonly status?: {
    readonly conditions?: readonly PodCondition[];
    readonly completionTime?: string;
  };
}

/** A pod. */
export interface Pod extends Carrier {
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly PodContainer[];
    readonly schedulingGates?: readonly { readonly name: string }[];
  };
  readonly status?: {
    readonly phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly PodCondition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

/**
 * The Job that has made a pod.
 *
 * @param pod Which pod.
 * @returns The identity of the Job; nothing when none has.
 */
export function jobOf(pod: Pod): string | undefined {
  return pod.metadata.ownerReferences?.find(({ kind }) => kind === "Job")?.uid;
}

/** The container that runs the script, where the work names none. */
export const MAIN = "main";
/** The container that keeps standard error apart. */
export const STDERR = "datatask-stderr";

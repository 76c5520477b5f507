/**
 * Runs scripts and manifests in pods of a Kubernetes cluster.
 *
 * @module
 */
export type { ContainerMount, ContainerWork, PullPolicy } from "../container_work.ts";
export type { PodManifest, PodWork } from "../pod_work.ts";
export { kubernetesExecutor } from "./executor.ts";
export type { ClusterOptions } from "./kubeconfig.ts";
export type { KubernetesExecutorOptions, Metadata, Toleration, VolumeSource } from "./options.ts";

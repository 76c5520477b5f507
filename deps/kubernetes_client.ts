/**
 * The reader of kubeconfigs of the client of Kubernetes, with all its ways to prove who one is, from @kubernetes/client-node: the one place that names
 * it.
 *
 * @module
 */
// @ts-types="./kubernetes_client.d.ts"
import { KubeConfig as Config } from "npm:@kubernetes/client-node@^2.0.1";

/** What a request must carry in order to prove who sends it. */
export interface RequestProof {
  headers?: Record<string, string>;
  cert?: unknown;
  key?: unknown;
  ca?: unknown;
}

/** A kubeconfig. */
export interface KubeConfig {
  /** Reads it. JSON is fine. */
  loadFromString(text: string): void;
  /** Adds what proves who one is, asking programs and servers where the kubeconfig says so. */
  applyToHTTPSOptions(proof: RequestProof): Promise<void>;
}

/** Makes an empty kubeconfig. */
export const KubeConfig: new () => KubeConfig = Config;

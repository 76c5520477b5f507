/** The part of @kubernetes/client-node that is used: its own types bring types of Node along, which would take the place of Deno's. */
export class KubeConfig {
  /** Reads a kubeconfig. JSON is fine. */
  loadFromString(text: string): void;
  /** Adds what proves who one is, asking programs and servers where the kubeconfig says so. */
  applyToHTTPSOptions(
    proof: { headers?: Record<string, string>; cert?: unknown; key?: unknown; ca?: unknown },
  ): Promise<void>;
}

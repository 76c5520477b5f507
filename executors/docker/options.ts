/**
 * What an executor of containers is told, and what it takes for granted.
 *
 * @module
 */
import type { Quota, QuotaInit } from "../../core/quota.ts";
import type { EndpointOptions } from "./endpoint.ts";
import type { Inspected } from "./status.ts";

/** Options of `dockerExecutor`. */
export interface DockerExecutorOptions extends EndpointOptions {
  /** What people call it. Default: `docker`. */
  readonly name?: string;
  /** What all its runs together may use. Default: the cores and the memory of this machine when the engine is on it, otherwise no limit. */
  readonly capacity?: QuotaInit;
  /** The `config.json` that holds the logins to registries. Default: that of the `docker` command, and the helpers that it names. */
  readonly registryAuth?: string;
  /** The word before the names and labels of containers. Default: `datatask`. */
  readonly label?: string;
  /** Whether the engine sees the files of this process under the same paths. Default: when it is reached by a socket of this machine. */
  readonly sharesFiles?: boolean;
  /**
   * Where containers find this machine, for values that travel through the agent: a name or an address (`host.docker.internal`), or all of the
   * address of the agent (`http://10.0.0.5:8700`). Default: the agent's `url`; else what follows from where the agent listens and from the
   * network of the container.
   */
  readonly agentAddress?: string;
}

/** A container, as the engine lists one. */
export interface Listed {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Created: number;
  readonly State: Inspected["State"]["Status"];
  readonly Labels: Readonly<Record<string, string>>;
}

/** What this machine has: the default capacity. */
export function machine(): Quota {
  try {
    return { cpu: navigator.hardwareConcurrency, memory: Deno.systemMemoryInfo().total };
  } catch {
    // Without --allow-sys the memory is not known, and has no limit.
    return { cpu: navigator.hardwareConcurrency };
  }
}

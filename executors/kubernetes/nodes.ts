/**
 * Whether any node could ever have what a run needs.
 *
 * @module
 */
import { parseQuantity, type Quota } from "../../core/quota.ts";
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";

interface Node {
  readonly status?: { readonly allocatable?: Readonly<Record<string, string>> };
}

/** How long what is known of the nodes counts, in milliseconds. */
const FRESH = 60_000;

/** What the nodes of a cluster have to give. */
export class Nodes {
  readonly #api: Api;
  #known: { readonly nodes: Promise<readonly Quota[] | undefined>; readonly until: number } | undefined;

  /** @param api Where they are. */
  constructor(api: Api) {
    this.#api = api;
  }

  /** What each node has; nothing when that may not be asked. */
  #all(): Promise<readonly Quota[] | undefined> {
    if (this.#known === undefined || performance.now() > this.#known.until) {
      this.#known = { nodes: this.#ask(), until: performance.now() + FRESH };
    }
    return this.#known.nodes;
  }

  async #ask(): Promise<readonly Quota[] | undefined> {
    try {
      const { items } = await this.#api.call<{ readonly items: readonly Node[] }>({
        path: "/api/v1/nodes",
        query: { resourceVersion: "0" },
      });
      return items.map(({ status }) => {
        const { cpu = "0", memory = "0" } = status?.allocatable ?? {};
        return { cpu: parseQuantity(cpu), memory: parseQuantity(memory) };
      });
    } catch (error) {
      // Nodes belong to the whole cluster; many may not look at them. Then the scheduler says it, and the run waits.
      if (error instanceof ApiFault) return undefined;
      throw error;
    }
  }

  /**
   * Says what no node has.
   *
   * @param quota What is needed.
   * @returns A sentence; nothing when some node has enough, or the nodes are not known.
   */
  async lack({ cpu = 0, memory = 0 }: Quota): Promise<string | undefined> {
    if (cpu === 0 && memory === 0) return undefined;
    const nodes = await this.#all();
    if (nodes === undefined || nodes.length === 0) return undefined;
    if (nodes.some((node) => node.cpu! >= cpu && node.memory! >= memory)) return undefined;
    const most = (name: "cpu" | "memory"): number => Math.max(...nodes.map((node) => node[name]!));
    const wanted = [cpu > 0 && `${cpu} cores`, memory > 0 && `${memory} bytes of memory`].filter(Boolean)
      .join(" and ");
    return `it may use ${wanted}, and no node has that (at the most ${most("cpu")} cores, ${
      most("memory")
    } bytes); give it a smaller quota, or say autoscaled: true where such nodes come when they are needed`;
  }
}

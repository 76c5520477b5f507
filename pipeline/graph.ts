/**
 * The graph that follows from the repositories tasks share.
 *
 * @module
 */
import type { Repository } from "../repositories/repository.ts";
import type { Link, ManyView } from "../tasks/link.ts";
import type { Task } from "../tasks/task.ts";
import type { GraphNode, PipelineGraph } from "./reports.ts";
import { inFlowOrder, type PipelineState } from "./state.ts";

/** How a link stands for many values, when it does. */
function manyOf({ view }: Link): ManyView | undefined {
  return view === "lookup" || view === "stream" || view === "items" ? view : undefined;
}

/**
 * The graph of tasks and repositories. A view is joined to the stores beneath it by being drawn as them.
 *
 * @param tasks The tasks.
 * @param state Counts jobs and keys, when given.
 * @returns Nodes and edges.
 */
export function graphOf(tasks: readonly Task[], state?: PipelineState): PipelineGraph {
  const nodes = new Map<string, GraphNode>();
  const edges: PipelineGraph["edges"][number][] = [];
  const repositoryNode = (repository: Repository): string => {
    const id = `repository:${repository.driver.identity}`;
    const set = state?.observer.observed(repository)?.set;
    if (!nodes.has(id)) {
      nodes.set(id, {
        type: "repository",
        id,
        label: repository.name,
        kind: repository.kind,
        count: set?.size,
      });
    }
    return id;
  };
  for (const task of inFlowOrder(tasks)) {
    const id = `task:${task.name}`;
    nodes.set(id, {
      type: "task",
      id,
      label: task.name,
      kind: task.kind,
      counts: state?.task(task.name).counts(),
    });
    for (const [name, link] of Object.entries(task.links)) {
      for (const [suffix, repository] of [["", link.repository] as const, ...Object.entries(link.cokeyed)]) {
        const other = repositoryNode(repository);
        const reads = link.direction === "in" || link.direction === "gate";
        edges.push({
          from: reads ? other : id,
          to: reads ? id : other,
          link: suffix ? `${name}.${suffix}` : name,
          direction: link.direction,
          key: link.key?.label ?? link.stream?.of?.label ?? link.items?.keys,
          many: suffix === "" ? manyOf(link) : undefined,
        });
      }
    }
  }
  // A view and its store are two nodes; an edge between them keeps the flow in one piece.
  for (const task of tasks) {
    for (const { repository } of Object.values(task.links)) {
      const id = `repository:${repository.driver.identity}`;
      for (const identity of repository.footprint().keys()) {
        const store = `repository:${identity}`;
        if (
          store === id || !nodes.has(store) || edges.some((edge) => edge.from === store && edge.to === id)
        ) continue;
        edges.push({ from: store, to: id, link: "", direction: "gate" });
      }
    }
  }
  return { nodes: [...nodes.values()], edges };
}

/**
 * What stands in the nodes and at the edges of a drawn pipeline.
 *
 * @module
 */
import type { TaskCounts } from "../../pipeline/events.ts";
import type { GraphNode, PipelineGraph } from "../../pipeline/reports.ts";
import { near } from "../near.ts";
import { amount, counted } from "../rows.ts";

function countsText(counts: TaskCounts): string {
  const parts = (Object.entries(counts) as [keyof TaskCounts, number][]).filter(([, n]) => n > 0)
    .map(([state, n]) => `${amount(n)} ${state}`);
  return parts.join(", ") || "no jobs";
}

/**
 * The lines of text in a node.
 *
 * @param node The node.
 * @returns Its label, what it is, and its numbers where they are known.
 */
export function nodeLines(node: GraphNode): string[] {
  if (node.type === "task") return [node.label, ...(node.counts ? [countsText(node.counts)] : [])];
  return [near(node.label), ...(node.count === undefined ? [] : [counted(node.count, "key")])];
}

/**
 * The text at an edge.
 *
 * @param edge The edge.
 * @returns The name of the link, whether it stands for many values, and how keys are found where they are not the job.
 */
export function edgeText(edge: PipelineGraph["edges"][number]): string {
  const notes = [edge.many, edge.key].filter((note) => note !== undefined);
  return notes.length === 0 ? edge.link : `${edge.link} (${notes.join(", ")})`;
}

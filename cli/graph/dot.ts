/**
 * A pipeline in the language of Graphviz.
 *
 * @module
 */
import type { PipelineGraph } from "../../pipeline/reports.ts";
import { edgeText, nodeLines } from "./labels.ts";

function text(lines: readonly string[]): string {
  return `"${lines.map((line) => line.replace(/[\\"]/g, "\\$&").replace(/[\r\n]+/g, " ")).join("\\n")}"`;
}

/**
 * A pipeline in the language of Graphviz.
 *
 * @param graph The graph.
 * @param name Its title.
 * @returns A digraph: tasks are boxes, repositories are cylinders.
 */
export function toDot(graph: PipelineGraph, name: string): string {
  const lines = [
    `digraph ${text([name])} {`,
    "  rankdir=LR;",
    '  node [fontname="Helvetica", fontsize=11, style="filled,rounded"];',
    '  edge [fontname="Helvetica", fontsize=9, color="#64748b", fontcolor="#475569"];',
  ];
  for (const node of graph.nodes) {
    const look = node.type === "task"
      ? 'shape=box, fillcolor="#2563eb", fontcolor=white, color="#1e40af"'
      : 'shape=cylinder, style=filled, fillcolor="#f1f5f9", color="#94a3b8"';
    lines.push(`  ${text([node.id])} [label=${text(nodeLines(node))}, ${look}];`);
  }
  for (const edge of graph.edges) {
    const dashed = edge.direction === "gate" || edge.direction === "status" ? ", style=dashed" : "";
    lines.push(`  ${text([edge.from])} -> ${text([edge.to])} [label=${text([edgeText(edge)])}${dashed}];`);
  }
  return [...lines, "}", ""].join("\n");
}

/**
 * A pipeline as Mermaid text.
 *
 * @module
 */
import type { PipelineGraph } from "../../pipeline/reports.ts";
import { edgeText, nodeLines } from "./labels.ts";

/** Characters that Mermaid would read as its own. */
function escape(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[#"<>&[\](){}|\\`]/g, (c) => `#${c.charCodeAt(0)};`);
}

/**
 * A pipeline as Mermaid text.
 *
 * @param graph The graph.
 * @returns A flowchart: tasks are boxes, repositories are cylinders.
 */
export function toMermaid(graph: PipelineGraph): string {
  const ids = new Map(graph.nodes.map((node, i) => [node.id, `n${i}`]));
  const lines = ["flowchart LR"];
  for (const node of graph.nodes) {
    const label = `"${nodeLines(node).map(escape).join("<br/>")}"`;
    lines.push(`  ${ids.get(node.id)}${node.type === "task" ? `[${label}]` : `[(${label})]`}:::${node.type}`);
  }
  for (const edge of graph.edges) {
    const text = edgeText(edge);
    const arrow = edge.direction === "gate" || edge.direction === "status" ? "-.->" : "-->";
    lines.push(`  ${ids.get(edge.from)} ${arrow}${text ? `|"${escape(text)}"|` : ""} ${ids.get(edge.to)}`);
  }
  lines.push(
    "  classDef task fill:#2563eb,stroke:#1e40af,color:#fff",
    "  classDef repository fill:#f1f5f9,stroke:#94a3b8,color:#0f172a",
  );
  return lines.join("\n") + "\n";
}

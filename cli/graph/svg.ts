/**
 * A pipeline as a picture, for light and dark pages.
 *
 * @module
 */
import type { GraphNode, PipelineGraph } from "../../pipeline/reports.ts";
import { Graph, layout } from "../../deps/dagre.ts";
import { edgeText, nodeLines } from "./labels.ts";

const MARGIN = 24;
/** The width of a character of the labels, in pixels: of the fonts named below, on average. */
const CHARACTER = 7.2;
const LINE = 17;

const STYLE = `
  .datatask { font: 13px ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
  .paper { fill: #ffffff; }
  .task rect { fill: #2563eb; }
  .task text { fill: #ffffff; }
  .store .body { fill: #f1f5f9; stroke: #94a3b8; }
  .store .lid { fill: #e2e8f0; stroke: #94a3b8; }
  .store text { fill: #0f172a; }
  .first { font-weight: 600; }
  .more { font-size: 11px; opacity: .8; }
  .edge { fill: none; stroke: #64748b; stroke-width: 1.4; }
  .weak { stroke-dasharray: 4 4; }
  .tip { fill: #64748b; }
  .link { fill: #475569; font-size: 11px; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
  .failed rect { fill: #dc2626; }
  .finished rect { fill: #15803d; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0f172a; }
    .store .body { fill: #1e293b; stroke: #475569; }
    .store .lid { fill: #334155; stroke: #475569; }
    .store text { fill: #e2e8f0; }
    .edge { stroke: #94a3b8; }
    .tip { fill: #94a3b8; }
    .link { fill: #cbd5e1; stroke: #0f172a; }
  }`;

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function labels(lines: readonly string[], { x, y }: Box, shift: number): string {
  const top = y - ((lines.length - 1) * LINE) / 2 + shift;
  return lines.map((line, i) =>
    `<text class="${i === 0 ? "first" : "more"}" x="${x}" y="${
      top + i * LINE
    }" text-anchor="middle" dominant-baseline="central">${escape(line)}</text>`
  ).join("");
}

/** Whether all is done, or something has failed. */
function stateClass(node: GraphNode): string {
  if (node.type !== "task" || !node.counts) return "";
  const { done, failed, blocked, ...rest } = node.counts;
  if (failed + blocked > 0) return " failed";
  return done > 0 && Object.values(rest).every((n) => n === 0) ? " finished" : "";
}

function drawNode(node: GraphNode, box: Box): string {
  const { x, y, width, height } = box;
  const left = x - width / 2;
  const top = y - height / 2;
  const title = `<title>${escape(`${node.label} (${node.kind})`)}</title>`;
  if (node.type === "task") {
    return `<g class="task${
      stateClass(node)
    }">${title}<rect x="${left}" y="${top}" width="${width}" height="${height}" rx="8"/>${
      labels(nodeLines(node), box, 0)
    }</g>`;
  }
  const bend = 7;
  return `<g class="store">${title}<path class="body" d="M${left} ${top + bend}v${height - 2 * bend}a${
    width / 2
  } ${bend} 0 0 0 ${width} 0v${-(height - 2 * bend)}"/><ellipse class="lid" cx="${x}" cy="${
    top + bend
  }" rx="${width / 2}" ry="${bend}"/>${labels(nodeLines(node), box, bend / 2 + 2)}</g>`;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** A smooth line through points. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  let d = `M${round(first!.x)} ${round(first!.y)}`;
  for (let i = 0; i < rest.length; i++) {
    const point = rest[i]!;
    const after = rest[i + 1];
    const to = after && i < rest.length - 2
      ? { x: (point.x + after.x) / 2, y: (point.y + after.y) / 2 }
      : after;
    if (!to) d += `L${round(point.x)} ${round(point.y)}`;
    else {
      d += `Q${round(point.x)} ${round(point.y)} ${round(to.x)} ${round(to.y)}`;
      if (to === after) i++;
    }
  }
  return d;
}

const round = (n: number): number => Math.round(n * 10) / 10;

/**
 * A pipeline as a picture.
 *
 * @param graph The graph.
 * @param name Its title.
 * @returns An SVG document that follows the color scheme of its reader.
 */
export function toSvg(graph: PipelineGraph, name: string): string {
  const plan = new Graph({ multigraph: true });
  plan.setGraph({ rankdir: "LR", nodesep: 28, ranksep: 64, edgesep: 16, marginx: MARGIN, marginy: MARGIN });
  plan.setDefaultEdgeLabel(() => ({}));
  for (const node of graph.nodes) {
    const lines = nodeLines(node);
    const widest = Math.max(
      ...lines.map((line, i) => line.length * (i === 0 ? CHARACTER : CHARACTER * 0.85)),
    );
    plan.setNode(node.id, {
      width: round(Math.max(72, widest + 28)),
      height: lines.length * LINE + (node.type === "task" ? 20 : 32),
    });
  }
  graph.edges.forEach((edge, i) => {
    const text = edgeText(edge);
    plan.setEdge(edge.from, edge.to, { width: text.length * 6 + 8, height: 14, labelpos: "c", text }, `${i}`);
  });
  layout(plan);
  const { width = 0, height = 0 } = plan.graph() as { width?: number; height?: number };
  const [w, h] = graph.nodes.length === 0 ? [160, 80] : [Math.ceil(width), Math.ceil(height)];
  const edges = graph.edges.map((edge, i) => drawEdge(plan.edge(edge.from, edge.to, `${i}`), edge.direction));
  const nodes = graph.nodes.map((node) => drawNode(node, plan.node(node.id) as Box));
  return `<svg xmlns="http://www.w3.org/2000/svg" class="datatask" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="${
    escape(name)
  }">
<title>${escape(name)}</title>
<style>${STYLE}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>
<rect class="paper" width="${w}" height="${h}"/>
${edges.map(([line]) => line).join("\n")}
${nodes.join("\n")}
${edges.map(([, text]) => text).join("\n")}
</svg>
`;
}

function drawEdge(placed: unknown, direction: string): readonly [line: string, text: string] {
  const edge = placed as { points: readonly Point[]; x?: number; y?: number; text: string };
  const weak = direction === "gate" || direction === "status" ? " weak" : "";
  const line = `<path class="edge${weak}" d="${curve(edge.points)}" marker-end="url(#tip)"/>`;
  if (edge.x === undefined || edge.y === undefined || edge.text === "") return [line, ""];
  return [
    line,
    `<text class="link" x="${round(edge.x)}" y="${
      round(edge.y)
    }" text-anchor="middle" dominant-baseline="central">${escape(edge.text)}</text>`,
  ];
}

import assert from "node:assert/strict";
import { toDot } from "../../cli/graph/dot.ts";
import { toMermaid } from "../../cli/graph/mermaid.ts";
import { toSvg } from "../../cli/graph/svg.ts";
import { NO_JOBS } from "../../cli/progress/view.ts";
import type { PipelineGraph } from "../../pipeline/reports.ts";

const GRAPH: PipelineGraph = {
  nodes: [
    {
      type: "task",
      id: "task:count",
      label: "count",
      kind: "function",
      counts: { ...NO_JOBS, done: 2, failed: 1 },
    },
    { type: "repository", id: "r:1", label: 'files "x" <*>\n[a](b) & \\c', kind: "blob", count: 1234 },
  ],
  edges: [
    { from: "r:1", to: "task:count", link: "books", direction: "in" },
    { from: "task:count", to: "r:1", link: "words", direction: "out", key: "meta.id" },
    { from: "r:1", to: "task:count", link: "lock", direction: "gate" },
  ],
};

Deno.test("toMermaid() writes nodes, edges and numbers, and escapes labels", () => {
  const text = toMermaid(GRAPH);
  assert.ok(text.includes('n0["count<br/>2 done, 1 failed"]:::task'));
  assert.ok(text.includes('n1 -->|"books"| n0'));
  assert.ok(text.includes('n0 -->|"words #40;meta.id#41;"| n1'));
  assert.ok(text.includes('n1 -.->|"lock"| n0'));
  const label = /n1\[\("(.*?)"\)\]/s.exec(text)![1]!;
  assert.doesNotMatch(label.replaceAll("<br/>", ""), /["<>&[\]()\n]/);
  assert.ok(label.endsWith("1,234 keys"));
});

Deno.test("toDot() quotes what must be quoted", () => {
  const text = toDot(GRAPH, 'my "pipe"');
  assert.ok(text.startsWith('digraph "my \\"pipe\\"" {\n'));
  assert.ok(text.includes('label="files \\"x\\" <*> [a](b) & \\\\c\\n1,234 keys"'));
  assert.ok(text.includes('"r:1" -> "task:count" [label="lock", style=dashed];'));
});

Deno.test("toSvg() draws every node and edge, escaped, inside of its frame", () => {
  const text = toSvg(GRAPH, "a < b");
  assert.ok(text.includes('aria-label="a &#60; b"'));
  assert.equal(text.match(/<path class="edge/g)?.length, 3);
  assert.equal(text.match(/<g class="task failed"/g)?.length, 1);
  assert.ok(text.includes("prefers-color-scheme: dark"));
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(text)!.map(Number);
  for (const [, x, y] of text.matchAll(/<text class="[a-z]+" x="([\d.]+)" y="([\d.]+)"/g)) {
    assert.ok(Number(x) > 0 && Number(x) < width! && Number(y) > 0 && Number(y) < height!);
  }
  assert.doesNotMatch(text.replace(/<style>[^]*<\/style>/, ""), /NaN|undefined|files "x"/);
});

Deno.test("all formats draw a pipeline without tasks", () => {
  const empty: PipelineGraph = { nodes: [], edges: [] };
  assert.match(toMermaid(empty), /^flowchart LR\n/);
  assert.match(toDot(empty, "x"), /^digraph "x" \{[^]*\}\n$/);
  assert.match(toSvg(empty, "x"), /viewBox="0 0 160 80"/);
});

/** The layout of directed graphs. @module */
export { Graph, layout } from "npm:@dagrejs/dagre@^3";

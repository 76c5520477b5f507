/**
 * The reader of command lines, from Node's own `util`: the one place that names it.
 *
 * @module
 */
export { parseArgs } from "node:util";

/**
 * The modules of a body, and those of this package that run it, as one text: a part of a script that lays them down where it runs.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { encodeText } from "../core/bytes.ts";
import { configOf } from "../executors/workers/config.ts";
import { moduleGraph } from "./module_graph.ts";
import { quoteWord } from "./script.ts";

/** Modules to carry. */
export interface Bundle {
  /** Lays them down in the folder `$body`, for a POSIX shell. The same modules make the same text. */
  readonly text: string;
  /** SHA-256 of its UTF-8, in hex. */
  readonly digest: string;
}

/**
 * Finds and reads the modules of a body.
 *
 * @param module The address of the module of the body.
 * @returns What lays them down. `$body/main.ts` runs the body, with what is in `$body/context.json` and `$body/address.json`.
 * @throws {DatataskError} With code `cannot-start`, when one is missing or cannot be carried.
 */
export async function carriedBundle(module: string): Promise<Bundle> {
  const main = new URL("./carried/main.ts", import.meta.url).href;
  const deno = Deno.execPath();
  // One after the other: the user's first, which may be wrong.
  const graphs = [
    await moduleGraph(module, deno, configOf(module)),
    await moduleGraph(main, deno, configOf(main)),
  ];
  const files = new Map(graphs.flatMap((graph) => [...graph.files]));
  const imports = Object.fromEntries(
    graphs.flatMap((graph) => [...graph.imports]).map(([name, address]) => [name, carriedAddress(address)]),
  );
  const entry = [
    `import * as module from ${JSON.stringify(carriedAddress(module))};`,
    `import { main } from ${JSON.stringify(carriedAddress(main))};`,
    `import context from "./context.json" with { type: "json" };`,
    `import address from "./address.json" with { type: "json" };`,
    `const spool = decodeURIComponent(new URL("spool", import.meta.url).pathname);`,
    "await main(context, module, { address: address ?? undefined, spool });",
  ].join("\n");
  const paths = [...files].map(([address, text]) => [carriedAddress(address).slice(2), text] as const);
  const folders = new Set(paths.map(([path]) => path.slice(0, path.lastIndexOf("/"))));
  const text = [
    ...[...folders].map((folder) => `mkdir -p "$body"/${quoteWord(folder)}`),
    ...paths.map(([path, text]) => laidDown(path, text)),
    laidDown("main.ts", entry),
    laidDown("deno.json", JSON.stringify({ imports, lock: false, nodeModulesDir: "none" })),
    "",
  ].join("\n");
  return { text, digest: sha256(text) };
}

/** Where a module is found once it was carried. */
function carriedAddress(address: string): string {
  return address.startsWith("file:") ? `./modules${decodeURIComponent(new URL(address).pathname)}` : address;
}

/**
 * The command that lays a file down in `$body`.
 *
 * @param path Its path there.
 * @param text What it holds.
 * @returns The command.
 */
export function laidDown(path: string, text: string): string {
  // No text holds a line with its own digest.
  const end = `END_${sha256(text).slice(0, 32)}`;
  return `cat >"$body"/${quoteWord(path)} <<'${end}'\n${text}\n${end}`;
}

function sha256(text: string): string {
  return createHash("sha256").update(encodeText(text)).digest("hex");
}

/**
 * The public names of every entry point, pinned in `tests/tree/public_names.json`.
 *
 * @module
 */
import { entries, ROOT } from "./entries.ts";

const FILE = new URL("tests/tree/public_names.json", ROOT);

/** The names that are pinned, by entry point. */
export function pinned(): Record<string, string[]> {
  return JSON.parse(Deno.readTextFileSync(FILE));
}

/**
 * What an entry point offers.
 *
 * @param file The entry point, as a path from the root.
 * @returns The names, types included, in order.
 */
export async function publicNames(file: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", "--quiet", file],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stderr: "inherit",
  }).output();
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const names = Object.values<{ symbols: { name: string }[] }>(nodes).flatMap(({ symbols }) =>
    symbols.map(({ name }) => name)
  );
  return [...new Set(names)].sort();
}

if (import.meta.main) {
  const found: Record<string, string[]> = {};
  for (const [name, file] of Object.entries(entries())) found[name] = await publicNames(file);
  await Deno.writeTextFile(FILE, JSON.stringify(found, null, 2) + "\n");
}

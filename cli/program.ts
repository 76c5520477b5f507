/**
 * How this program was called, for hints that can be copied into a terminal.
 *
 * @module
 */

/**
 * How this program was called.
 *
 * @param from `anywhere`: as it can be called from any folder. Default: from the current one, with the path as short as it can be.
 * @returns `deno run -A pipeline.ts`
 */
export function programName(from: "here" | "anywhere" = "here"): string {
  return `deno run -A ${mainModule(from)}`;
}

function mainModule(from: "here" | "anywhere"): string {
  try {
    const address = Deno.mainModule;
    if (!address.startsWith("file:")) return quote(address);
    const path = decodeURIComponent(new URL(address).pathname);
    const folder = `${Deno.cwd()}/`;
    return quote(from === "here" && path.startsWith(folder) ? path.slice(folder.length) : path);
  } catch {
    return "cli.ts";
  }
}

/**
 * A word as a shell takes it.
 *
 * @param word Any text.
 * @returns The same, in quotes when it needs them.
 */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * How this program was called, for hints that can be copied into a terminal.
 *
 * @module
 */

/**
 * How this program was called.
 *
 * @returns `deno run -A pipeline.ts`, with the path as short as it can be from the current folder.
 */
export function programName(): string {
  return `deno run -A ${mainModule()}`;
}

function mainModule(): string {
  try {
    const address = Deno.mainModule;
    if (!address.startsWith("file:")) return quote(address);
    const path = decodeURIComponent(new URL(address).pathname);
    const folder = `${Deno.cwd()}/`;
    return quote(path.startsWith(folder) ? path.slice(folder.length) : path);
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

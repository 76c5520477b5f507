/**
 * Where the import map of a module is.
 *
 * @module
 */
/**
 * The configuration that a module lives under: the nearest `deno.json`, with its import map.
 *
 * @param module The address of the module.
 * @returns The path of the file; nothing when there is none, or the module is not of this machine.
 */
export function configOf(module: string): string | undefined {
  if (!module.startsWith("file:")) return undefined;
  for (let at = new URL("./", module);; at = new URL("../", at)) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      try {
        const path = decodeURIComponent(new URL(name, at).pathname);
        if (Deno.statSync(path).isFile) return path;
      } catch {
        // Not here.
      }
    }
    if (at.pathname === "/") return undefined;
  }
}

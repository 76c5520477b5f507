/**
 * What `deno.json` publishes.
 *
 * @module
 */

/** The root of the repository. */
export const ROOT: URL = new URL("../", import.meta.url);

/** The folders of the source, one per room. */
export const ROOMS: readonly string[] = [
  "core",
  "session",
  "repositories",
  "executors",
  "tasks",
  "pipeline",
  "agent",
  "cli",
  "web",
  "testing",
  "deps",
];

/** The entry points: the name in `exports`, and the file. */
export function entries(): Readonly<Record<string, string>> {
  const config = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  return config.exports;
}

/** All source files that are published, as paths from the root, in order. */
export function sources(): string[] {
  const found: string[] = ["mod.ts", "cli.ts"];
  const visit = (folder: string): void => {
    for (const entry of Deno.readDirSync(new URL(folder, ROOT))) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) visit(path);
      else if (path.endsWith(".ts")) found.push(path);
    }
  };
  for (const room of ROOMS) {
    try {
      visit(room);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found.sort();
}

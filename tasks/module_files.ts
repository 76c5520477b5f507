/**
 * Modules of bodies, kept as long as a run may ask the agent for them: the next coordinator serves them too, whose own may be others by then.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import type { Bundle } from "./module_bundle.ts";

/**
 * Keeps modules at a path, unless they are there.
 *
 * @param path Where: its name holds their digest.
 * @param bundle The modules.
 */
export async function keepModules(path: string, { text }: Bundle): Promise<void> {
  const now = new Date();
  try {
    // A run is about to need it: nobody shall take it for rubbish.
    Deno.utimeSync(path, now, now);
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  const part = `${path}.${crypto.randomUUID().slice(0, 8)}`;
  await Deno.writeTextFile(part, text, { mode: 0o600 });
  await Deno.rename(part, path);
}

/**
 * Reads modules.
 *
 * @param path Where they were kept.
 * @returns Them; nothing when they are not there.
 */
export async function readModules(path: string): Promise<Bytes | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

import { needsOfMachine } from "../../testing/needs.ts";

/** A folder on a disk of its own, as long as it is used. */
export interface SmallDisk extends AsyncDisposable {
  /** Options of a test, or of a step, that needs it: it is ignored where this machine cannot have one, and that is noted. */
  readonly options: { readonly ignore: boolean };
}

/**
 * Puts a small disk at a folder.
 *
 * @param folder The folder, which is there.
 * @param size How large, as `mount` takes it: `256k`.
 * @returns The disk.
 */
export async function smallDisk(folder: string, size: string): Promise<SmallDisk> {
  const run = async (program: string, ...args: readonly string[]): Promise<boolean> => {
    try {
      return (await new Deno.Command(program, { args: [...args], stderr: "null" }).output()).success;
    } catch {
      return false;
    }
  };
  const there = await run("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder);
  return {
    options: needsOfMachine("disks", there),
    [Symbol.asyncDispose]: async () => {
      if (there) await run("umount", "-l", folder);
    },
  };
}

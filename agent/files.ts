/**
 * Files that may not be there.
 *
 * @module
 */

/**
 * Removes a file or a folder, when there is one.
 *
 * @param path Which.
 */
export async function removeAll(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * How long a file is.
 *
 * @param path Which.
 * @returns Its size in bytes; nothing when there is none.
 */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.lstat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
